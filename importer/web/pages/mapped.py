"""The mapping of a file: read, or taken from a person and stored, remembered, and checked by every row."""

from __future__ import annotations

import asyncio
import os

import msgspec

from importer.errors import ImporterError
from importer.normaliser.mapping import ColumnSamples, Mapping, fit
from importer.normaliser.mapping_file import load, to_toml
from importer.runs.target import organisation_in
from importer.system.files import write_whole
from importer.web.messages import RESULT_FILES, Inspection
from importer.web.pages.site import Site
from importer.web.pages.uploads import remove
from importer.web.remembered import header_of, most_alike, to_keep
from importer.web.storage import KeptMapping, MappingKey, Upload

#: Mappings that are compared with a file whose header is new: the newest.
_MOST_COMPARED = 50


def mapping_in(upload: Upload, inspection: Inspection) -> Mapping:
    """The mapping of the upload. Raises `ImporterError` where it does not fit the columns of the file."""
    return fit(load(upload.own_folder / "mapping.toml"), inspection.column_names)


async def take_mapping(site: Site, upload: Upload, inspection: Inspection, mapping: Mapping) -> None:
    """It must fit the columns of the file."""
    samples = {c.column: ColumnSamples(c.samples, c.cells, c.list_like, c.separator) for c in inspection.columns}
    text = to_toml(mapping, samples, source=upload.name)
    await asyncio.to_thread(write_whole, upload.own_folder / "mapping.toml", text.encode())
    upload = msgspec.structs.replace(upload, mapped=True)
    site.storage.keep_upload(upload)
    if (key := await key_of(site, upload, inspection)) is not None:
        site.storage.keep_mapping(key, to_keep(upload, inspection, mapping, upload.reading))
    site.runs.cancel_inspections(upload)
    remove(upload, RESULT_FILES["check"], "problems.csv")
    site.runs.check(upload, site.settings(upload))


async def key_of(site: Site, upload: Upload, inspection: Inspection) -> MappingKey | None:
    """What the mapping of a file is remembered by. None without columns, or where the organisation is not known."""
    if not inspection.columns:
        return None
    try:
        organisation = await asyncio.to_thread(organisation_in, site.options.settings, os.environ)
    except ImporterError:
        return None
    return MappingKey(upload.owner, organisation, header_of(inspection.column_names))


async def kept_of(site: Site, upload: Upload, inspection: Inspection) -> tuple[MappingKey, KeptMapping] | None:
    """What is remembered of files with this header, else of the one that is most alike; and by what it is found."""
    if (key := await key_of(site, upload, inspection)) is None:
        return None
    if (kept := site.storage.mapping(key)) is not None:
        return key, kept
    others = site.storage.mappings_of(key, _MOST_COMPARED)
    found = await asyncio.to_thread(most_alike, inspection.column_names, others)
    return (msgspec.structs.replace(key, header=found[0]), found[1]) if found is not None else None
