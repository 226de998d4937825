"""The page asks about columns that the organisation does not know, and offers what a run may do with rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.options import PreferenceField
from tests.support.page import PACE, Server, Visitor, WarmServer, ended, form_of, start

pytestmark = pytest.mark.process

SHEET = b"Mobile,Favourite Colour,Favourite Bran,Spend\n919876543210,Blue,Puma,1\n919876543211,Red,Nike,2\n"


class Shop:
    """A page for an organisation with two preferences."""

    def __init__(self, server: Server, sandbox: EmbeddedSandbox) -> None:
        self.server, self.sandbox = server, sandbox
        self.visitor = Visitor.at(server.url)

    def upload(self, content: bytes = SHEET) -> tuple[str, dict[str, str]]:
        """A file's address and its form as the page shows it."""
        address = self.visitor.upload("rows.csv", content).url.path
        return address, form_of(self.visitor.settled(address).text)

    def knows(self, *names: str) -> None:
        """From now on the organisation has these preferences."""
        state = self.sandbox.state
        state.options = msgspec.structs.replace(state.options, fields=tuple(PreferenceField(name=n) for n in names))

    def sent(self) -> list[set[str]]:
        return [set(fields) for _, fields in self.sandbox.state.accepted]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    known = (PreferenceField(name="Favourite Colour"), PreferenceField(name="Favourite Brand"))
    with EmbeddedSandbox(SandboxOptions(fields=known, unknown_fields="error")) as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        with WarmServer(tmp_path, "--base-url", sandbox.base_url, *PACE, **environ) as server:
            yield Shop(server, sandbox)


def test_the_page_asks_what_unknown_columns_become(shop: Shop) -> None:
    """It names them and the nearest known one, and checks nothing until each is mapped or ignored."""
    address, fields = shop.upload()
    page = shop.visitor.post(f"{address}/mapping", fields)
    assert page.status_code == 422
    fault = page.text.partition('role="alert"')[2].partition("</div>")[0]
    assert "“Favourite Bran”" in fault and "“Favourite Brand”" in fault and "“Spend”" in fault
    assert "“Favourite Colour”" not in fault
    page = shop.visitor.post(f"{address}/mapping", {**fields, "preference-2": "favourite brand", "field-3": "ignored"})
    assert page.url.path == f"{address}/check"
    shop.visitor.settled(f"{address}/check")
    ended(shop.visitor, start(shop.visitor, address))
    assert shop.sent() == [{"Favourite Colour", "Favourite Brand"}] * 2


def test_the_nearest_preferences_are_proposed_and_one_is_chosen(shop: Shop) -> None:
    """The nearest names of the organisation are there to choose from, and none is chosen already."""
    address, fields = shop.upload()
    assert fields["nearest-2"] == "" and "nearest-1" not in fields
    offered = shop.visitor.get(address).text.partition('name="nearest-2"')[2].partition("</select>")[0]
    assert re.findall(r'value="([^"]+)"', offered)[0] == "Favourite Brand"
    chosen = {**fields, "nearest-2": "Favourite Brand", "field-3": "ignored"}
    assert shop.visitor.post(f"{address}/mapping", chosen).url.path == f"{address}/check"
    shop.visitor.settled(f"{address}/check")
    ended(shop.visitor, start(shop.visitor, address))
    assert shop.sent() == [{"Favourite Colour", "Favourite Brand"}] * 2


def test_a_remembered_preference_that_is_gone_is_asked_for(shop: Shop) -> None:
    """Also where it was sent anyway the last time: the page names it, and checks nothing until it is decided."""
    address, fields = shop.upload()
    shop.visitor.post(f"{address}/mapping", {**fields, "unknown_columns": "send"})
    shop.knows("Favourite Brand", "Spend")
    address, fields = shop.upload()
    page = shop.visitor.get(address).text
    words = page.partition('class="alert warns remembered"')[2].partition("</section>")[0]
    assert "for rows.csv" in words and "“Favourite Colour”" in words and "“Spend”" not in words
    assert fields["unknown_columns"] == "refuse"
    assert shop.visitor.post(f"{address}/mapping", fields).status_code == 422


