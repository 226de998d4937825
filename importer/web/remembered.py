"""Mappings that are remembered: what a user chose for the columns of a file, found again by the names in its header.

A file with other columns is mapped like the most similar one, and its new columns as their names propose.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from importer.errors import ImporterError
from importer.model import FIELDS
from importer.normaliser.mapping import IGNORED, PREFERENCE, ColumnUse, Mapping, fit, preference_name
from importer.normaliser.mapping_file import parse, to_toml
from importer.normaliser.organisation import FieldFinding, compare_fields, spelled, unknown_in, without
from importer.web.messages import Inspection
from importer.web.storage import KeptMapping, ReadingChoices, Upload

#: Two files are alike where both have more than this share of all their column names: one more or less, of four.
_ALIKE = 0.75


class Shown(msgspec.Struct, frozen=True):
    """A file as its columns page shows it: the mapping, and the upload with the settings that belong to it.

    `kept`: what is remembered of such a file. `used`: it is what is shown. `gone`: the preferences of it that the
    organisation does not have, or has disabled. `new` and `lost`: columns that only one of the two files has."""

    upload: Upload
    mapping: Mapping
    kept: KeptMapping | None = None
    used: bool = False
    gone: tuple[FieldFinding, ...] = ()
    new: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    #: It is what a form holds.
    typed: bool = False


def header_of(columns: Iterable[str]) -> str:
    """What files with the same column names share, in whatever order, case and width they are."""
    names = sorted(_folded(column) for column in columns if column)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _folded(column: str) -> str:
    return preference_name(unicodedata.normalize("NFKC", column)).casefold()


def most_alike(columns: Sequence[str], found: Iterable[tuple[str, KeptMapping]]) -> tuple[str, KeptMapping] | None:
    """The header and mapping of the file that shares most column names with these, None where none is alike."""
    names = {_folded(column) for column in columns if column}
    best, alike = None, _ALIKE
    for header, kept in found:
        try:
            others = {_folded(use.column) for use in parse(kept.toml, "The mapping").columns}
        except ImporterError:
            continue
        share = len(names & others) / max(len(names | others), 1)
        if share > alike:
            best, alike = (header, kept), share
    return best


def recalled(upload: Upload, inspection: Inspection, kept: KeptMapping) -> Shown | None:
    """The file as it was mapped the last time, None where that mapping cannot be used."""
    try:
        mapping = parse(kept.toml, "The mapping")
        there, known = ({_folded(name) for name in names} for names in (inspection.column_names, _columns(mapping)))
        lost = tuple([name for name in _columns(mapping) if _folded(name) not in there])
        new = tuple([name for name in inspection.column_names if name and _folded(name) not in known])
        mapping = fit(_moved(mapping, inspection.mapping, new, lost), inspection.column_names)
    except ImporterError:
        return None
    fields = inspection.fields or ()
    found = compare_fields(spelled(mapping, fields).preference_names, fields) if fields else ()
    gone = tuple([finding for finding in found if finding.fault in ("unknown", "disabled")])
    reading = msgspec.structs.replace(
        upload.reading, country=kept.country, blank=kept.blank, invalid_identifiers=kept.invalid_identifiers
    )
    return Shown(msgspec.structs.replace(upload, reading=reading), mapping, kept, True, gone, new, lost)


def _columns(mapping: Mapping) -> list[str]:
    return [use.column for use in mapping.columns]


def _moved(mapping: Mapping, proposed: Mapping, new: Sequence[str], lost: Sequence[str]) -> Mapping:
    """A mapping without the columns that are lost, and with what is proposed for new ones. A new column is ignored
    where another one already is what its name proposes. `fit` leaves out the rules of lost columns."""
    if not new and not lost:
        return mapping
    uses = [use for use in mapping.columns if use.column not in lost]
    taken = {use.field for use in uses if use.field in FIELDS}
    for use in proposed.columns:
        if use.column in new:
            clashes = use.field in taken or (use.field == PREFERENCE and mapping.is_long)
            uses.append(ColumnUse(use.column, IGNORED) if clashes else use)
    return msgspec.structs.replace(mapping, columns=tuple(uses))


def to_keep(upload: Upload, inspection: Inspection, mapping: Mapping, reading: ReadingChoices) -> KeptMapping:
    """What to remember of the columns that a user chose: nothing of the file but its name. The answer to what happens
    with unknown columns is not kept, so that it is asked for every file; what is ignored stays ignored."""
    fields = inspection.fields or ()
    if fields and reading.unknown_columns == "ignore":
        unknown = {finding.preference for finding in unknown_in(spelled(mapping, fields), fields)}
        spelt = dict(zip(mapping.preference_names, spelled(mapping, fields).preference_names, strict=True))
        mapping = without(mapping, [name for name, spelling in spelt.items() if spelling in unknown])
    return KeptMapping(
        to_toml(mapping, source=upload.name),
        upload.name,
        time.time(),
        reading.country,
        reading.blank,
        reading.invalid_identifiers,
    )
