"""Settings: one table of options, from which the command line, the environment, `importer.toml` and the README are made.

Command line over environment over file (a profile over the file's top level) over default. Every mistake of a file is told
at once, each with its line. No option takes a secret.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from importer.errors import SettingsError
from importer.guards import Errors
from importer.pacer import Rate

CLUSTERS = {
    "apac": "https://apac.api.capillarytech.com",
    "apac2": "https://apac2.api.capillarytech.com",
    "eu": "https://eu.api.capillarytech.com",
    "sea": "https://sea.intouch.capillarytech.com",
    "us": "https://us.api.capillarytech.com",
    "ushc": "https://ushc.intouch.capillarytech.com",
}

#: The file that is read from the current folder when it is there.
DEFAULT_FILE = "importer.toml"


class Settings(msgspec.Struct, frozen=True):
    """Everything that a run, a check or a look at runs may be told. Durations in seconds."""

    base_url: str = ""
    sandbox: bool = False
    mapping: str = ""
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    country: str = ""
    blank: Literal["skip", "clear"] = "skip"
    batch_size: int = 100
    rate: Rate = Rate(100, 60.0, "100/minute")
    burst: int = 1
    concurrency: int = 8
    max_errors: Errors | None = None
    max_outage: float = 1800.0
    canary: int = 0
    until: str = ""
    max_duration: float = 0.0
    limit: int = 0
    skip_rows: int = 0
    only_changed: bool = False
    gzip: bool = False
    attribution_type: str = ""
    attribution_code: str = ""
    reports_dir: str = "reports"
    database: str = ""
    restart: bool = False
    resubmit: bool = False
    show_identifiers: bool = False
    online: bool = False
    output: str = ""
    profile: str = ""


class Option(msgspec.Struct, frozen=True):
    """One option: its word, how its text is read, and what people are told about it."""

    name: str
    read: Callable[[str], Any]
    help: str
    shown: str
    metavar: str = ""
    commands: tuple[str, ...] = ("run", "check")
    flag: bool = False

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return "IMPORTER_" + self.field.upper()


# ---------------------------------------------------------------------------------------------------- reading values


def _text(value: str) -> str:
    return value.strip()


def _whole(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value.strip()) or int(value) < least:
            raise ValueError(f"a whole number from {least}")
        return int(value)

    return read


def _yes_no(value: str) -> bool:
    found = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    if value.strip().lower() not in found:
        raise ValueError("true or false")
    return found[value.strip().lower()]


_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_SHORT_UNITS = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour"}


def read_rate(value: str) -> Rate:
    """`100/minute`, `50/second`, `5000/hour`."""
    match = re.fullmatch(r"(\d{1,7}(?:\.\d{1,6})?)\s*/\s*([a-z]+)", value.strip().lower(), re.ASCII)
    word = "" if match is None else _SHORT_UNITS.get(match[2]) or match[2].removesuffix("s")
    if match is None or word not in _UNITS or float(match[1]) <= 0:
        raise ValueError("requests per second, minute or hour, such as 100/minute")
    return Rate(float(match[1]), _UNITS[word], f"{match[1]}/{word}")


def read_duration(value: str) -> float:
    """`2h`, `90m`, `1h30m`, `45s`; a bare number is seconds."""
    text = value.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0:
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(d|h|m|s)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError("a duration such as 2h, 90m or 1h30m")
    seconds = sum(float(n) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[u] for n, u in parts)
    if seconds <= 0:
        raise ValueError("a duration longer than nothing")
    return seconds


def read_errors(value: str) -> Errors:
    """`50` rows, or `5%` of the rows so far."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", value.strip())
    if match is None or float(match[1]) <= 0 or (match[2] and float(match[1]) > 100):
        raise ValueError("a number of rows such as 50, or a share such as 5%")
    if match[2]:
        return Errors(share=float(match[1]) / 100)
    if "." in match[1]:
        raise ValueError("a whole number of rows such as 50, or a share such as 5%")
    return Errors(rows=int(match[1]))


def _clock_time(value: str) -> str:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value.strip())
    if match is None:
        raise ValueError("a time of day such as 06:00")
    return f"{int(match[1]):02d}:{match[2]}"


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.strip().lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return value.strip().lower()

    return read


def _country(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value.strip()):
        raise ValueError("a country by its two letters, such as IN")
    return value.strip().upper()


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+.*", value.strip()):
        raise ValueError("an address such as https://eu.api.capillarytech.com")
    return value.strip().rstrip("/")


def _cluster(value: str) -> str:
    if value.strip().lower() not in CLUSTERS:
        raise ValueError("one of " + ", ".join(CLUSTERS))
    return CLUSTERS[value.strip().lower()]


