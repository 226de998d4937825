"""The parts of a zipped workbook, found by names as other programs write them: in any case, with `/` or `\\`."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from importer.reader.sheet_xml import UnreadableWorkbook, local_name
from importer.reader.zip_safety import blocks, checked_members, part_name

_SMALL_PART = 1 << 25


class Parts:
    """The parts of an open zip file by name."""

    def __init__(self, stream: BinaryIO) -> None:
        members = checked_members(stream)
        self._exact = {member.filename: member for member in members}
        self._alike = {part_name(member.filename): member for member in reversed(members)}
        stream.seek(0)
        self._archive = zipfile.ZipFile(stream)

    def find(self, path: str) -> zipfile.ZipInfo | None:
        """The part of exactly this name, or else of a name that differs in case or slashes."""
        return self._exact.get(path) or self._alike.get(part_name(path))

    def blocks(self, member: zipfile.ZipInfo, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the unpacked part in blocks. Raises `UnsafeZip`."""
        return blocks(self._archive, member, size)

    def xml(self, path: str) -> Element:
        """The root of a small part. Raises `UnreadableWorkbook`."""
        name = posixpath.basename(path)
        member = self.find(path)
        if member is None:
            raise UnreadableWorkbook(f"is damaged: its part {name} is missing")
        if member.file_size > _SMALL_PART:
            raise UnreadableWorkbook(f"is damaged: its part {name} is too large")
        try:
            root: Element = fromstring(b"".join(self.blocks(member)), forbid_dtd=True)
        except DefusedXmlException:
            raise UnreadableWorkbook("declares XML entities, like an attack; it was not read") from None
        except (ParseError, ValueError, LookupError):
            raise UnreadableWorkbook(f"is damaged: its part {name} is not XML") from None
        return root

    def related(self, path: str) -> dict[str, tuple[str, str]]:
        """id → (last word of the type, path) of what a part refers to. `path` is empty for the package."""
        folder, name = posixpath.split(path)
        listing = posixpath.join(folder, "_rels", name + ".rels")
        if self.find(listing) is None:
            return {}
        return {
            relation.get("Id", ""): (
                relation.get("Type", "").rpartition("/")[2],
                self._target(folder, relation.get("Target", "")),
            )
            for relation in self.xml(listing).iter()
            if local_name(relation.tag) == "Relationship"
        }

    def _target(self, folder: str, target: str) -> str:
        """The path that a target means: relative to its folder, or from the root even without the leading slash."""
        target = target.replace("\\", "/")
        paths = [
            posixpath.normpath(posixpath.join("/", base, written)).lstrip("/")
            for base in (folder, "")
            for written in (target, unquote(target))
        ]
        return next((path for path in paths if self.find(path)), paths[0])

    def main(self, usual: str) -> str:
        """The path of the workbook's main part: by the package's relationships, else by its usual path or name."""
        for kind, path in self.related("").values():
            if kind == "officeDocument" and self.find(path):
                return path
        if self.find(usual):
            return usual
        name = posixpath.basename(usual)
        return next((path for path in self._alike if posixpath.basename(path) == name), usual)
