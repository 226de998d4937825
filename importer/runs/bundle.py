"""`bundle.zip`: what the vendor needs for a support ticket, without customer data.

The journal keeps no payloads. Requests are built again from the source, with identifiers and values masked.
"""

from __future__ import annotations

import platform
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from importer._version import __version__
from importer.capillary.codes import lookup
from importer.capillary.paths import PREFERENCES
from importer.capillary.wire import encode_body, encode_customer
from importer.journal import Attempt, Journal, Run
from importer.masking import Scrubber, masked_customer
from importer.model import Customer, Outcome, RunSummary, Status, to_json
from importer.reader import Source
from importer.reporter.timings import Timings
from importer.runs.record import mapping_of
from importer.runs.stages import normaliser_of
from importer.sender.feed import Selection, SheetFeed
from importer.settings.options import Settings
from importer.system.clock import stamp
from importer.system.files import Aside, disk_errors

NAME = "bundle.zip"
#: The most pairs per code, and customers per request.
_PAIRS, _CUSTOMERS = 2, 200
_LIBRARIES = ("httpx", "msgspec", "pandas", "sqlalchemy", "openpyxl", "phonenumbers")
#: Settings that name paths of this machine or may contain a password.
_LEFT_OUT = frozenset({"mapping", "reports_dir", "database", "output", "profile"})

_README = """\
One run of capillary-importer, for a support ticket with the vendor of the API.

run.json      the run: versions, settings, counts, fields and preferences
codes.json    the codes of failed rows, with row counts and the pairs that show them
pairs/        requests and answers of each code, with request ids
timings.json  response times, the slowest answers, and requests without an item status

There is no customer data here. Identifiers are masked (91******6415), letters of values are x, digits are 9, and
*** replaces both in the server's messages. Requests were built again from the sheet, with customers in its order.
"""


class _Pair(msgspec.Struct):
    """A request, and the answer for each of its customers."""

    code: str
    request: dict[str, Any]
    answer: dict[str, Any]
    note: str = ""


def write_bundle(
    journal: Journal, run: Run, source: Source, summary: RunSummary, timings: Timings, folder: Path
) -> Path:
    """Write `bundle.zip` to the run's folder. Raises `JournalError` where it cannot be written."""
    pairs = _pairs(journal, run, source)
    files: dict[str, bytes] = {"README.txt": _README.encode()}
    files["run.json"] = to_json(_about(run, summary, source))
    shown: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        word = re.sub(r"[^A-Za-z0-9_-]+", "-", pair.code) or "none"
        name = f"pairs/{word}-{len(shown[pair.code]) + 1}.json"
        shown[pair.code].append(name)
        files[name] = to_json(pair)
    files["codes.json"] = to_json(
        [{"code": c.code, "meaning": c.meaning, "rows": c.rows, "pairs": shown[c.code]} for c in summary.codes]
    )
    files["timings.json"] = to_json(timings.document())
    with disk_errors(folder):
        aside = Aside(folder, NAME)
        try:
            _zip(aside.path, files, run.finished_at or run.record.started_at)
            aside.publish()
        finally:
            aside.discard()
    return aside.target


def _pairs(journal: Journal, run: Run, source: Source) -> list[_Pair]:
    """Return the first requests of each code, built again."""
    chosen: dict[str, list[int]] = defaultdict(list)
    for _, code, attempt in journal.deciding(run.key, (Status.FAILED, Status.UNKNOWN)):
        if len(chosen[code]) < _PAIRS and attempt not in chosen[code]:
            chosen[code].append(attempt)
    numbers = {number for attempts in chosen.values() for number in attempts}
    if not numbers:
        return []
    rows = journal.decided_by(run.key, numbers)
    shown = {number: _cut(rows[number]) for number in numbers}
    wanted = {row for found in shown.values() for row in found}
    customers = _customers(run, source, wanted)
    outcomes = {outcome.row_number: outcome for outcome in journal.outcomes(run.key) if outcome.row_number in wanted}
    attempts = {attempt.number: attempt for attempt in journal.attempts(run.key) if attempt.number in numbers}
    return [
        _pair(
            code,
            run,
            attempts[number],
            [customers[row] for row in shown[number] if row in customers],
            outcomes,
            len(rows[number]),
        )
        for code, found in sorted(chosen.items())
        for number in found
        if number in attempts
    ]


