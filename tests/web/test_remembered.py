"""Mappings are remembered by header names, per organisation and user; nothing of them is used silently."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from starlette.testclient import TestClient

from importer.model import FieldDefinition, Rate
from importer.normaliser.mapping import ColumnUse, Mapping, sketch
from importer.normaliser.mapping_file import parse, to_toml
from importer.normaliser.rules import Rule
from importer.settings.options import Settings
from importer.web import storage as stored
from importer.web.app import create_app
from importer.web.messages import InspectedColumn, Inspection
from importer.web.options import WebOptions
from importer.web.remembered import header_of, most_alike, recalled, to_keep
from importer.web.storage import KeptMapping, MappingKey, ReadingChoices, Storage, Upload
from importer.web.users import add_user
from tests.support.page import Visitor, form_of

PASSWORD = "a long enough password"
HEADER = b"Mobile,Colours,Remark\n9876543210,Blue; Red,x\n"
OTHER_ORDER = b"remark,MOBILE,Colours\ny,9876543211,Red; Green\n"
LONG = b"Mobile,Attribute,Value\n919876543210,Colour,Blue\n"
CHOSEN = {"field-2": "ignored", "country": "IN", "blank": "clear", "list-1": "1", "separator-1": "semicolon"}
AGAIN = "Propose again"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> WebOptions:
    folder = tmp_path_factory.mktemp("remembered")
    for name, role in (("asha", "uploader"), ("ravi", "uploader"), ("olga", "operator")):
        add_user(folder / "users", name, role, PASSWORD)
    settings = Settings(sandbox=True, rate=Rate(1000, 1.0, "1000/second"), reports_dir=str(folder / "reports"))
    return WebOptions(settings=settings, users_file=folder / "users")


@pytest.fixture(scope="module")
def page(options: WebOptions) -> Iterator[TestClient]:
    with TestClient(create_app(options), base_url="http://localhost") as running:
        yield running


def visitor(page: TestClient, name: str) -> Visitor:
    fresh = TestClient(page.app, base_url="http://localhost")
    fresh.portal = page.portal
    found = Visitor(fresh)
    assert found.sign_in(name, PASSWORD).status_code == 200
    return found


def uploaded(user: Visitor, name: str, content: bytes) -> tuple[str, str, dict[str, str]]:
    """A file's address, its columns page, and the form in it."""
    address = user.upload(name, content).url.path
    html = user.settled(address).text
    return address, html, form_of(html)


@pytest.mark.process
def test_the_next_file_is_mapped_as_the_last_one(page: TestClient) -> None:
    """The same column names in another order and case: same fields, marks and settings, and the page names the file and
    offers to propose again. A file with half of the names, and another user's, is not mapped so."""
    asha = visitor(page, "asha")
    address, html, fields = uploaded(asha, "october.csv", HEADER)
    assert AGAIN not in html
    assert asha.post(f"{address}/mapping", {**fields, **CHOSEN}).url.path == f"{address}/check"
    _, html, fields = uploaded(asha, "november.csv", OTHER_ORDER)
    assert "for october.csv" in html and AGAIN in html
    assert fields["field-0"] == "ignored" and fields["field-1"] == "mobile" and fields["field-2"] == "preference"
    assert (fields["country"], fields["blank"], fields["separator-2"]) == ("IN", "clear", "semicolon")
    assert 'name="list-2" value="1" aria-label="The cells of “Colours” contain lists" checked' in html
    assert AGAIN not in uploaded(asha, "other.csv", b"Mobile,Colours,Size\n919876543210,Blue,L\n")[1]
    for other in ("ravi", "olga"):
        _, html, fields = uploaded(visitor(page, other), "theirs.csv", HEADER)
        assert AGAIN not in html and "october.csv" not in html and fields["field-2"] == "preference"


