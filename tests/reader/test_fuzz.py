"""Broken bytes: one sentence or the rows, never a crash, a hang, or a record that is not accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.archive import detect
from importer.reader.workbook_child import answer
from importer.reader.workbook_messages import ChildMessage, SheetDone, SheetFailed, SheetRequest
from tests.support.corpus import CASES
from tests.support.reading import rows_of

pytestmark = pytest.mark.slow

SECONDS = 5
PLAIN = ("mobile,brand,size\r\n" + '917744876415,"ni""ke",S\n007,पुमा,M\r\n' * 6).encode()
#: (what, first byte place, bytes put there): a change, an insertion, a cut or a doubling.
Change = tuple[str, int, bytes]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "cut", "double"]), st.integers(0, 1 << 20), st.binary(max_size=4)),
    min_size=1,
    max_size=6,
)


def _changed(data: bytes, changes: list[Change]) -> bytes:
    for what, place, new in changes:
        at = place % (len(data) + 1)
        if what == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif what == "insert":
            data = data[:at] + new + data[at:]
        elif what == "cut":
            data = data[:at] + data[at + place % 97 :]
        else:
            data = data[:at] + data[at : at + place % 97] + data[at:]
    return data


def _made(name: str) -> bytes:
    case = next(case for case in CASES if case.name == name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / case.file
        case.make(file)
        return file.read_bytes()


def _unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _read(file: Path, **options: object) -> int:
    """Rows accounted for; a refusal counts as none."""
    begin = time.process_time()
    try:
        with open_source(file, SourceOptions(**options)) as source:  # type: ignore[arg-type]
            rows, _ = rows_of(source)
            return len(rows) + source._blank_rows + source.header_row
    except SourceError as error:
        assert error.advice
        return 0
    finally:
        assert time.process_time() - begin < SECONDS


ENCODINGS = st.sampled_from([None, "utf-8", "cp1252", "utf-16"])


@settings(max_examples=200, deadline=None)
@given(CHANGES, ENCODINGS)
def test_text(changes: list[Change], encoding: str | None) -> None:
    """Every record of the text is a row, a blank row, or above the header: nothing gets lost."""
    _check_text(changes, encoding)


@pytest.mark.exhaustive
@settings(max_examples=600, deadline=None)
@given(CHANGES, ENCODINGS)
def test_more_text(changes: list[Change], encoding: str | None) -> None:
    """The same with more examples."""
    _check_text(changes, encoding)


def _check_text(changes: list[Change], encoding: str | None) -> None:
    data = _changed(PLAIN, changes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        file.write_bytes(data)
        accounted = _read(file, encoding=encoding, delimiter=",")
    if accounted and encoding:
        marks = {"utf-8": "utf-8-sig", "utf-16": "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le"}
        text = data.decode(marks.get(encoding, encoding))
        # A CR among lines that end with LF is part of its cell.
        assert accounted in (_records_of(text), _records_of(re.sub(r"\r(?!\n)", " ", text)))


def _records_of(text: str) -> int:
    """The records of a text up to the last that is not blank."""
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    while records and not any(cell.strip() for cell in records[-1]):
        records.pop()
    return len(records)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.text("a1,;\t\"'\r\n\x00é@", max_size=60).map(str.encode)))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a"
        file.write_bytes(data)
        _read(file)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: _packed({"a.csv": data})], ids=["gzip", "zip"])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(CHANGES)
def test_packed_text(pack: Callable[[bytes], bytes], changes: list[Change]) -> None:
    """Damaged archives."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.zip"
        file.write_bytes(_changed(pack(PLAIN), changes))
        _read(file)


def _answered(data: bytes, kind: str) -> None:
    """The child's answer ends properly, whatever the file. The child's own code, without its process."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"a.{kind}"
        file.write_bytes(data)
        try:
            found = detect(file, None).kind
        except SourceError:
            return
        begin = time.process_time()
        answer(SheetRequest(str(file), kind if found == "text" else found), out)
        assert time.process_time() - begin < SECONDS
    stream = out.getvalue()
    last: ChildMessage | None = None
    while stream:
        length = int.from_bytes(stream[:4], "little")
        last = msgspec.msgpack.decode(stream[4 : 4 + length], type=ChildMessage)
        stream = stream[4 + length :]
    assert isinstance(last, SheetDone | SheetFailed)


WORKBOOKS = {
    "xlsx": ["numbers without .0", "rich text, escapes, a control character", "formulas by their cached value"],
    "ods": ["repeated, merged and shown cells of OpenDocument"],
    "xls": ["an old workbook"],
    "xlsb": ["a binary workbook"],
}


@pytest.mark.parametrize("kind", WORKBOOKS)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), changes=CHANGES)
def test_workbooks(kind: str, data: st.DataObject, changes: list[Change]) -> None:
    """Damaged files, and whole files with damaged parts."""
    _check_workbook(kind, data, changes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", WORKBOOKS)
@settings(max_examples=500, deadline=None)
@given(data=st.data(), changes=CHANGES)
def test_more_workbooks(kind: str, data: st.DataObject, changes: list[Change]) -> None:
    """The same with more examples."""
    _check_workbook(kind, data, changes)


def _check_workbook(kind: str, data: st.DataObject, changes: list[Change]) -> None:
    whole = _MADE[data.draw(st.sampled_from(WORKBOOKS[kind]))]
    if kind == "xls" or data.draw(st.booleans()):
        _answered(_changed(whole, changes), kind)
        return
    members = _unpacked(whole)
    part = data.draw(st.sampled_from(sorted(members)))
    members[part] = _changed(members[part], changes)
    _answered(_packed(members), kind)


_MADE = {name: _made(name) for names in WORKBOOKS.values() for name in names}
