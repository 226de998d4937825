"""A template for the organisation of the settings: asks for its preferences and makes the workbook."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from importer.errors import ExitCode, ImporterError
from importer.model import FieldDefinition
from importer.runs.fields import organisation_fields
from importer.settings.options import Settings
from importer.system.late import late
from importer.template import checks
from importer.template.columns import LeftOut, TemplateColumn, chosen, identifier_columns, preference_columns
from importer.template.words import About
from importer.world import World

_NONE_DEFINED = "The organisation has no preferences defined"
#: What may fail where the names of the preferences are given.
_DISPENSABLE = (ExitCode.SETTINGS, ExitCode.TEMPORARY)


class Template(msgspec.Struct, frozen=True):
    """The document that `template --json` prints. `missing`: what the workbook cannot know."""

    path: str
    target: str
    country: str
    columns: tuple[TemplateColumn, ...]
    left_out: tuple[LeftOut, ...] = ()
    missing: str = ""

    @property
    def preferences(self) -> int:
        return sum(1 for column in self.columns if column.preference)


def make_template(
    settings: Settings, world: World, preferences: Sequence[str] = (), path: str = ""
) -> tuple[Template, bytes]:
    """The template and the workbook's content, to be written to `path`.

    `preferences`: the only ones with a column. With them, a template is also made where there is no target, or the
    server does not answer. Raises `ImporterError`.
    """
    fields, missing = _fields(settings, world, preferences)
    columns, left_out = preference_columns(chosen(fields, preferences))
    columns = (*identifier_columns(checks.example_mobile(settings.country)), *columns)
    target = "" if settings.sandbox else settings.base_url
    made = Template(path, target, settings.country, columns, left_out, missing)
    about = About(settings.country, target, world.wall(), missing)
    workbook_bytes = late("importer.template.workbook", "workbook_bytes")
    content: bytes = workbook_bytes(columns, left_out, about)
    return made, content


def _fields(settings: Settings, world: World, preferences: Sequence[str]) -> tuple[tuple[FieldDefinition, ...], str]:
    """The organisation's preferences, and what is missing in a template without them."""
    try:
        fields = organisation_fields(settings, world)
    except ImporterError as error:
        if not preferences or error.exit_code not in _DISPENSABLE:
            raise
        why = error.message.rstrip(".")
        return (), f"Without drop-down lists and labels, because the organisation's preferences are not known: {why}."
    if fields:
        return fields, ""
    if preferences:
        return (), f"{_NONE_DEFINED}: the columns are those that were named, without drop-down lists."
    return (), f"{_NONE_DEFINED}: add one column per preference, with the preference's name in the first row."