def test_a_server_that_sends_unknown_columns_asks_too(tmp_path: Path) -> None:
    """The server's own settings do not decide that a column is sent which the organisation does not know."""
    with EmbeddedSandbox(SandboxOptions(fields=(PreferenceField(name="Colour"),))) as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        (tmp_path / "importer.toml").write_text('unknown_columns = "send"\n', encoding="utf-8")
        with WarmServer(tmp_path, "--base-url", sandbox.base_url, *PACE, **environ) as server:
            shop = Shop(server, sandbox)
            address, fields = shop.upload()
            assert fields["unknown_columns"] == "refuse"
            assert shop.visitor.post(f"{address}/mapping", fields).status_code == 422
            del fields["unknown_columns"]
            assert shop.visitor.post(f"{address}/mapping", fields).status_code == 422


@pytest.mark.parametrize(("how", "sent"), [("ignore", [{"Favourite Colour"}] * 2), ("send", [])])
def test_one_choice_for_all_unknown_columns(shop: Shop, how: str, sent: list[set[str]]) -> None:
    """Ignored, or sent anyway; the page keeps the choice."""
    address, fields = shop.upload()
    shop.visitor.post(f"{address}/mapping", {**fields, "unknown_columns": how})
    shop.visitor.settled(f"{address}/check")
    assert form_of(shop.visitor.get(address).text)["unknown_columns"] == how
    report = ended(shop.visitor, start(shop.visitor, address))
    assert shop.sent() == sent
    found = json.loads(shop.visitor.get(f"{urlsplit(str(report.url)).path}/files/summary.json").text)
    assert {code["code"] for code in found["codes"]} == (set() if sent else {"1017"})


def test_a_refused_import_offers_the_choices(shop: Shop) -> None:
    """Where the organisation changes its preferences after the check, the run is refused: the page says why, leads to
    the columns, and forgets the refusal once they are changed."""
    address, fields = shop.upload(b"Mobile,Favourite Colour\n919876543210,Blue\n")
    shop.visitor.post(f"{address}/mapping", fields)
    shop.visitor.settled(f"{address}/check")
    shop.knows("Favourite Color")
    shop.visitor.post(f"{address}/start")
    page = shop.visitor.settled(f"{address}/run")
    assert page.url.path == f"{address}/check"
    fault = page.text.partition('role="alert"')[2].partition("</div>")[0]
    assert "“Favourite Colour”" in fault and "--" not in fault
    assert f'href="{address}"' in page.text
    assert shop.sent() == []
    shop.visitor.post(f"{address}/mapping", {**fields, "preference-1": "Favourite Color", "unknown_columns": "send"})
    page = shop.visitor.settled(f"{address}/check")
    assert 'role="alert"' not in page.text
    ended(shop.visitor, start(shop.visitor, address))
    assert shop.sandbox.state.calls["POST customer/preferences"] == 1


def test_the_check_refuses_what_an_import_would(shop: Shop) -> None:
    """Also where the columns page could not know the preferences. Nothing can be started."""
    address, fields = shop.upload(b"Mobile,Favourite Colour\n919876543210,Blue\n")
    shop.knows("Favourite Color")
    shop.visitor.post(f"{address}/mapping", fields)
    page = shop.visitor.settled(f"{address}/check").text
    assert "“Favourite Colour”" in page.partition('role="alert"')[2].partition("</div>")[0]
    assert f'action="{address}/start"' not in page
    assert shop.visitor.post(f"{address}/start").url.path == f"{address}/check"
    assert shop.sent() == []


def test_rows_can_be_read_and_sent_otherwise(shop: Shop) -> None:
    """Short rows and rows with an invalid identifier have their choices; a wrong word is not one of them."""
    address, fields = shop.upload()
    page = shop.visitor.get(address).text
    assert fields["invalid_identifiers"] == "reject"
    assert re.search(r'name="short_rows" value="reject" checked', page)
    shop.visitor.post(f"{address}/reading", {"short_rows": "empty", "sheet": ""})
    page = shop.visitor.settled(address).text
    assert re.search(r'name="short_rows" value="empty" checked', page)
    page = shop.visitor.post(f"{address}/mapping", {**fields, "invalid_identifiers": "guess"}).text
    assert "guess" in page
    shop.visitor.post(f"{address}/mapping", {**fields, "invalid_identifiers": "omit", "unknown_columns": "ignore"})
    shop.visitor.settled(f"{address}/check")
    run = start(shop.visitor, address)
    ended(shop.visitor, run)
    found = shop.visitor.get(f"{run}/files/summary.html").text
    assert "invalid" in found and "short" in found
