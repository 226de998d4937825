"""The organisation's preferences: fetched in one request, and what they mean for the columns of a source.

A column that names none of them would come back as 1017 on every row, so a run asks before it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, refused, unusable
from importer.errors import ExitCode, SourceError, Stop
from importer.model import FieldDefinition
from importer.normaliser.mapping import Mapping
from importer.normaliser.organisation import FieldFinding, spelled, unknown_in, without
from importer.reader import Source
from importer.runs.asking import Session
from importer.runs.record import name_and_command
from importer.runs.target import Target, target_of
from importer.settings.options import Settings
from importer.world import World

#: The longest wait for a free request, in seconds.
LONGEST_WAIT = 20.0
#: Seconds that the question before a run may take, with its token. The run does not depend on the answer.
PATIENCE = 10.0
#: Names that a message lists.
_MOST_NAMES = 10
_ON_PAGE = "Choose a preference for each of these columns, ignore it, or choose that unknown preferences are sent."


class Greeting(msgspec.Struct, frozen=True):
    """The answer of a server that accepts the credentials. `server_date`: its Date header."""

    fields: tuple[FieldDefinition, ...]
    server_date: str


class Columns(msgspec.Struct, frozen=True):
    """A mapping as the organisation's preferences want it. `refusal`: why a run does not begin."""

    mapping: Mapping
    notes: tuple[str, ...] = ()
    refusal: SourceError | None = None


def greet(target: Target, settings: Settings, world: World) -> Greeting:
    """Fetch the organisation's fields, which also tries the credentials: one request, with OAuth two. It counts towards
    the rate of the key, which a run may be using. Raises `ImporterError`."""
    with Session(target, settings, world) as session:
        answer = session.run(_ask(session))
        if not isinstance(answer, RequestFailed):
            return Greeting(answer, session.client.server_date)
    trouble = answer.trouble
    if trouble.next in (Next.RENEW, Next.REFUSED):
        raise refused(trouble.code, trouble.message, target.credentials.variables)
    if trouble.next in (Next.AGAIN, Next.SLOW):
        raise Stop(ExitCode.TEMPORARY, f"The field list is not available: {trouble.message}.", "Try again later.")
    raise unusable(trouble, "The field list is not available")


def organisation_fields(settings: Settings, world: World) -> tuple[FieldDefinition, ...]:
    """Return the preferences that the organisation has defined. Raises `ImporterError`."""
    with target_of(settings, world) as target:
        return greet(target, settings, world).fields


async def _ask(session: Session) -> tuple[FieldDefinition, ...] | RequestFailed:
    """One request. Raises `Stop` where the rate leaves none free."""
    admission = session.admission()
    if (wait := admission.wait()) > LONGEST_WAIT:
        raise Stop(
            ExitCode.TEMPORARY,
            f"The field list is not available: the rate leaves no request free for {wait:.0f} s.",
            "Try again when the runs with these credentials have ended.",
        )
    asked = await admission.ask(session.client.fields)
    if isinstance(asked.reply, RequestFailed) and asked.reply.trouble.next is Next.SLOW:
        admission.throttled(asked.sent_at, asked.reply.retry_after)
    return asked.reply


# ---------------------------------------------------------------------------------------------------- before a run


def columns_of_a_run(mapping: Mapping, source: Source, settings: Settings, session: Session) -> Columns:
    """The columns of a new run, by the organisation's fields. Without them, with a note, as they are. Raises
    `SourceError` where the run is refused."""
    if settings.sandbox or settings.unknown_columns == "send":
        # The sandbox of a run has no defined preferences.
        return Columns(mapping)
    answer = _fields_or_why(session, settings)
    if isinstance(answer, str) or not answer:
        return Columns(mapping, (not_checked(answer if isinstance(answer, str) else ""),))
    columns = fitted(mapping, answer, source, settings)
    if columns.refusal is not None:
        raise columns.refusal
    return columns


def _fields_or_why(session: Session, settings: Settings) -> tuple[FieldDefinition, ...] | str:
    if settings.rate.unit / settings.rate.count > LONGEST_WAIT:
        return f"at {settings.rate.word} the question would delay the run"

    async def in_time() -> tuple[FieldDefinition, ...] | RequestFailed:
        async with asyncio.timeout(PATIENCE):
            return await _ask(session)

    try:
        answer = session.run(in_time())
    except TimeoutError:
        return f"the server did not answer within {PATIENCE:.0f} s"
    except Stop:
        return "other runs with these credentials are using the rate"
    return answer.trouble.message if isinstance(answer, RequestFailed) else answer


def not_checked(why: str = "") -> str:
    """The note that column names were not checked. `why` the field list is not available; "": it is empty."""
    if not why:
        return "Column names were not checked: the organisation has no preferences defined."
    return f"Column names were not checked: the organisation's field list is not available ({why})."


# ---------------------------------------------------------------------------------------------------- the columns


def fitted(mapping: Mapping, fields: Sequence[FieldDefinition], source: Source, settings: Settings) -> Columns:
    """What the organisation's `fields`, of which there are some, make of a mapping."""
    if settings.unknown_columns == "send":
        return Columns(mapping)
    mapping = spelled(mapping, fields)
    if mapping.is_long:
        mapping = msgspec.structs.replace(mapping, names=tuple([field.name for field in fields]))
    unknown = unknown_in(mapping, fields)
    if not unknown:
        return Columns(mapping)
    known = without(mapping, [finding.preference for finding in unknown])
    nothing_left = not known.preference_names and not known.is_long
    if nothing_left or settings.unknown_columns == "refuse":
        return Columns(mapping, refusal=_refusal(unknown, source, settings, nothing_left=nothing_left))
    note = f"Ignored, because the organisation has no such preference: {_named(unknown)}."
    return Columns(known, (note,))


def _refusal(unknown: Sequence[FieldFinding], source: Source, settings: Settings, *, nothing_left: bool) -> SourceError:
    sheet, command = name_and_command(source, settings)
    noun = "preference" if len(unknown) == 1 else "preferences"
    ways = "send" if nothing_left else "ignore or send"
    if settings.mapping:
        advice = f"Correct {settings.mapping}, or pass --unknown-columns {ways}."
    else:
        advice = f"Pass --unknown-columns {ways}, or map them: `{command} -o mapping.toml`."
    return SourceError(
        f"{sheet}: the organisation has no {noun} {_named(unknown)}.", advice, on_page=_ON_PAGE, code="unknown_columns"
    )


def _named(unknown: Sequence[FieldFinding]) -> str:
    names = [
        f"“{finding.preference}”" + (f" (nearest: “{finding.nearest}”)" if finding.nearest else "")
        for finding in unknown[:_MOST_NAMES]
    ]
    if len(unknown) > len(names):
        names.append(f"{len(unknown) - len(names)} more")
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