@pytest.mark.process
def test_a_file_with_a_new_column_is_mapped_as_the_most_alike(page: TestClient) -> None:
    """The page names the columns that are new or gone; the new one is proposed by its name. It can be forgotten."""
    asha = visitor(page, "asha")
    address, _, fields = uploaded(asha, "may.csv", b"Cell,Shade,Note,Fit,Cut,Hem,Cuff,Zip\n919876543210,Blue,x,L\n")
    chosen = {"field-0": "mobile", "preference-1": "Colour", "field-2": "ignored"}
    assert asha.post(f"{address}/mapping", {**fields, **chosen}).url.path == f"{address}/check"
    address, html, fields = uploaded(
        asha, "june.csv", b"Note,Store,Cell,Shade,Cut,Hem,Cuff,Zip\nx,S1,919876543210,Blue\n"
    )
    assert "for may.csv" in html and "New in this file: Store." in html and "No longer in the file: Fit." in html
    assert [fields[f"field-{at}"] for at in range(4)] == ["ignored", "preference", "mobile", "preference"]
    assert fields["preference-3"] == "Colour"
    assert AGAIN not in asha.post(f"{address}/forget").text


@pytest.mark.process
def test_a_long_sheet_is_remembered_too(page: TestClient) -> None:
    """Also where each row names its preference."""
    asha = visitor(page, "asha")
    address, _, fields = uploaded(asha, "long.csv", LONG)
    uses = {"field-1": "preference_name", "field-2": "preference_value", "date-2": "1"}
    assert asha.post(f"{address}/mapping", {**fields, **uses}).url.path == f"{address}/check"
    _, html, fields = uploaded(asha, "long again.csv", LONG)
    assert "for long.csv" in html and {**fields, **uses} == {**fields, "date-2": "1"}
    assert 'name="date-2" value="1" aria-label="The cells of “Value” contain dates" checked' in html


@pytest.mark.process
def test_proposing_again_and_forgetting(page: TestClient) -> None:
    """The names propose again for one file, and back; a forgotten mapping is used for no file any more."""
    asha = visitor(page, "asha")
    content = b"Mobile,Shade\n919876543210,Blue\n"
    address, _, fields = uploaded(asha, "one.csv", content)
    asha.post(f"{address}/mapping", {**fields, "preference-1": "Colour"})
    address, _, fields = uploaded(asha, "two.csv", content)
    assert fields["preference-1"] == "Colour"
    asha.post(f"{address}/proposal", {"as": "names"})
    assert form_of(asha.settled(address).text)["preference-1"] == ""
    asha.post(f"{address}/proposal", {"as": "before"})
    assert form_of(asha.settled(address).text)["preference-1"] == "Colour"
    assert AGAIN not in asha.post(f"{address}/forget").text
    assert AGAIN not in uploaded(asha, "three.csv", content)[1]


@pytest.mark.process
def test_a_removed_user_leaves_no_mapping(page: TestClient, options: WebOptions) -> None:
    """The mapping is deleted once the users file no longer has the user: the next user of that name does not get it."""
    assert options.users_file is not None
    before = options.users_file.read_text(encoding="utf-8")
    add_user(options.users_file, "temp", "uploader", PASSWORD)
    temp = visitor(page, "temp")
    address, _, fields = uploaded(temp, "temp.csv", b"Mobile,Size\n919876543210,L\n")
    temp.post(f"{address}/mapping", fields)
    rows = "SELECT count(*) FROM mappings WHERE user = 'temp'"
    path = options.folder / "web.db"
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as db:
        assert db.execute(rows).fetchone() == (1,)
        options.users_file.write_text(before, encoding="utf-8")
        visitor(page, "olga")
        assert db.execute(rows).fetchone() == (0,)


# ---------------------------------------------------------------------------------------------------- what fits


def inspection(*names: str, fields: tuple[str, ...] = ()) -> Inspection:
    columns = tuple(InspectedColumn(name, (), 1, 1, 0, "") for name in names)
    return Inspection(columns=columns, fields=tuple(FieldDefinition(name) for name in fields))


