"""What the sandbox answers: summary codes, each documented shape, strictness about what is sent, magic identifiers."""

from __future__ import annotations

from typing import Any

import pytest

from importer.sandbox import (
    DOCUMENTED_SHAPES,
    MAGIC_TABLE,
    SHAPES,
    OptionsError,
    PreferenceField,
    SandboxOptions,
    create_app,
)
from importer.sandbox.catalogue import ITEM_MESSAGES, REQUEST_CODES, magic_markdown
from tests.support.sandbox import POST, Client, body, customer, items_of, sandboxed

_FIELDS = (
    PreferenceField(name="Color", options=("Blue", "Red")),
    PreferenceField(name="Size", datatype="Integer"),
    PreferenceField(name="Weight", datatype="Double"),
    PreferenceField(name="Vip", datatype="Boolean"),
    PreferenceField(name="Old", is_disabled=True),
    PreferenceField(name="Pin", regex="[0-9]{4}"),
)


def test_the_documented_example_is_answered_as_documented() -> None:
    """One customer sent as in the documentation comes back with its country code, store and request id."""

    async def test(client: Client) -> None:
        sent = customer(
            {"Favorite Brand": '["puma", "nike"]', "Favorite Color": "Blue"},
            mobile="7744876415",
            email="asha@example.com",
            external_id="A-17",
            store={"code": "doc123", "id": "75152715"},
        )
        answer = await client.post(sent)
        assert answer.status_code == 200
        assert answer.headers["x-cap-request-id"]
        assert answer.json() == {
            "response": {
                "status": {"success": "true", "code": 200, "message": "Operation successful"},
                "customer": [
                    {
                        "mobile": "917744876415",
                        "email": "asha@example.com",
                        "external_id": "A-17",
                        "store": {
                            "status": "SUCCESS",
                            "id": "75152715",
                            "code": "doc123",
                            "name": "Store doc123",
                        },
                        "custom_fields": sent["custom_fields"],
                        "item_status": {
                            "success": "true",
                            "code": 200,
                            "message": "Customer preferences updated successfully",
                            "warnings": {},
                        },
                    }
                ],
            }
        }
        assert client.state.preferences_of(mobile="7744876415")["Favorite Brand"] == '["puma", "nike"]'

    sandboxed(test)


@pytest.mark.parametrize(("bad", "code"), [(0, 200), (1, 201), (2, 201), (3, 500)])
def test_the_status_sums_up_the_items(bad: int, code: int) -> None:
    """200 when all succeed, 201 when some fail, 500 when all do, under HTTP 200."""

    async def test(client: Client) -> None:
        sent = [customer(external_id="code-816" if n < bad else f"A-{n}") for n in range(3)]
        answer = await client.post(*sent)
        assert answer.status_code == 200
        assert answer.json()["response"]["status"]["code"] == code
        assert answer.json()["response"]["status"]["success"] == ("false" if code == 500 else "true")
        assert [item["item_status"]["success"] for item in items_of(answer.json())].count("false") == bad

    sandboxed(test)


@pytest.mark.parametrize("shape", DOCUMENTED_SHAPES)
@pytest.mark.parametrize("count", [1, 2])
def test_every_shape_says_the_same(shape: str, count: int) -> None:
    """Whatever the shape, there is an item for each customer in order, and its success is readable."""

    async def test(client: Client) -> None:
        sent = [customer(mobile="7744876415", email="Asha@Example.com"), customer(external_id="code-1012")][:count]
        items = items_of((await client.post(*sent)).json())
        assert len(items) == count
        assert items[0]["mobile"] in {"7744876415", "917744876415"}
        statuses = [item.get("item_status", {}) for item in items]
        assert str(statuses[0]["success"]).lower() == "true"
        assert int(float(statuses[0]["code"])) in {200, 1000}
        if count == 2:
            assert str(statuses[1].get("success", "false")).lower() == "false"
            assert "code" not in statuses[1] or int(float(statuses[1]["code"])) == 1012

    sandboxed(test, shape=shape)