def _cut(rows: list[int]) -> list[int]:
    return rows[:_CUSTOMERS]


def _customers(run: Run, source: Source, wanted: set[int]) -> dict[int, Customer]:
    settings = run.record.settings
    normaliser = normaliser_of(mapping_of(run), settings)
    return SheetFeed(source, normaliser, Selection(), lambda: 0).customers_of(wanted)


def _pair(
    code: str, run: Run, attempt: Attempt, customers: list[Customer], outcomes: Mapping[int, Outcome], decided: int
) -> _Pair:
    scrub = Scrubber(customers)
    body = encode_body(encode_customer(masked_customer(customer)) for customer in customers)
    notes = []
    if attempt.customers > len(customers):
        notes.append(f"Of the {attempt.customers} customers sent, only those that this answer decided are shown.")
    if decided > _CUSTOMERS:
        notes.append(f"Only the first {_CUSTOMERS} rows are shown.")
    return _Pair(
        code,
        {
            "method": "POST",
            "url": _without_user(run.record.base_url) + PREFERENCES,
            "customers": attempt.customers,
            "body": msgspec.json.decode(body),
        },
        {
            "http_status": attempt.http_status,
            "code": attempt.code,
            "request_id": attempt.request_id,
            "sent_at": stamp(attempt.at),
            "elapsed_ms": attempt.elapsed_ms,
            "items": [_item(outcomes[customer.row_number], scrub) for customer in customers],
        },
        " ".join(notes),
    )


def _item(outcome: Outcome, scrub: Scrubber) -> dict[str, Any]:
    """Return the answer for a customer, and the outcome derived from it."""
    return {
        "row": outcome.row_number,
        "outcome": outcome.status.value,
        "code": scrub(outcome.code),
        "message": scrub(outcome.message) or lookup(outcome.code).meaning,
        "warnings": [scrub(warning) for warning in outcome.warnings],
        "attempts": outcome.attempts,
    }


def _about(run: Run, summary: RunSummary, source: Source) -> dict[str, Any]:
    record = run.record
    mapping = mapping_of(run)
    uses: Counter[str] = Counter(use.field for use in mapping.columns)
    return {
        "run_id": record.run_id,
        "versions": {
            "importer": __version__,
            "importer at the time of the run": record.version,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            **{name: found for name in _LIBRARIES if (found := _version(name))},
        },
        "target": _without_user(record.base_url),
        "started_at": summary.started_at,
        "finished_at": summary.finished_at,
        "duration_seconds": summary.duration_seconds,
        "exit_code": summary.exit_code,
        "rows": summary.rows,
        "requests": summary.requests,
        "rate": summary.rate,
        "settings": _settings(record.settings),
        "source": {
            "kind": source.kind,
            "sha256": record.source_sha256,
            "bytes": record.source_size,
            "parser": {name: value for name, value in record.parser.items() if name != "sheet"},
            "columns": len(source.columns),
        },
        "fields": dict(sorted(uses.items())),
        "preferences": sorted({use.preference for use in mapping.columns if use.preference}),
    }


def _settings(settings: Settings) -> dict[str, Any]:
    kept = {name: value for name, value in msgspec.to_builtins(settings).items() if name not in _LEFT_OUT}
    return {**kept, "base_url": _without_user(settings.base_url)}


def _without_user(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _zip(path: Path, files: Mapping[str, bytes], at: int) -> None:
    """Write the archive. Each file has the time of the run's end, so the same content gives the same bytes."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    date = (max(moment.year, 1980), moment.month, moment.day, moment.hour, moment.minute, moment.second)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
