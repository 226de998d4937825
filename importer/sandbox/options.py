"""The settings of the sandbox, and the files and short texts they are written in."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

DEFAULT_USERNAME = "sandbox-till"
DEFAULT_PASSWORD = "sandbox"  # noqa: S105 - the documented password of a sandbox
DEFAULT_KEY = "sandbox-key"
DEFAULT_SECRET = "sandbox-secret"  # noqa: S105 - likewise


class OptionsError(ValueError):
    """A setting of the sandbox that is not valid. `message`: which one; `advice`: what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message} {advice}")
        self.message = message
        self.advice = advice


class PreferenceField(msgspec.Struct, frozen=True, kw_only=True):
    """A preference that the sandbox's organisation has defined, named as the API names its parts."""

    name: str
    label: str = ""
    datatype: str = "String"
    default: str = ""
    regex: str = ""
    options: tuple[str, ...] = ()
    is_mandatory: bool = False
    is_disabled: bool = False


class SandboxOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of the sandbox. All have a default under which valid rows succeed."""

    username: str = DEFAULT_USERNAME
    password: str = DEFAULT_PASSWORD
    client_key: str = DEFAULT_KEY
    client_secret: str = DEFAULT_SECRET
    #: Seconds that an OAuth token lives.
    token_ttl: float = 300
    #: A file for the state; None keeps it in memory.
    database: str | None = None
    #: `100/minute`, `50/second`, `1000/hour`: requests of one key in any window of that length; beyond it HTTP 429.
    rate_limit: str | None = None
    #: The Retry-After of a 429: "" for none, "auto" for the seconds until it is worth it, or the text to send.
    retry_after: str = ""
    #: Whether answers carry RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset.
    rate_headers: bool = False
    #: Most customers in a request; beyond it the code 1060.
    batch_limit: int | None = None
    #: Most bytes in a request's body; beyond it HTTP 413.
    max_bytes: int | None = None
    #: Whether bodies may be sent with Content-Encoding gzip; otherwise 415.
    accept_gzip: bool = False
    #: The answer's shape: words of `shapes.SHAPES`, joined by commas.
    shape: str = ""
    #: Identifiers of the customers who exist (mobiles with or without country code); None: every customer exists.
    customers: frozenset[str] | None = None
    #: The preferences that are defined; None: any name will do.
    fields: tuple[PreferenceField, ...] | None = None
    #: What a preference that is not defined gets: the warning 1017 beside a success, or the failure 1017.
    unknown_fields: Literal["warning", "error"] = "warning"
    #: Codes and ids of the stores that exist; None: any.
    stores: frozenset[str] | None = None
    #: What is put before a mobile of ten digits.
    country_code: str = "91"
    #: Identifiers of different accounts in one customer: the accounts are merged, or the customer fails with 1047.
    conflict: Literal["merge", "1047"] = "merge"
    #: Seconds an answer takes: one number for all, or several that are taken in turn.
    latency: tuple[float, ...] = ()
    #: The script of request-level faults, see `faults.parse_fault`.
    faults: tuple[str, ...] = ()


_RATE = re.compile(r"([0-9]+)\s*/\s*(second|minute|hour|[0-9.]+s)")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def parse_rate(text: str) -> tuple[int, float]:
    """`100/minute` as (100, 60.0). Windows of other lengths, for tests: `10/0.5s`."""
    found = _RATE.fullmatch(text.strip())
    if found is None or int(found[1]) < 1:
        raise OptionsError(
            f"{text!r} is not a valid rate limit.", "Use requests per unit, like 100/minute, 50/second or 1000/hour."
        )
    unit = found[2]
    return int(found[1]), _SECONDS.get(unit) or float(unit[:-1])


def load_customers(path: str | Path) -> frozenset[str]:
    """The identifiers named in a file: one a line, or several separated by commas. A header of column names may be."""
    names: set[str] = set()
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.reader(file):
            names.update(cell.strip() for cell in cells)
    return frozenset(names - {"", "mobile", "email", "external_id", "user_id"})


def load_fields(path: str | Path) -> tuple[PreferenceField, ...]:
    """The preferences named in a file: names one a line, or JSON (definitions, or the API's own answer)."""
    text = Path(path).read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith(("{", "[")):
        return tuple(
            PreferenceField(name=line.strip(), label=line.strip()) for line in text.splitlines() if line.strip()
        )
    try:
        return fields_of(msgspec.json.decode(text))
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError) as error:
        raise OptionsError(
            f"{path} does not contain a list of preferences ({error}).",
            "Write one name per line, or save the API's answer as JSON.",
        ) from error


def fields_of(document: Any) -> tuple[PreferenceField, ...]:
    """Definitions out of a decoded document: a list, or the answer of `organization/customfields`."""
    for key in ("response", "organization", "custom_fields", "field"):
        if isinstance(document, dict) and key in document:
            document = document[key]
    entries = document if isinstance(document, list) else [document]
    return tuple(_field_of(entry) for entry in entries)


def _field_of(entry: Any) -> PreferenceField:
    if isinstance(entry, str):
        return PreferenceField(name=entry, label=entry)
    options = entry.get("options") or ()
    if isinstance(options, dict):
        options = options.get("option") or ()
    if isinstance(options, str):
        options = [part.strip() for part in options.split(",")]
    return PreferenceField(
        name=str(entry["name"]),
        label=str(entry.get("label") or entry["name"]),
        datatype=str(entry.get("datatype") or entry.get("type") or "String"),
        default=str(entry.get("default") or ""),
        regex=str(entry.get("regex") or ""),
        options=tuple(str(option) for option in options),
        is_mandatory=_yes(entry.get("is_mandatory")),
        is_disabled=_yes(entry.get("is_disabled")),
    )


def _yes(value: Any) -> bool:
    return str(value).lower() in {"true", "1"}
