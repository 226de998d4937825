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
from importer.web.remembered import header_of, to_keep
from importer.web.storage import MappingKey, Upload


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