def _delimiter(value: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    found = named.get(value.strip().lower(), value)
    if len(found) != 1:
        raise ValueError("one character, or one of " + ", ".join(named))
    return found


_ALL = ("run", "check", "map", "runs", "report", "resume", "retry", "verify", "purge")
_PACE = ("run", "resume", "retry")

#: The table. `cluster` is a shorter way to say `base-url`; `profile` chooses a table of the file.
OPTIONS: tuple[Option, ...] = (
    Option(
        "base-url",
        _address,
        "address of the API, such as https://eu.api.capillarytech.com",
        "none: ask for it or `--sandbox`",
        "URL",
    ),
    Option("cluster", _cluster, "the same by the cluster's name: " + ", ".join(CLUSTERS), "none", "NAME"),
    Option("sandbox", _yes_no, "run against the stand-in, started for this run", "off", "", ("run", "check"), True),
    Option(
        "profile",
        _text,
        "a table [profiles.NAME] of importer.toml",
        "none",
        "NAME",
        ("run", "check", "resume", "retry"),
    ),
    Option(
        "mapping",
        _text,
        "which column feeds which field (`importer map` writes one)",
        "found by header names",
        "FILE",
        ("run", "check"),
    ),
    Option("sheet", _text, "the workbook's sheet to read", "found", "NAME", ("run", "check", "map")),
    Option("encoding", _text, "the text's encoding, such as cp1252", "found", "NAME", ("run", "check", "map")),
    Option(
        "delimiter",
        _delimiter,
        "the text's delimiter: a character, or tab, semicolon …",
        "found",
        "CHAR",
        ("run", "check", "map"),
    ),
    Option("header-row", _whole(1), "the row that holds the column names", "found", "N", ("run", "check", "map")),
    Option(
        "country",
        _country,
        "region for mobiles without a country code, such as IN",
        "none: numbers must carry their country code",
        "CC",
    ),
    Option(
        "blank",
        _one_of("skip", "clear"),
        "what an empty preference cell means: leave as it is, or remove the value",
        "`skip`",
        "skip|clear",
    ),
    Option("batch-size", _whole(1), "most customers in a request", "100", "N"),
    Option(
        "rate",
        read_rate,
        "requests per second, minute or hour",
        "`100/minute`",
        "N/UNIT",
        ("run", "check", "resume", "retry", "verify"),
    ),
    Option("burst", _whole(1), "requests that may leave at once within the rate", "1", "N", (*_PACE, "verify")),
    Option("concurrency", _whole(1), "requests in flight", "8", "N", (*_PACE, "verify")),
    Option("max-errors", read_errors, "stop once so many rows failed or are unknown", "none", "N|N%", _PACE),
    Option("max-outage", read_duration, "how long to wait for a server that does not answer", "30m", "TIME", _PACE),
    Option(
        "canary",
        _whole(0),
        "rows sent first, in a batch of their own; if none succeeds the run stops",
        "0",
        "N",
        ("run", "retry"),
    ),
    Option("until", _clock_time, "stop cleanly at this time of day, resumable", "none", "HH:MM", _PACE),
    Option("max-duration", read_duration, "stop cleanly after so long, resumable", "none", "TIME", _PACE),
    Option("limit", _whole(1), "read only so many rows, skip the others", "none", "N"),
    Option("skip-rows", _whole(1), "leave out so many rows at the beginning", "none", "N"),
    Option("only-changed", _yes_no, "leave out rows whose last success sent the same", "off", "", ("run",), True),
    Option("gzip", _yes_no, "compress requests (undocumented by the API)", "off", "", ("run", "retry"), True),
    Option(
        "attribution-type",
        _one_of("till", "store_code", "store_name", "store_external_id"),
        "on whose behalf, with OAuth: TILL, STORE_CODE …",
        "none",
        "TYPE",
        ("run", "check", "retry"),
    ),
    Option(
        "attribution-code", _text, "the till or store of the attribution", "none", "CODE", ("run", "check", "retry")
    ),
    Option("reports-dir", _text, "run folders and, by default, the journal", "`reports`", "DIR", _ALL),
    Option(
        "database",
        _text,
        "where the journal is kept",
        "SQLite in the reports folder",
        "URL",
        ("run", "runs", "report", "resume", "retry", "verify", "purge"),
    ),
    Option(
        "restart",
        _yes_no,
        "start anew where an unfinished run of the same source and target exists",
        "off",
        "",
        ("run",),
        True,
    ),
    Option(
        "resubmit",
        _yes_no,
        "of an annotated.xlsx or results.csv, skip the rows that its _status calls succeeded or skipped",
        "off",
        "",
        ("run", "check"),
        True,
    ),
    Option(
        "show-identifiers",
        _yes_no,
        "do not mask cells that the summary tells as examples",
        "off",
        "",
        ("run", "resume", "retry", "report"),
        True,
    ),
    Option(
        "online", _yes_no, "also ask the organisation's field list and try the credentials", "off", "", ("check",), True
    ),
    Option("output", _text, "write the problems as CSV", "none", "FILE", ("check",)),
)

#: Settings that say where things lie, not how the rows were sent; the address may hold a password.
_PLACES = frozenset({"base_url", "mapping", "reports_dir", "database", "output", "profile", "restart"})

_BY_FIELD = {option.field: option for option in OPTIONS}
#: Options that mean one run, not a profile.
_NOT_IN_FILES = {"profile", "restart", "resubmit", "output", "online"}


def load(
    given: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None = None,
) -> Settings:
    """Settings from what was typed (`given`, by field), the environment and a file. Raises `SettingsError`.

    `file` None: `importer.toml` of the current folder, if it is there.
    """
    mistakes: list[str] = []
    profile = given.get("profile") or environ.get("IMPORTER_PROFILE") or ""
    values: dict[str, Any] = {"profile": profile}
    for where, found in (
        ("", _from_file(file, profile, mistakes)),
        ("environment", {o.field: environ[o.variable] for o in OPTIONS if environ.get(o.variable)}),
        ("command line", {name: value for name, value in given.items() if value is not None}),
    ):
        layer: dict[str, Any] = {}
        for field, text in found.items():
            option = _BY_FIELD[field]
            if where == "":
                layer[field] = text
                continue
            label = option.variable if where == "environment" else f"--{option.name}"
            try:
                layer[field] = option.read(text)
            except ValueError as error:
                mistakes.append(f"{label}: {text!r} is not {error}.")
        _merge(values, layer)
    if mistakes:
        raise SettingsError(" ".join(mistakes), "Correct it and try again.")
    values["attribution_type"] = str(values.get("attribution_type", "")).upper()
    settings = Settings(**values)
    if settings.burst > 1 and settings.burst > settings.rate.count / 2:
        raise SettingsError(
            f"--burst {settings.burst} is more than half of --rate {settings.rate.word}.",
            "What may leave at once is taken off the rate: choose a smaller burst.",
        )
    return settings


def changed(settings: Settings) -> str:
    """What differs from the defaults, as one would type it; no place and no secret."""
    usual, found = Settings(), []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if name in _PLACES or value == getattr(usual, name):
            continue
        word = f"--{name.replace('_', '-')}"
        found.append(word if value is True else f"{word} {_typed(value)}")
    return " ".join(found) or "all as by default"


def _typed(value: object) -> str:
    if isinstance(value, Rate):
        return value.word
    if isinstance(value, Errors):
        return f"{value.share * 100:g}%" if value.share else str(value.rows)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _merge(values: dict[str, Any], layer: dict[str, Any]) -> None:
    """A later layer's target replaces an earlier one's, however each was said."""
    if layer.get("cluster"):
        layer.setdefault("base_url", layer["cluster"])
    layer.pop("cluster", None)
    if layer.get("base_url") and "sandbox" not in layer:
        values.pop("sandbox", None)
    if layer.get("sandbox"):
        values.pop("base_url", None)
    values.update(layer)


def _from_file(file: Path | None, profile: str, mistakes: list[str]) -> dict[str, Any]:
    path = file if file is not None else Path(DEFAULT_FILE)
    if file is None and not path.is_file():
        if profile:
            mistakes.append(f"--profile {profile}: there is no {DEFAULT_FILE} in this folder.")
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}).", "Check --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}.", "Correct that line.") from None
    profiles = document.pop("profiles", {})
    if not isinstance(profiles, dict):
        at = f"{path}, line {_line_of(text, '', 'profiles')}"
        raise SettingsError(f"{at}: profiles is no table.", "Write each profile as [profiles.NAME].")
    if profile and profile not in profiles:
        names = ", ".join(profiles) or "none"
        mistakes.append(f"--profile {profile}: {path} has no such profile (it has: {names}).")
    values: dict[str, Any] = {}
    for name, table in {"": document, **profiles}.items():
        layer = _read_table(path, text, name, table, mistakes)
        if name in ("", profile):
            _merge(values, layer)
    return values


def _read_table(path: Path, text: str, name: str, table: Any, mistakes: list[str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    if not isinstance(table, dict):
        mistakes.append(f"{path}: [profiles.{name}] is no table.")
        return layer
    for key, value in table.items():
        field = key.replace("-", "_")
        at = f"{path}, line {_line_of(text, name, key)}"
        option = _BY_FIELD.get(field)
        if option is None or field in _NOT_IN_FILES:
            if any(word in field for word in ("password", "secret", "token")):
                mistakes.append(f"{at}: {key} is a secret: set it in the environment, not in a file of settings.")
            else:
                mistakes.append(f"{at}: there is no setting {key}.")
            continue
        written = str(value).lower() if isinstance(value, bool) else str(value)
        try:
            layer[field] = option.read(written)
        except ValueError as error:
            mistakes.append(f"{at}: {key} = {written!r} is not {error}.")
    return layer


def _line_of(text: str, profile: str, key: str) -> int:
    here = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"\s*\[profiles\.[\"']?([^\]\"']+)[\"']?\]", line):
            here = match[1]
        elif here == profile and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return 0
