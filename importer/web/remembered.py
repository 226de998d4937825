"""Mappings that are remembered: what a user chose for the columns of a file, found again by the names in its header."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Iterable

import msgspec

from importer.errors import ImporterError
from importer.normaliser.mapping import Mapping, fit, preference_name
from importer.normaliser.mapping_file import parse, to_toml
from importer.normaliser.organisation import FieldFinding, compare_fields, spelled, unknown_in, without
from importer.web.messages import Inspection
from importer.web.storage import KeptMapping, ReadingChoices, Upload


class Shown(msgspec.Struct, frozen=True):
    """A file as its columns page shows it: the mapping, and the upload with the settings that belong to it.

    `kept`: what is remembered of such a file. `used`: it is what is shown. `gone`: the preferences of it that the
    organisation does not have, or has disabled."""

    upload: Upload
    mapping: Mapping
    kept: KeptMapping | None = None
    used: bool = False
    gone: tuple[FieldFinding, ...] = ()
    #: It is what a form holds.
    typed: bool = False


def header_of(columns: Iterable[str]) -> str:
    """What files with the same column names share, in whatever order, case and width they are."""
    names = sorted(preference_name(unicodedata.normalize("NFKC", column)).casefold() for column in columns if column)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def recalled(upload: Upload, inspection: Inspection, kept: KeptMapping) -> Shown | None:
    """The file as it was mapped the last time, None where that mapping cannot be used."""
    try:
        mapping = fit(parse(kept.toml, "The mapping"), inspection.column_names)
    except ImporterError:
        return None
    fields = inspection.fields or ()
    found = compare_fields(spelled(mapping, fields).preference_names, fields) if fields else ()
    gone = tuple([finding for finding in found if finding.fault in ("unknown", "disabled")])
    reading = msgspec.structs.replace(
        upload.reading, country=kept.country, blank=kept.blank, invalid_identifiers=kept.invalid_identifiers
    )
    return Shown(msgspec.structs.replace(upload, reading=reading), mapping, kept, True, gone)


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