UPLOAD = Upload("u", "asha", "a.csv", "/a.csv", 1, 0.0)
MAPPING = Mapping((ColumnUse("Mobile", "mobile"), ColumnUse("Shade", "preference", "Colour")))


def test_whatever_a_mapping_holds_is_remembered() -> None:
    """Its rules and constants too."""
    rules = (Rule("Shade", empty=("n/a",)), Rule("Mobile", strip=("Tel.",)))
    mapping = msgspec.structs.replace(MAPPING, rules=rules, constants=(("Newsletter", "Yes"),))
    seen = inspection("Mobile", "Shade")
    shown = recalled(UPLOAD, seen, to_keep(UPLOAD, seen, mapping, ReadingChoices()))
    assert shown is not None and shown.mapping == mapping


def test_a_preference_that_is_gone_is_named() -> None:
    """The organisation no longer has it, or has disabled it. What other columns become is used."""
    kept = KeptMapping(to_toml(MAPPING), "a.csv", 0.0)
    shown = recalled(UPLOAD, inspection("Mobile", "Shade", fields=("Colours", "Size")), kept)
    assert shown is not None and [(found.preference, found.nearest) for found in shown.gone] == [("Colour", "Colours")]
    seen = inspection("Mobile", "Shade")
    off = msgspec.structs.replace(seen, fields=(FieldDefinition("Colour", is_disabled=True),))
    shown = recalled(UPLOAD, off, kept)
    assert shown is not None and [found.fault for found in shown.gone] == ["disabled"]
    shown = recalled(UPLOAD, seen, kept)
    assert shown is not None and not shown.gone and shown.mapping == MAPPING


def test_other_columns_take_nothing_from_those_that_are_known() -> None:
    """Rules of a column that is gone are left out; a new column is not sent as what another one already is."""
    rules = (Rule("Shade", empty=("n/a",)), Rule("Mobile", strip=("Tel.",)))
    uses = (*MAPPING.columns, ColumnUse("Size", "preference", "Size"))
    kept = KeptMapping(to_toml(msgspec.structs.replace(MAPPING, columns=uses, rules=rules)), "a.csv", 0.0)
    seen = inspection("Phone", "Size", "Mobile", "Fit")
    shown = recalled(UPLOAD, msgspec.structs.replace(seen, mapping=sketch(seen.column_names)), kept)
    assert shown is not None and (shown.new, shown.lost) == (("Phone", "Fit"), ("Shade",))
    assert [use.field for use in shown.mapping.columns] == ["ignored", "preference", "mobile", "preference"]
    assert shown.mapping.rules == rules[1:]


def test_the_most_alike_file_is_chosen() -> None:
    """The most names in common, of those with more than three quarters; the newest of two that are equal."""

    def kept(*names: str) -> tuple[str, KeptMapping]:
        uses = tuple(ColumnUse(name, "preference", name) for name in names)
        return header_of(names), KeptMapping(to_toml(Mapping((ColumnUse("Mobile", "mobile"), *uses))), "", 0.0)

    old, better, new = kept("A", "B", "C"), kept("A", "B", "C", "D"), kept("A", "B", "E")
    unreadable = ("x", KeptMapping("[columns]\nMobile = 'moon'", "", 0.0))
    for names, found in (
        (("MOBILE", "a", "b", "c", "d", "f"), better),
        (("Mobile", "A", "B", "C", "E"), new),
        (("Mobile", "A", "B"), None),
        ((), None),
    ):
        assert most_alike(names, [unreadable, new, better, old]) == found


def test_a_mapping_that_cannot_be_used_is_not() -> None:
    """One that is not valid, for example of a later version, or whose columns are not clear."""
    for toml, names in (("[columns]\nMobile = 'moon'", ("Mobile",)), (to_toml(MAPPING), ("Mobile", "Mobile", "Shade"))):
        assert recalled(UPLOAD, inspection(*names), KeptMapping(toml, "a.csv", 0.0)) is None