def test_the_documented_shapes_use_every_word() -> None:
    """No shape is left out of the list that tests of a reader of answers run over."""
    used = {word for shape in DOCUMENTED_SHAPES for word in shape.split(",")}
    defaults = {"warnings-object", "success-200", "echo-empty", "mobile-country", "email-as-sent", "failed-whole"}
    defaults |= {"fields-echo", "messages", "totals-none", "http-documented"}
    assert used | defaults == set(SHAPES)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("customers", {"customers": {"customer": {}}}),
        ("customers-array", {"customers": {"customer": [{}]}}),
        ("customer", {"customer": [{}]}),
    ],
)
def test_where_the_list_is(shape: str, expected: dict[str, Any]) -> None:
    """The list is where its word says: an object instead of an array of one only at customers.customer."""

    async def test(client: Client) -> None:
        response = (await client.post(customer(external_id="empty"))).json()["response"]
        response.pop("status")
        assert response == expected

    sandboxed(test, shape=shape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("echo-empty", {"mobile": "", "email": "", "external_id": "A"}),
        ("echo-null", {"mobile": None, "email": None, "external_id": "A"}),
        ("echo-missing", {"external_id": "A"}),
        ("echo-stored", {"mobile": "917744876415", "email": "A@x.in", "external_id": "A"}),
    ],
)
def test_identifiers_that_were_not_sent(shape: str, expected: dict[str, Any]) -> None:
    """They come back as "", as null, not at all, or as the stored customer has them."""

    async def test(client: Client) -> None:
        await client.post(customer(mobile="7744876415", email="A@x.in", external_id="A"))
        (item,) = await client.items(customer(external_id="A"))
        assert {kind: item[kind] for kind in ("mobile", "email", "external_id") if kind in item} == expected

    sandboxed(test, shape=shape)


def test_totals_codes_warnings_and_messages_follow_their_words() -> None:
    """Each word changes what it names and nothing else."""

    async def test(client: Client) -> None:
        response = (await client.post(customer(external_id="warn-1017"), customer(external_id="B"))).json()["response"]
        assert response["status"]["total"] == "2"
        assert response["status"]["success_count"] == "2"
        assert response["status"]["code"] == "200"
        first, second = response["customer"]
        assert first["item_status"] == {
            "success": True,
            "code": "1000",
            "message": "",
            "warnings": {"warning": ["1017"]},
        }
        assert second["item_status"]["warnings"] == {"warning": []}

    sandboxed(test, shape="totals,booleans,string-codes,success-1000,warnings-array,messages-empty")


@pytest.mark.parametrize("shape", ["nonsense", "customer,customers", "booleans,strings"])
def test_invalid_shapes_are_refused(shape: str) -> None:
    """An unknown word, or two words for the same question, is reported at the start."""
    with pytest.raises(OptionsError):
        create_app(SandboxOptions(shape=shape))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"root": {"customer": []}}',
        b'{"root": {"customer": {"mobile": "917744876415"}}}',
        b'{"root": {"customer": ["917744876415"]}}',
        b'{"root": {"customer": [{"mobile": 917744876415}]}}',
        b'{"root": {"customer": [{"mobile": null}]}}',
        b'{"root": {"customer": [{"mobile": "91774487", "custom_fields": {"field": [{"name": "A", "value": 1}]}}]}}',
        b'{"root": {"customer": [{"mobile": "917744876415", "custom_fields": {"field": [{"name": "A"}]}}]}}',
        b'{"root": {"customer": [{"mobile": "917744876415", "store": {"id": 3}}]}}',
        b'{"root": {"customer": [{"email": "\xff@example.com"}]}}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_as_documented_is_refused_whole(content: bytes) -> None:
    """Code 400, no items, nothing stored: one such value poisons its whole batch."""

    async def test(client: Client) -> None:
        answer = await client.http.post(POST, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        assert answer.json()["response"]["status"]["code"] == 400
        assert set(answer.json()["response"]) == {"status"}
        assert client.state.accepted == []

    sandboxed(test)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (customer(), 400),
        (customer(mobile="+917744876415"), 1001),
        (customer(mobile="77448 76415"), 1001),
        (customer(mobile="७७४४८७६४१५"), 1001),
        (customer(mobile="774487"), 1006),
        (customer(mobile="7" * 16), 1006),
        (customer(email="asha"), 1002),
        (customer(email="as ha@example.com"), 1002),
        (customer(email="a" * 250 + "@x.com"), 1002),
        (customer(external_id="A" * 251), 1003),
        (customer({}, mobile="917744876415"), 999999),
        (customer({"A" * 21: "x"}, mobile="917744876415"), 1017),
        (customer({"": "x"}, mobile="917744876415"), 1017),
        (customer({"A" * 20: ""}, mobile="917744876415", email="a.b+c-d_e@example.com"), None),
        (customer(user_id="75152"), None),
    ],
)
def test_a_customer_that_is_not_as_documented_fails_alone(sent: dict[str, Any], code: int | None) -> None:
    """Each limit of the documentation has its item code, and the customer beside it succeeds."""

    async def test(client: Client) -> None:
        assert await client.code(sent) == code
        both = await client.items(sent, customer(external_id="B"))
        assert both[1]["item_status"]["success"] == "true"

    sandboxed(test)


