"""What a file is by its first and last bytes: a sheet in markup (HTML, XML), or content that is imported by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

#: The first bytes of content that is no sheet, or one that is not read, and its name.
_MAGIC = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a rich-text document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"PAR1", "a Parquet file"),
    (b"ORC\x05\x08", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x00\x01\x00\x00Standard Jet DB", "an Access database"),
    (b"\x00\x01\x00\x00Standard ACE DB", "an Access database"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\x00\x00\x02\x00\x04\x04", "a Lotus 1-2-3 worksheet"),
    (b"\x00\x00\x02\x00\x05\x04", "a Lotus Symphony worksheet"),
    (b"\x00\x00\x02\x00\x06\x04", "a Lotus 1-2-3 worksheet"),
    (b"\x00\x00\x1a\x00", "a Lotus 1-2-3 worksheet"),
    (b"\x00\x00\x02\x00\x20\x51", "a Quattro Pro notebook"),
    (b"\x00\x00\x02\x00\x21\x51", "a Quattro Pro notebook"),
    (b"\x00\x00\x02\x00\x01\x10", "a Quattro Pro notebook"),
    (b"\x00\x00\x02\x00\x02\x10", "a Quattro Pro notebook"),
)
_VCARD = re.compile(r"BEGIN:VCARD\r?\n", re.IGNORECASE)
_TABLES = ("a Parquet file", "an ORC file", "an Avro file", "an Arrow file", "an SQLite database", "an Access database")
#: Content that no spreadsheet program can open as rows.
_DOCUMENTS = ("a Word document", "a presentation", "an Outlook message", "an OpenDocument text or drawing")
_OLD_DOCUMENT = "an old Office document without a workbook (like .doc, .ppt or .msg)"
_NO_SHEET = ("a PDF document", "a rich-text document", "an image", "a program", _OLD_DOCUMENT, *_DOCUMENTS)
_IMPORT_SHEET = "Import the spreadsheet itself, as .xlsx or as CSV (UTF-8)."
_SAVE_AS = "Open it in a spreadsheet program and save it as .xlsx or as CSV (UTF-8)."
_ADVICE = {
    **dict.fromkeys(_NO_SHEET, _IMPORT_SHEET),
    **dict.fromkeys(_TABLES, "Export the table as CSV (UTF-8) and import that."),
    "JSON": "Export the customers as CSV (UTF-8) or as a workbook and import that.",
    "a list of contacts (vCard)": "Export the contacts as CSV (UTF-8) and import that.",
    "an Apple Numbers document": "Open it in Numbers, export it to Excel or CSV, and import that.",
}

_SYLK_RECORD = re.compile(r"(?:ID|B|C|P|F|O|W|E|NN|NU|NE)(?:;.*)?")
_SYLK_CELL = re.compile(r"C;(?:.*;)?[XYK][\d\"]|B;(?:.*;)?[XY]\d|P;P|F;", re.MULTILINE)
_DIF = re.compile(r"TABLE\r?\n0,1\r?\n")
_JSON = re.compile(r'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\}\s*$)|\[\s*(?:\{\s*(?:"|\})|\[\s*["\d\[])')
_DBF_KINDS = b"\x02\x03\x04\x05\x30\x31\x32\x43\x63\x83\x8b\x8c\x8e\xcb\xe5\xf5\xfb"

_PAGE = re.compile(r"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
#: Elements that a page without <html> begins with.
_FRAGMENT = re.compile(
    r"<(?:table|head|body|meta|style|div|center|font|span|p|br|hr|b|h[1-6]|title|link|script|form|tr|thead)\b[^>]*>",
    re.IGNORECASE,
)
#: Elements that only a page begins with, also one without a table.
_PAGE_PART = re.compile(r"<(?:head|body|meta|style|title|link|script|form|div)\b[^>]*>", re.IGNORECASE)
_TABLE_OR_ROW = re.compile(r"<(?:table|tr)\b", re.IGNORECASE)
_ROW_OR_CELL = re.compile(r"<t[rdh]\b", re.IGNORECASE)
_LATER_TABLE = re.compile(r"^[ \t]*<table\b", re.IGNORECASE | re.MULTILINE)
_PROLOG = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->)+", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>\s*", re.DOTALL)
_ROOT = re.compile(r"<([\w.-]+:)?([\w.-]+)((?:\s[^>]*)?)>\s*(?=<)|<([\w.-]+:)?([\w.-]+)((?:\s[^>]*)?)/>\s*$", re.DOTALL)
#: Characters of the first lines. The time for elements that are not closed grows with its square.
_LOOKED_AT = 1 << 13
_LARGEST_LOCK, _LONGEST_USER = 1024, 54
_DELIMITERS = re.compile(r"[,;\t|]")
_ELEMENT = re.compile(r"<(\w+)\b[^>]*>.*?</\1\s*>", re.IGNORECASE)
_MIMETYPE = re.compile(r"office:mimetype\s*=\s*[\"'][^\"']*opendocument\.([\w-]+)", re.IGNORECASE)


def advice_for(what: str) -> str:
    """What to do with content that is not read."""
    return "Unpack it and import its content." if what.endswith("archive") else _ADVICE.get(what, _SAVE_AS)


def foreign_name(start: bytes) -> str | None:
    """The name of content that is not read, by its first bytes; None for anything else."""
    for magic, what in _MAGIC:
        if start.startswith(magic):
            return what
    if _is_dbf(start):
        return "a dBase table (.dbf)"
    text = decoded(start).lstrip()
    if _is_sylk(text):
        return "a SYLK file (.slk)"
    if _DIF.match(text):
        return "a DIF file (.dif)"
    if _VCARD.match(text):
        return "a list of contacts (vCard)"
    if text.lower().startswith(("mime-version:", "content-type: multipart")):
        return "a web page (MHTML)"
    return "JSON" if _JSON.match(text) else None


def decoded(start: bytes) -> str:
    """The first bytes as text, of which only ASCII matters."""
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if start.startswith(mark):
            return start[len(mark) :].decode(codec, "ignore")
    if start[1:2] == b"\0" and start[:1] != b"\0":
        return start.decode("utf-16-le", "ignore")
    if start[:1] == b"\0" and start[1:2] != b"\0":
        return start.decode("utf-16-be", "ignore")
    return start.decode("latin-1")


def _is_dbf(start: bytes) -> bool:
    """Whether the header of a dBase table is complete: a date, a length, and the mark where it ends."""
    if len(start) < 65 or start[0] not in _DBF_KINDS or not (1 <= start[2] <= 12 and 1 <= start[3] <= 31):
        return False
    length = int.from_bytes(start[8:10], "little")
    ends = (length - 1, length - 264)
    return b"\0" in start[12:32] and any(64 <= end < len(start) and start[end] == 0x0D for end in ends)


def _is_sylk(text: str) -> bool:
    """Whether every line is a record of SYLK. A CSV file with the columns `ID;Phone` is none."""
    lines = text.splitlines()[:50]
    if not text.startswith("ID;P") or len(lines) < 2:
        return False
    complete = lines[:-1] if len(lines) > 2 else lines
    return all(map(_SYLK_RECORD.fullmatch, complete)) and any(map(_SYLK_CELL.match, complete[1:]))


def markup_kind(start: bytes, end: bytes, suffix: str) -> tuple[str | None, str | None]:
    """The kind of sheet in markup (`html`, `spreadsheetml`, `fods`), or the name of another XML document.

    A text that only begins with `<`, or has markup in its cells, is neither.
    """
    text, tail = decoded(start), decoded(end).rstrip("\0 \r\n\t\x1a")
    prolog = _PROLOG.match(text)
    body = text[prolog.end() :] if prolog else text
    is_declared = text.lstrip().startswith("<?xml")
    if _PAGE.match(body):
        return "html", None
    doctype = _DOCTYPE.match(body)
    body = body[doctype.end() :] if doctype else body
    root = _ROOT.match(body)
    if root and (is_declared or _closes(tail, root)):
        return _xml_kind((root[2] or root[5]).lower(), body)
    if is_declared:
        return _xml_kind("", body)
    if _is_delimited(text):
        return None, None
    later = _LATER_TABLE.search(text) if suffix in (".xls", ".htm", ".html") else None
    is_page = (
        (_FRAGMENT.match(body) and _has_table(body))
        or (_PAGE_PART.match(body) and tail.endswith(">"))
        or (later and _has_table(text[later.start() :]))
    )
    return ("html" if is_page else None), None


def _has_table(text: str) -> bool:
    """Whether a table begins, with a row or a cell in it."""
    first = _TABLE_OR_ROW.search(text)
    return first is not None and _ROW_OR_CELL.search(text, first.end()) is not None


def _closes(tail: str, root: re.Match[str]) -> bool:
    """Whether the text ends with the end of its first element, and that is not one of a page."""
    name = (root[1] or "") + root[2] if root[2] else ""
    is_page = _FRAGMENT.match(root[0]) is not None
    return not is_page and (not name or tail.endswith(f"</{name}>"))


def _xml_kind(name: str, body: str) -> tuple[str | None, str | None]:
    start = body.lower()
    if name == "workbook" and "office:spreadsheet" in start:
        return "spreadsheetml", None
    if name == "document" and "opendocument" in start:
        mimetype = _MIMETYPE.search(body)
        is_sheet = mimetype is None or mimetype[1].lower().startswith("spreadsheet")
        return ("fods", None) if is_sheet else (None, "an OpenDocument text or drawing")
    if name in ("worddocument", "package"):
        return None, "a Word document"
    if "<html" in start or (name in ("table", "div", "body", "head") and _has_table(body)):
        return "html", None
    return None, f"an XML document (<{name}>)" if name else "an XML document"


def _is_delimited(text: str) -> bool:
    """Whether the first lines have delimiters outside of their elements, as those of a CSV file."""
    lines = [_ELEMENT.sub("", line) for line in text[:_LOOKED_AT].splitlines()[:3] if line.strip()]
    return bool(lines) and all(_DELIMITERS.search(line) and "<t" not in line.lower() for line in lines)


#: The streams of old Office documents (OLE containers) by which they are known.
_OLE = {
    "WordDocument": "a Word document",
    "PowerPoint Document": "a presentation",
    "NativeContent_MAIN": "a Quattro Pro notebook",
    "__substg1.0_": "an Outlook message",
    "__nameid_version": "an Outlook message",
}


def ole_name(path: Path) -> str:
    """The name of an OLE container without a workbook, by the names of its streams (UTF-16 in its directory)."""
    with path.open("rb") as stream:
        before = b""
        while block := stream.read(1 << 20):
            for name, what in _OLE.items():
                if name.encode("utf-16-le") in before + block:
                    return what
            before = block[-64:]
    return _OLD_DOCUMENT


def zip_name(names: Iterable[str], mimetype: bytes) -> str | None:
    """The name of a zipped document other than a workbook; None for anything else."""
    known = {name.replace("\\", "/").lower() for name in names}
    if "word/document.xml" in known:
        return "a Word document"
    if "ppt/presentation.xml" in known:
        return "a presentation"
    if any(name.endswith(".iwa") for name in known) or known & {"index/tables", "index.zip", "index.apxl"}:
        return "an Apple Numbers document"
    if b"opendocument" in mimetype and b"spreadsheet" not in mimetype:
        return "an OpenDocument text or drawing"
    return None


def lock_of(name: str, start: bytes, size: int) -> str | None:
    """The workbook that a lock file is for: Excel's `~$NAME` begins with a user's name, others are `.~lock.NAME#`."""
    if name.startswith("~$") and size <= _LARGEST_LOCK and start[0] <= _LONGEST_USER:
        return name[2:]
    if name.startswith(".~lock.") and name.endswith("#"):
        return name[7:-1]
    return None
