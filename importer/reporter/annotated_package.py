"""A workbook's zip file, copied part by part as it is packed, with some parts replaced, added or left out."""

from __future__ import annotations

import copy
import posixpath
import re
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from importer.reader.parts import Parts
from importer.reader.sheet_xml import UnreadableWorkbook
from importer.reader.zip_safety import part_name
from importer.reporter.common_xml import common_xml
from importer.reporter.packed_part import PackedPart, add_packed
from importer.reporter.xml_text import MAIN, RELATIONSHIPS

#: Parts that are changed as a whole.
_SMALL = 1 << 25
_BLOCK = 1 << 20
_TYPES = "[Content_Types].xml"
_STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
_STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships"
#: Parts of a workbook whose name must end in .xlsm, of a signature that no longer holds, and of formulas' order.
_MACROS = re.compile(r"(?:.*/)?(?:vbaproject(?:signature\w*)?\.bin|vbadata\.xml)", re.IGNORECASE)
_SIGNATURES = re.compile(r"_xmlsignatures/", re.IGNORECASE)
_MACRO_SHEETS = re.compile(r"(?:.*/)?macrosheets/", re.IGNORECASE)
_MAIN = re.compile(
    r"application/(?:vnd\.openxmlformats-officedocument\.spreadsheetml\.template"
    r"|vnd\.ms-excel\.(?:sheet|template|addin)\.macroEnabled)\.main\+xml",
    re.IGNORECASE,
)
_PLAIN_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"