def test_customers_and_stores_that_do_not_exist() -> None:
    """With lists of those who exist, all others fail with 816, 1004 and 1150; a mobile is known with or without 91."""

    async def test(client: Client) -> None:
        assert await client.code(customer(mobile="7744876415")) is None
        assert await client.code(customer(mobile="917744876415")) is None
        assert await client.code(customer(email="ASHA@example.com")) is None
        assert await client.code(customer(external_id="A")) == 816
        assert await client.code(customer(mobile="7744876415", store={"code": "S1", "id": "7"})) is None
        assert await client.code(customer(mobile="7744876415", store={"code": "S2"})) == 1004
        assert await client.code(customer(mobile="7744876415", store={"id": "8"})) == 1150
        assert (await client.get(external_id="A"))["item_status"]["code"] == 404
        assert (await client.get(mobile="917744876415"))["item_status"]["success"] == "true"

    known = frozenset({"917744876415", "Asha@Example.com"})
    state = sandboxed(test, customers=known, stores=frozenset({"S1", "7"}))
    assert len(state.accepted) == 4


def _identifier_rows() -> list[tuple[dict[str, str], str]]:
    return [
        ({kind: value}, entry.external_id)
        for entry in MAGIC_TABLE
        for kind, value in (
            ("email", entry.email),
            ("external_id", entry.external_id),
            ("user_id", entry.external_id),
            ("mobile", entry.mobile),
            ("mobile", entry.mobile.removeprefix("91")),
        )
        if value
    ]


@pytest.mark.parametrize(("identifier", "word"), _identifier_rows())
def test_every_magic_identifier_does_what_its_table_says(identifier: dict[str, str], word: str) -> None:
    """For each line of the table and each kind of identifier: its code, stored or not, its neighbour untouched."""

    async def test(client: Client) -> None:
        kind, _, rest = word.partition("-")
        code = int(rest.partition("-")[0].partition("+")[0] or 0)
        sent = customer({"One": "1", "Two": "2"}, **identifier)
        answer = await client.post(sent, customer(external_id="B"))
        stored = client.state.preferences_of(**identifier)
        if kind == "request":
            known = REQUEST_CODES[code]
            assert answer.status_code == known.http_status
            if "json" in answer.headers["content-type"]:
                assert answer.json()["response"]["status"]["code"] == code
                assert set(answer.json()["response"]) == {"status"}
            assert client.state.accepted == []
            return
        items = items_of(answer.json())
        assert items[-1]["external_id"] == "B"
        if kind == "omit":
            assert (len(items), stored) == (1, {"One": "1", "Two": "2"})
            return
        if kind == "empty":
            assert (items[0], stored) == ({}, {"One": "1", "Two": "2"})
            return
        status = items[0]["item_status"]
        if kind == "warn" or code == 91009:
            assert status["success"] == "true"
            assert status["warnings"] == {"warning": [str(code)]}
            assert stored == {"One": "1", "Two": "2"}
        elif kind == "yes":
            assert (status["success"], status["code"], stored) == ("true", code, {})
        elif code in {200, 1000}:
            assert (status["success"], status["code"], stored) == ("true", code, {"One": "1", "Two": "2"})
        else:
            assert (status["success"], status["code"]) == ("false", code)
            assert stored == ({"One": "1"} if code == 1035 else {})

    sandboxed(test)


def test_the_table_names_every_code() -> None:
    """A code of the catalogue without its magic identifier would be a code without a test."""
    words = {entry.external_id for entry in MAGIC_TABLE}
    assert {f"code-{code}" for code in ITEM_MESSAGES} | {f"request-{code}" for code in REQUEST_CODES} <= words
    assert magic_markdown().count("\n") == len(MAGIC_TABLE) + 2


@pytest.mark.parametrize("identifier", ["code-999999-x2", "code-521-x2+asha", "code-999999-x2@sandbox.test"])
def test_fails_twice_and_then_succeeds(identifier: str) -> None:
    """`-x2` counts the attempts of that very identifier, and what follows a plus is another customer."""

    async def test(client: Client) -> None:
        name: Any = {"email" if "@" in identifier else "external_id": identifier}
        sent = customer(**name)
        codes = [await client.code(sent) for _ in range(4)]
        assert [code is None for code in codes] == [False, False, True, True]
        assert await client.code(customer(external_id="code-521-x2+another")) == 521

    sandboxed(test)


