"""What the sandbox remembers: who is the same customer, what was written last, who is being written right now."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import stat
from pathlib import Path

import pytest

from importer.sandbox import PreferenceField, load_customers, load_fields
from importer.sandbox.options import OptionsError, parse_rate
from tests.support.sandbox import Client, customer, items_of, sandboxed


def test_writing_replaces_one_preference_and_keeps_the_others() -> None:
    """One stored value for each customer and field."""

    async def test(client: Client) -> None:
        await client.post(customer({"Color": "Blue", "Size": "L"}, mobile="7744876415"))
        await client.post(customer({"Color": "Red"}, mobile="917744876415"))
        assert client.state.preferences_of(mobile="7744876415") == {"Color": "Red", "Size": "L"}
        assert client.state.preferences_of(mobile="917744876415") == {"Color": "Red", "Size": "L"}
        assert client.state.preferences_of(email="nobody@example.com") == {}

    sandboxed(test)


def test_identifiers_that_come_together_are_one_customer() -> None:
    """By mobile, then by mobile and e-mail, then by e-mail in other case and external id: all the same account."""

    async def test(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415"))
        await client.post(customer({"B": "2"}, mobile="7744876415", email="Asha@example.com"))
        await client.post(customer({"C": "3"}, email="asha@EXAMPLE.com", external_id="X"))
        everything = {"A": "1", "B": "2", "C": "3"}
        for named in ({"mobile": "7744876415"}, {"email": "ASHA@example.com"}, {"external_id": "X"}):
            assert client.state.preferences_of(**named) == everything
        assert len(client.state.accounts) == 1

    sandboxed(test)


def test_accounts_are_merged_the_same_whichever_was_first() -> None:
    """The account of the first identifier survives and its values win, so the order of writing does not show."""
    results = []
    for order in itertools.permutations(range(3)):

        async def test(client: Client, order: tuple[int, ...] = order) -> None:
            rows = [
                customer({"A": "mobile", "M": "1"}, mobile="7744876415"),
                customer({"A": "email", "E": "2"}, email="a@x.in"),
                customer({"A": "id", "X": "3"}, external_id="X"),
            ]
            for position in order:
                await client.post(rows[position])
            assert len(client.state.accounts) == 3
            await client.post(customer({"N": "4"}, mobile="7744876415", email="a@x.in", external_id="X"))
            assert len(client.state.accounts) == 1
            results.append(client.state.preferences_of(external_id="X"))
            assert client.state.preferences_of(email="a@x.in") == results[-1]

        sandboxed(test)
    assert all(result == {"A": "mobile", "M": "1", "E": "2", "X": "3", "N": "4"} for result in results)


def test_merging_within_one_request() -> None:
    """Two new customers and the row that joins them, in one batch, are applied one after the other."""

    async def test(client: Client) -> None:
        await client.post(
            customer({"A": "1"}, mobile="7744876415"),
            customer({"B": "2"}, email="a@x.in"),
            customer({"A": "3"}, mobile="7744876415", email="a@x.in"),
            customer({"B": "4"}, email="a@x.in"),
        )
        assert client.state.preferences_of(mobile="7744876415") == {"A": "3", "B": "4"}
        assert len(client.state.accounts) == 1
        assert client.state.repeats == 1

    sandboxed(test)


def test_conflicting_identifiers_can_be_refused() -> None:
    """With conflict 1047, a row that names two accounts fails and changes neither."""

    async def test(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415"), customer({"A": "2"}, email="a@x.in"))
        assert await client.code(customer({"A": "3"}, mobile="7744876415", email="a@x.in")) == 1047
        assert client.state.preferences_of(mobile="7744876415") == {"A": "1"}
        assert client.state.preferences_of(email="a@x.in") == {"A": "2"}

    sandboxed(test, conflict="1047")


def test_reading_back() -> None:
    """GET finds a customer by each identifier and says what was stored; who never had a preference has none."""

    async def test(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415", email="a@x.in", external_id="X", user_id="9"))
        for named in ({"mobile": "7744876415"}, {"email": "a@x.in"}, {"external_id": "X"}, {"id": "9"}):
            found = await client.get(**named)
            assert found["custom_fields"]["field"] == [{"name": "A", "value": "1"}]
            assert (found["mobile"], found["email"], found["user_id"]) == ("917744876415", "a@x.in", "9")
            assert found["item_status"]["success"] == "true"
        assert (await client.get(mobile="7744876416"))["custom_fields"]["field"] == []
        assert (await client.get(external_id="code-8109"))["item_status"]["code"] == 8109
        answer = await client.http.get("/v1.1/customer/preferences?format=json")
        assert answer.json()["response"]["status"]["code"] == 400

    sandboxed(test)


def test_the_field_list_without_definitions_is_empty() -> None:
    """An organisation that takes any name does not restrict the columns of the next sheet to those of the last."""

    async def test(client: Client) -> None:
        await client.post(customer({"Size": "L"}, external_id="A"), customer({"Color": "Red"}, external_id="B"))
        url = "/v1.1/organization/customfields?format=json&scope=customer_preferences"
        listed = (await client.http.get(url)).json()["response"]
        assert listed["organization"]["custom_fields"]["field"] == []

    sandboxed(test)


def test_what_was_accepted_is_logged_in_order() -> None:
    """`accepted` holds the customers that succeeded, as they were sent, and `requests` what they came in."""

    async def test(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415"), customer(external_id="code-816"))
        await client.post(customer({"A": "2"}, email="a@x.in"))

    state = sandboxed(test)
    assert state.accepted == [({"mobile": "7744876415"}, {"A": "1"}), ({"email": "a@x.in"}, {"A": "2"})]
    first, second = state.requests
    assert (first.number, first.size, first.http_status, first.code) == (1, 2, 200, "201")
    assert first.at <= first.ended_at <= second.at
    assert first.request_id != second.request_id
    assert len(first.body_sha256) == 64
    assert state.calls == {"POST customer/preferences": 2}


def test_one_customer_in_two_requests_at_once_is_refused() -> None:
    """521 for that customer alone, counted; the others of the request are written."""

    async def test(client: Client) -> None:
        first, second = await asyncio.gather(
            client.post(customer({"A": "1"}, mobile="7744876415"), customer(external_id="X")),
            client.post(customer({"A": "2"}, mobile="917744876415", email="a@x.in"), customer(external_id="Y")),
        )
        codes = [item["item_status"]["code"] for answer in (first, second) for item in items_of(answer.json())]
        assert codes in ([200, 200, 521, 200], [521, 200, 200, 200])
        assert client.state.overlaps == 1
        assert client.state.in_flight_most == 2
        assert client.state.busy == {}
        assert await client.code(customer({"A": "2"}, mobile="7744876415")) is None

    sandboxed(test, latency=(0.02,))


def test_one_account_under_two_identifiers_is_refused_too() -> None:
    """What only the stored account knows to be one customer is locked as well, and counted apart."""

    async def test(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415", email="a@x.in"))
        answers = await asyncio.gather(
            client.post(customer({"A": "2"}, mobile="7744876415")), client.post(customer({"A": "3"}, email="a@x.in"))
        )
        codes = sorted(items_of(answer.json())[0]["item_status"]["code"] for answer in answers)
        assert codes == [200, 521]
        assert (client.state.overlaps, client.state.account_overlaps) == (0, 1)

    sandboxed(test, latency=(0.02,))


def test_other_customers_are_not_locked() -> None:
    """Requests with different customers work side by side, and are applied when their time is over."""

    async def test(client: Client) -> None:
        await asyncio.gather(*(client.post(customer({"A": str(n)}, external_id=f"X{n}")) for n in range(6)))
        assert client.state.overlaps == 0
        assert client.state.in_flight_most == 6
        applied = [fields["A"] for _, fields in client.state.accepted]
        assert (sorted(applied[:3]), sorted(applied[3:])) == (["1", "3", "5"], ["0", "2", "4"])

    sandboxed(test, latency=(0.4, 0.01))


def test_a_client_that_gives_up_leaves_no_lock() -> None:
    """A request that is cancelled lets go of its customers."""

    async def test(client: Client) -> None:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.02):
                await client.post(customer(external_id="X"))
        assert client.state.busy == {}
        assert await client.code(customer(external_id="X")) is None

    sandboxed(test, latency=(5, 0))


def test_a_database_keeps_everything(tmp_path: Path) -> None:
    """What was stored under --database is there after a restart, for us and for sqlite3; only the owner may read it."""
    database = tmp_path / "sandbox.db"

    async def write(client: Client) -> None:
        await client.post(customer({"A": "1"}, mobile="7744876415", email="a@x.in"))

    async def read(client: Client) -> None:
        assert client.state.preferences_of(email="a@x.in") == {"A": "1"}
        assert len(client.state.accepted) == 1
        await client.post(customer({"B": "2"}, email="a@x.in"), customer({"B": "3"}, email="b@x.in"))
        assert client.state.preferences_of(mobile="7744876415") == {"A": "1", "B": "2"}

    sandboxed(write, database=str(database)).close()
    sandboxed(read, database=str(database)).close()
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT name, value FROM preferences ORDER BY account, name").fetchall()
    connection.close()
    assert rows == [("A", "1"), ("B", "2"), ("B", "3")]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_files_of_customers_and_fields(tmp_path: Path) -> None:
    """Customers: one or several identifiers a line, a header or none. Fields: names, definitions, or an API answer."""
    customers = tmp_path / "customers.csv"
    customers.write_text("\ufeffmobile,email\n7744876415,a@x.in\n,b@x.in\n\n")
    assert load_customers(customers) == {"7744876415", "a@x.in", "b@x.in"}

    names = tmp_path / "fields.txt"
    names.write_text("Color\n\n Size \n")
    assert [field.name for field in load_fields(names)] == ["Color", "Size"]

    answer = tmp_path / "fields.json"
    answer.write_text(
        '{"response": {"organization": {"custom_fields": {"field": {"name": "Size", "datatype": "Integer",'
        ' "options": "1, 2", "is_disabled": "true", "regex": null}}}}}'
    )
    assert load_fields(answer) == (
        PreferenceField(name="Size", label="Size", datatype="Integer", options=("1", "2"), is_disabled=True),
    )
    for text in ('[{"label": "no name"}]', "{", "[1]"):
        answer.write_text(text)
        with pytest.raises(OptionsError):
            load_fields(answer)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/minute", (100, 60.0)), ("50/second", (50, 1.0)), ("7 / hour", (7, 3600.0)), ("10/0.5s", (10, 0.5))],
)
def test_rates_are_read(text: str, rate: tuple[int, float]) -> None:
    """A count and a unit."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "100", "100/fortnight", "0/second", "-1/second"])
def test_invalid_rates_are_refused(text: str) -> None:
    """At the start, not at the first request."""
    with pytest.raises(OptionsError):
        parse_rate(text)