class Package:
    """The parts of an open workbook, and those that its copy gets instead. `lost`: what the copy cannot have."""

    def __init__(self, stream: BinaryIO, parts: Parts, scratch: Path) -> None:
        self._stream, self._parts, self._scratch = stream, parts, scratch
        # Of several members with one name programs read one.
        found = [parts.find(member.filename) for member in zipfile.ZipFile(stream).infolist()]
        self.members = list({id(member): member for member in found if member is not None}.values())
        end = stream.seek(0, 2)
        if sum(member.compress_size for member in self.members) > end or any(m.flag_bits & 1 for m in self.members):
            raise UnreadableWorkbook("has parts that share their bytes, or are encrypted")
        if any(map(_MACRO_SHEETS.match, map(path_of, self.members))):
            raise UnreadableWorkbook("has macro sheets, which only an .xlsm file can have")
        self._new: dict[str, PackedPart] = {}
        self._texts: dict[str, str] = {}
        self._count = count()
        self._dropped: set[str] = set()
        self._drop()

    def _drop(self) -> None:
        """Leave out what the copy cannot have, with what refers to it."""
        names = list(map(path_of, self.members))
        macros, signatures = list(filter(_MACROS.fullmatch, names)), list(filter(_SIGNATURES.match, names))
        self.lost = [word for word, found in (("macros", macros), ("digital signature", signatures)) if found]
        self._dropped = {part_name(name) for name in (*macros, *signatures)}
        if self._dropped:
            for name in names:
                if name.lower().endswith(".rels") and part_name(name) not in self._dropped:
                    self._unrelate(name)
        types = self.text(_TYPES)
        plain = _MAIN.sub(_PLAIN_MAIN, types)
        for name in (*macros, *signatures):
            plain = re.sub(rf'<Override [^<>]*?PartName="/?{re.escape(name)}"[^<>]*?/>', "", plain, flags=re.IGNORECASE)
        if plain != types:
            self.replace(_TYPES, plain)

    def _unrelate(self, listing: str) -> None:
        folder = posixpath.dirname(posixpath.dirname(listing))
        text = self.text(listing)

        def kept(match: re.Match[str]) -> str:
            target = re.search(r' Target="([^"]*)"', match[0])
            path = posixpath.normpath(posixpath.join("/", folder, target[1])).lstrip("/") if target else ""
            return "" if part_name(path) in self._dropped else match[0]

        changed = re.sub(r"<Relationship [^<>]*?/>", kept, text)
        if changed != text:
            self.replace(listing, changed)

    def text(self, name: str) -> str:
        """A small part in the common form, as it will be; empty where there is none. Raises `UnreadableWorkbook`."""
        known = self._texts.get(part_name(name))
        if known is not None:
            return known
        member = self._parts.find(name)
        if member is None or not name:
            return ""
        return b"".join(common_xml([self.content(member)])).decode()

    def content(self, member: zipfile.ZipInfo) -> bytes:
        if member.file_size > _SMALL:
            raise UnreadableWorkbook("has a part that is too large to be changed")
        return b"".join(self._parts.blocks(member))

    def replace(self, name: str, content: str) -> None:
        """Write a part again; one that is not in the workbook is added."""
        self._texts[part_name(name)] = content
        part = PackedPart(self._scratch / f"part{next(self._count)}")
        part.write(content)
        self.put(name, part)

    def put(self, name: str, part: PackedPart) -> None:
        if self._parts.find(name) is None and part_name(name) not in self._new:
            self.members.append(zipfile.ZipInfo(name))
        self._new[part_name(name)] = part

    def free(self, pattern: str) -> str:
        """A name that no part has."""
        number = 1
        while self._parts.find(pattern.format(number)):
            number += 1
        return pattern.format(number)

    def relate(self, path: str, kind: str, target: str) -> str:
        """Let a part refer to another one; the id of the relationship."""
        folder, name = posixpath.split(path)
        listing = posixpath.join(folder, "_rels", name + ".rels")
        text = self.text(listing) or (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"/>'
        )
        number = 1
        while f'"rIdReport{number}"' in text:
            number += 1
        made = f'<Relationship Id="rIdReport{number}" Type="{self.namespace}/{kind}" Target={quoteattr("/" + target)}/>'
        self.replace(listing, _with(text, made, "Relationships"))
        return f"rIdReport{number}"

    @property
    def namespace(self) -> str:
        """How the workbook's relationships begin: strict workbooks have another one."""
        return _STRICT if _STRICT in self.text("_rels/.rels") else RELATIONSHIPS

    @property
    def main(self) -> str:
        """The namespace of the workbook's parts."""
        return _STRICT_MAIN if self.namespace == _STRICT else MAIN

    def declare(self, path: str, content_type: str) -> None:
        """Name the type of a new part."""
        made = f'<Override PartName={quoteattr("/" + path)} ContentType="{content_type}"/>'
        self.replace(_TYPES, _with(self.text(_TYPES), made, "Types"))

    def save(self, target: Path) -> None:
        with target.open("r+b") as file:
            file.truncate()
            with zipfile.ZipFile(file, "w") as archive:
                for member in self.members:
                    name = path_of(member)
                    if part_name(name) in self._dropped or member.is_dir():
                        continue
                    new = self._new.get(part_name(name))
                    if new is not None:
                        new.copy_to(archive, name)
                    else:
                        self._copy(archive, member, name)

    def _copy(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
        """Copy a part as it is packed."""
        self._stream.seek(member.header_offset)
        start = self._stream.read(30)
        if start[:4] != b"PK\x03\x04":
            raise UnreadableWorkbook("is cut off or damaged (zip)")
        self._stream.seek(int.from_bytes(start[26:28], "little") + int.from_bytes(start[28:30], "little"), 1)
        info = copy.copy(member)
        info.filename, info.extra, info.flag_bits = name, b"", 0
        add_packed(archive, info, self._packed(info.compress_size))

    def _packed(self, left: int) -> Iterator[bytes]:
        """The next bytes of the workbook's file."""
        while left:
            block = self._stream.read(min(left, _BLOCK))
            if not block:
                raise UnreadableWorkbook("is cut off or damaged (zip)")
            yield block
            left -= len(block)


def path_of(member: zipfile.ZipInfo) -> str:
    """The name of a part with slashes, from the root."""
    return member.filename.replace("\\", "/").lstrip("/")


def _with(text: str, more: str, root: str) -> str:
    """The XML with one more child at the end of its root."""
    if f"</{root}>" in text:
        return text.replace(f"</{root}>", f"{more}</{root}>")
    return re.sub(rf"<{root}([^<>]*?)/>", lambda found: f"<{root}{found[1]}>{more}</{root}>", text, count=1)