def test_a_request_is_refused_twice_and_then_works() -> None:
    """`request-503-x2` strikes the whole batch twice."""

    async def test(client: Client) -> None:
        answers = [await client.post(customer(external_id="request-503-x2"), customer(user_id="7")) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert len(items_of(answers[2].json())) == 2

    sandboxed(test)


@pytest.mark.parametrize(
    "sent",
    [
        customer(external_id="code-"),
        customer(external_id="code-12345678"),
        customer(external_id="omitted"),
        customer(external_id="CODE-816"),
        customer(email="code-816@example.com"),
        customer(email="code-816@sandbox.test.example.com"),
        customer(email="someone@sandbox.test"),
        customer(mobile="916000000170"),
        customer(mobile="916000123450"),
        customer(mobile="60000081"),
    ],
)
def test_what_only_looks_magic_succeeds(sent: dict[str, Any]) -> None:
    """Ordinary data does not stumble into a fault."""

    async def test(client: Client) -> None:
        assert await client.code(sent) is None

    sandboxed(test)


def test_limits_of_batch_and_bytes() -> None:
    """Above the batch limit the code 1060, above the byte limit HTTP 413; at the limit the batch is accepted."""

    async def test(client: Client) -> None:
        customers = [customer(external_id=f"A{n}") for n in range(4)]
        assert (await client.post(*customers[:3])).json()["response"]["status"]["code"] == 200
        refused = (await client.post(*customers)).json()["response"]
        assert (refused["status"]["code"], set(refused)) == (1060, {"status"})
        assert (await client.post(customer({"A": "x" * 1000}, external_id="A"))).status_code == 413
        assert len(client.state.accepted) == 3
        assert [record.size for record in client.state.requests] == [3, 4, 0]

    sandboxed(test, batch_limit=3, max_bytes=1000)


def test_a_preference_list_decides_what_is_stored() -> None:
    """Unknown: a warning on a success. Bad type, option, pattern: 1030 alone, 1035 beside a good one."""

    async def test(client: Client) -> None:
        async def status(**fields: str) -> tuple[str, int, Any]:
            (item,) = await client.items(customer(fields, external_id="A"))
            status = item["item_status"]
            return status["success"], status["code"], status["warnings"]

        assert await status(Color="Blue", Size="42", Weight="4.2", Vip="true") == ("true", 200, {})
        assert await status(Color="Blue", Shape="x") == ("true", 200, {"warning": ["1017"]})
        assert await status(Size="large") == ("false", 1030, {})
        assert await status(Size="large", Color="Red") == ("false", 1035, {})
        assert await status(Old="x") == ("false", 1018, {})
        assert await status(Old="x", Color="Red") == ("false", 1035, {})
        assert await status(Weight="heavy") == ("false", 1030, {})
        assert await status(Vip="perhaps") == ("false", 1030, {})
        assert await status(Color="Green") == ("false", 1030, {})
        assert await status(Color='["Blue", "Red"]', Size="") == ("true", 200, {})
        assert await status(Color='["Blue", "Green"]') == ("false", 1030, {})
        assert await status(Pin="1234") == ("true", 200, {})
        assert await status(Pin="12345") == ("false", 1030, {})
        stored = client.state.preferences_of(external_id="A")
        assert stored == {"Color": '["Blue", "Red"]', "Size": "", "Weight": "4.2", "Vip": "true", "Pin": "1234"}
        listed = await client.http.get("/v1.1/organization/customfields?format=json&scope=customer_preferences")
        fields = listed.json()["response"]["organization"]["custom_fields"]["field"]
        assert [field["name"] for field in fields] == ["Color", "Size", "Weight", "Vip", "Old", "Pin"]
        assert fields[0]["options"] == ["Blue", "Red"]
        assert fields[4]["is_disabled"] == "true"

    sandboxed(test, fields=_FIELDS)


def test_an_unknown_preference_can_be_made_to_fail() -> None:
    """1017 as a failure instead of a warning, by a setting."""

    async def test(client: Client) -> None:
        assert await client.code(customer({"Shape": "x", "Color": "Blue"}, external_id="A")) == 1017
        assert client.state.preferences_of(external_id="A") == {}

    sandboxed(test, fields=_FIELDS, unknown_fields="error")


def test_what_is_not_this_call_is_refused_in_the_apis_own_words() -> None:
    """Another path, method, content type, or no format=json: the code in the body, nothing stored."""

    async def test(client: Client) -> None:
        http = client.http
        assert (await http.post("/v1.1/customer/nothing")).json()["response"]["status"]["code"] == 404
        assert (await http.put(POST)).json()["response"]["status"]["code"] == 405
        assert (await http.post(POST, content=b"{}")).json()["response"]["status"]["code"] == 415
        without = await http.post(POST.partition("?")[0], json=body(customer(external_id="A")))
        assert without.headers["content-type"].startswith("application/xml")
        assert client.state.accepted == []

    sandboxed(test)


@pytest.mark.parametrize(
    ("shape", "statuses"),
    [("http-documented", [200, 200, 200]), ("http-200", [200] * 3), ("http-body", [200, 500, 400])],
)
def test_a_body_may_have_any_http_status(shape: str, statuses: list[int]) -> None:
    """The same body can have HTTP 200 or the status of its code."""

    async def test(client: Client) -> None:
        answers = [await client.post(customer(external_id=word)) for word in ("A", "code-816", "request-400")]
        assert [answer.status_code for answer in answers] == statuses
        assert [answer.json()["response"]["status"]["code"] for answer in answers] == [200, 500, 400]

    sandboxed(test, shape=shape)