def test_what_happens_with_unknown_columns_is_asked_every_time() -> None:
    """Sending them is not remembered. Columns that were ignored stay ignored, in whatever spelling."""
    seen = inspection("Mobile", "Shade", "size", fields=("SIZE",))
    mapping = msgspec.structs.replace(MAPPING, columns=(*MAPPING.columns, ColumnUse("size", "preference", "size")))
    for how, field in (("send", "preference"), ("ignore", "ignored")):
        kept = to_keep(UPLOAD, seen, mapping, ReadingChoices(unknown_columns=how))
        shown = recalled(UPLOAD, seen, kept)
        assert shown is not None and shown.upload.reading.unknown_columns == ""
        assert [use.field for use in shown.mapping.columns] == ["mobile", field, "preference"]


def test_the_names_of_a_header() -> None:
    """Order, case, widths and spaces do not matter, nor columns without a name; every name and its number does."""
    assert header_of(["Mobile", "Shade "]) == header_of(["", "shade", "ＭＯＢＩＬＥ"])
    others = (["Mobile"], ["Mobile", "Shade", "Shade"], ["Mobile", "Sha de"], ["Mobile\nShade"])
    assert len({header_of(["Mobile", "Shade"]), *map(header_of, others)}) == 1 + len(others)


# ---------------------------------------------------------------------------------------------------- the store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Storage]:
    found = Storage(tmp_path)
    yield found
    found.close()


def key(header: str = "h", user: str = "asha", organisation: tuple[str, str] = ("https://a", "k")) -> MappingKey:
    return MappingKey(user, organisation, header)


def test_mappings_are_kept_by_user_and_organisation(store: Storage) -> None:
    """Server and name of the credentials tell organisations apart."""
    kept = KeptMapping("x", "a.csv", time.time())
    store.keep_mapping(key(), kept)
    assert store.mapping(key()) == kept
    for other in (
        key("g"),
        key(user="ravi"),
        key(organisation=("https://a", "l")),
        key(organisation=("https://b", "k")),
    ):
        assert store.mapping(other) is None


def test_only_the_newest_mappings_are_kept(store: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each user, and not for ever."""
    monkeypatch.setattr(stored, "_MOST_MAPPINGS", 2)
    now = time.time()
    for number in range(4):
        store.keep_mapping(key(str(number)), KeptMapping("x", "a", now + number))
    store.keep_mapping(key("old", "ravi"), KeptMapping("x", "a", now - 500 * 86400))
    assert [bool(store.mapping(key(str(number)))) for number in range(4)] == [False, False, True, True]
    assert store.mapping(key("old", "ravi"))
    store.forget_old_mappings()
    assert store.mapping(key("old", "ravi")) is None and store.mapping(key("3"))


def test_a_purge_forgets_the_name_of_the_file_and_its_rules(store: Storage, tmp_path: Path) -> None:
    """The columns stay, without the name of a file whose run was purged, and without rules: these have its cells. A
    mapping that cannot be read goes."""
    folder = tmp_path / "uploads" / "1"
    store.keep_upload(msgspec.structs.replace(UPLOAD, path=str(folder / "a.csv")))
    rules = (Rule(MAPPING.columns[0].column, empty=("Smith",)),)
    mapping = msgspec.structs.replace(MAPPING, rules=rules)
    for name in ("a.csv", "b.csv"):
        store.keep_mapping(key(name), KeptMapping(to_toml(mapping, source=name), name, 1.0))
    store.keep_mapping(key("unread"), KeptMapping("x", "a.csv", 1.0))
    store.forget_names([folder])
    purged, other = store.mapping(key("a.csv")), store.mapping(key("b.csv"))
    assert purged is not None and other is not None and store.mapping(key("unread")) is None
    assert (purged.name, other.name) == ("", "b.csv")
    assert parse(purged.toml, "It") == MAPPING and parse(other.toml, "It") == mapping
    assert not any(text in purged.toml for text in ("Smith", "a.csv"))
