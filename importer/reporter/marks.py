"""Which cells of a row a person must look at, and the comment on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from importer.capillary.codes import lookup
from importer.model import IDENTIFIERS, Outcome, Status
from importer.normaliser.mapping import ColumnUse
from importer.reporter.rows import advice_of, message_of
from importer.system.text import harmless

#: Colours of cells. They are in no palette: in a source they come from an earlier report.
PROBLEM, WARNING = "F4B6B0", "FFE69A"

#: The colour of a row's problem cells, by its status; None: nothing is wrong with its cells.
COLOURS = {
    Status.FAILED: PROBLEM,
    Status.REJECTED: PROBLEM,
    Status.UNKNOWN: WARNING,
    Status.SUCCEEDED: WARNING,
    Status.UNPROCESSED: None,
    Status.SKIPPED: None,
}
_FIELDS = {"identifier": IDENTIFIERS, "custom_fields": ("preference", "preference_name", "preference_value")}


def problem_columns(outcome: Outcome, uses: Sequence[ColumnUse], blank: Collection[str]) -> Sequence[str]:
    """The columns that the outcome names, else the filled ones that its code is about. `blank`: the empty columns."""
    return outcome.columns or tuple(column for column in concerned(outcome, uses) if column not in blank)


def concerned(outcome: Outcome, uses: Sequence[ColumnUse]) -> Sequence[str]:
    """The columns that the code of the outcome is about."""
    code = outcome.warnings[0] if outcome.status is Status.SUCCEEDED else outcome.code
    concerns = lookup(code).concerns
    wanted = _FIELDS.get(concerns, (concerns,))
    return tuple(use.column for use in uses if use.field in wanted)


def comment_of(outcome: Outcome) -> str:
    """The comment on the problem cells of a row: what is wrong and what to do."""
    if outcome.status is not Status.SUCCEEDED:
        message, advice = harmless(message_of(outcome)), harmless(advice_of(outcome))
        return f"{message[:1].upper()}{message[1:].removesuffix('.')}.\n{advice}\n(code {outcome.code})"
    return " ".join([*map(_warning, outcome.warnings), harmless(advice_of(outcome))])


def _warning(warning: str) -> str:
    """A warning as a sentence. It is a code of the API, or a text of the server."""
    if warning.isdecimal():
        return f"Warning {warning}: {lookup(warning).meaning}."
    return f"Warning: {harmless(warning).removesuffix('.')}."
