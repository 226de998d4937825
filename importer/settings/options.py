"""Settings: one table of options, from which the command line, the environment, `importer.toml` and the README are made.

Command line over environment over file (a profile over the file's top level) over default. Every mistake of a file is told
at once, each with its line. No option takes a secret.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import tomllib
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from importer.errors import SettingsError
from importer.model import MaxErrors, Rate
from importer.normaliser.countries import is_country
from importer.system.encodings import text_encoding

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


class Nightly(msgspec.Struct, frozen=True):
    """What the nightly load is told besides: where files come from and go to, what is expected, who is told.

    Places and notices may hold `${NAME}`, which stands for a variable of the environment: it is looked up when the
    place is opened, so that no secret stands here.
    """

    inbox: str = ""
    done: str = ""
    failed: str = ""
    outbox: str = ""
    key_file: str = ""
    known_hosts: str = ""
    pattern: str = "*"
    expect_date: Literal["yesterday", "today"] = "yesterday"
    expect_by: str = ""
    settle: float = 60.0
    marker: str = ""
    not_before: str = ""
    repeat: Literal["skip", "import"] = "skip"
    warning: float = 0.01
    critical: float = 0.1
    notices: tuple[str, ...] = ()
    retention: float = 0.0


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
    max_errors: MaxErrors | None = None
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
    credentials: str = "IMPORTER"
    time_zone: str = ""
    log_format: Literal["", "plain", "json"] = ""
    log_file: str = ""
    metrics_file: str = ""
    nightly: Nightly = Nightly()


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

    def taken_by(self, command: str) -> bool:
        """`nightly` takes whatever a run takes, besides its own."""
        return command in self.commands or (
            command == "nightly" and "run" in self.commands and self.name not in ("restart", "resubmit")
        )


class Reader(msgspec.Struct, frozen=True):
    """How a text is read, and what the JSON Schema of the settings file says of it."""

    read: Callable[[str], Any]
    schema: dict[str, Any]

    def __call__(self, value: str) -> Any:
        return self.read(value)


class Secret(ValueError):
    """A value that must not stand in a file, nor be repeated in a message."""


# ---------------------------------------------------------------------------------------------------- reading values


def _text(value: str) -> str:
    return value.strip()


def _whole(least: int) -> Reader:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value.strip()) or int(value) < least:
            raise ValueError(f"a whole number from {least}")
        return int(value)

    return Reader(read, {"type": "integer", "minimum": least})


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


def read_wait(value: str) -> float:
    """A duration that may be nothing."""
    return 0.0 if re.fullmatch(r"0+s?", value.strip()) else read_duration(value)


def read_errors(value: str) -> MaxErrors:
    """`50` rows, or `5%` of the rows so far."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", value.strip())
    if match is None or float(match[1]) <= 0 or (match[2] and float(match[1]) > 100):
        raise ValueError("a number of rows such as 50, or a share such as 5%")
    if match[2]:
        return MaxErrors(share=float(match[1]) / 100)
    if "." in match[1]:
        raise ValueError("a whole number of rows such as 50, or a share such as 5%")
    return MaxErrors(rows=int(match[1]))


def _clock_time(value: str) -> str:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value.strip())
    if match is None:
        raise ValueError("a time of day such as 06:00")
    return f"{int(match[1]):02d}:{match[2]}"


def _one_of(*words: str) -> Reader:
    def read(value: str) -> str:
        if value.strip().lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return value.strip().lower()

    return Reader(read, {"enum": list(words)})


def _country(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value.strip()) or not is_country(value.strip()):
        raise ValueError("a country by its two letters (ISO 3166), such as IN")
    return value.strip().upper()


def _address(value: str) -> str:
    usual = "an address such as https://eu.api.capillarytech.com"
    if not re.fullmatch(r"https?://[^\s/]+\S*", value.strip()):
        raise ValueError(usual)
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        raise ValueError(usual) from None
    if "@" in parts.netloc:
        # It would stand in the journal and in every report.
        raise Secret(f"{usual}: user and password belong into the environment")
    if parts.query or parts.fragment or not parts.hostname or port == 0:
        raise ValueError(usual)
    return value.strip().rstrip("/")


def _header(value: str) -> str:
    """What is sent as a header."""
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.strip()):
        raise ValueError("a code of plain letters, digits and signs (ASCII)")
    return value.strip()


#: As SQLAlchemy takes it apart: whatever stands before the last @ may be a password.
_DATABASE = re.compile(
    r"sqlite:///.+|postgres(?:ql)?(?:\+psycopg)?://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?\]]+\]|[^/:?\[\]]*)(?::\d{1,5})?(?:[/?].*)?"
)


def _cluster(value: str) -> str:
    if value.strip().lower() not in CLUSTERS:
        raise ValueError("one of " + ", ".join(CLUSTERS))
    return CLUSTERS[value.strip().lower()]


def _delimiter(value: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    found = named.get(value.strip().lower(), value)
    if len(found) != 1 or found in '"\r\n\0':
        raise ValueError("one character (no quote or line end), or one of " + ", ".join(named))
    return found


def _encoding(value: str) -> str:
    if value.strip() and text_encoding(value.strip()) is None:
        raise ValueError("an encoding that is known: use a name such as utf-8, cp1252 or utf-16")
    return value.strip()


def _database(value: str) -> str:
    if not _DATABASE.fullmatch(value.strip()):
        raise Secret("an address such as postgresql://user@host/name or sqlite:///FILE")
    return value.strip()


def read_share(value: str) -> float:
    """`2%`, or the same as 0.02."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", value.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    if share > 1:
        raise ValueError("a share of the rows such as 2%")
    return share


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value.strip())
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("a time zone such as Asia/Kolkata") from None
    return value.strip()


#: What a place may begin with, besides nothing: a folder.
SCHEMES = ("file", "sftp", "s3", "gs", "abfs")


def _place(value: str) -> str:
    text = value.strip()
    match = re.match(r"([a-z][a-z0-9+.-]*)://", text)
    if not text or (match and (match[1] not in SCHEMES or text == match[0])):
        raise ValueError("a folder, or an address that begins with " + ", ".join(f"{s}://" for s in SCHEMES))
    _refuse_password(text)
    return text if match else text.rstrip("/") or "/"


def _notices(value: str) -> tuple[str, ...]:
    found = tuple(value.split())
    for address in found:
        if "://" not in address and not re.fullmatch(r"\$\{\w+\}", address):
            raise Secret("an address such as mailto://… or ${NAME}")
        _refuse_password(address)
    return found


def _refuse_password(address: str) -> None:
    try:
        password = urlsplit(address).password
    except ValueError:
        raise ValueError("an address that can be read") from None
    if password and not re.fullmatch(r"\$\{\w+\}", password):
        raise Secret("free of secrets: write ${NAME} where the password stands, and set NAME in the environment")


#: In a pattern of names: where the date stands, and how it is written.
DATE = re.compile(r"\{date(?::([^{}]+))?\}")


def _pattern(value: str) -> str:
    text = value.strip()
    rest = DATE.sub("", text)
    if not text or "/" in text or "{" in rest or "}" in rest or len(DATE.findall(text)) > 1:
        raise ValueError("a name such as customers-{date}.csv or *-{date:%Y%m%d}.xlsx")
    form = DATE.search(text)
    if form and not re.fullmatch(r"(?:[^%]|%[YymdjHMS%])+", form[1] or "%Y-%m-%d"):
        raise ValueError("a name whose date is written with %Y, %m, %d and the like, such as {date:%Y%m%d}")
    return text


def _marker(value: str) -> str:
    if not re.fullmatch(r"[.\w-]+", value.strip()):
        raise ValueError("the end of the marker's name, such as .ok")
    return value.strip()


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.strip()):
        raise ValueError("the beginning of names of variables, such as BRAND_A")
    return value.strip().upper().rstrip("_")


_CLOCK = {"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$"}
_TIME = {"type": ["string", "number"], "examples": ["30m", "2h", "1h30m"]}
_SHARE = {"type": ["string", "number"], "examples": ["2%"]}


def schema_of(option: Option) -> dict[str, Any]:
    """What the JSON Schema says of an option's value."""
    if isinstance(option.read, Reader):
        return option.read.schema
    return _SCHEMAS.get(option.read, {"type": "string"})


_ALL = ("run", "check", "map", "runs", "report", "resume", "retry", "verify", "purge", "doctor")
_LOOKED_AT = ("run", "resume", "retry")
_NIGHTLY = ("nightly",)
_PACE = ("run", "resume", "retry")

#: The table. `cluster` is a shorter way to say `base-url`; `profile` chooses a table of the file.
OPTIONS: tuple[Option, ...] = (
    Option(
        "base-url",
        _address,
        "address of the API, such as https://eu.api.capillarytech.com",
        "none: ask for it or `--sandbox`",
        "URL",
        ("run", "check", "doctor"),
    ),
    Option(
        "cluster",
        _cluster,
        "the same by the cluster's name: " + ", ".join(CLUSTERS),
        "none",
        "NAME",
        ("run", "check", "doctor"),
    ),
    Option("sandbox", _yes_no, "run against the stand-in, started for this run", "off", "", ("run", "check"), True),
    Option(
        "profile",
        _text,
        "a table [profiles.NAME] of importer.toml",
        "none",
        "NAME",
        ("run", "check", "resume", "retry", "doctor"),
    ),
    Option(
        "credentials",
        _prefix,
        "how the variables begin that hold them: BRAND_A reads BRAND_A_USERNAME and so on",
        "`IMPORTER`",
        "PREFIX",
        ("run", "check", "doctor"),
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
    Option("encoding", _encoding, "the text's encoding, such as cp1252", "found", "NAME", ("run", "check", "map")),
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
    Option("time-zone", _zone, "of every time of day that is given", "the machine's", "NAME", _PACE),
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
        "attribution-code", _header, "the till or store of the attribution", "none", "CODE", ("run", "check", "retry")
    ),
    Option("reports-dir", _text, "run folders and, by default, the journal", "`reports`", "DIR", _ALL),
    Option(
        "database",
        _database,
        "where the journal is kept",
        "SQLite in the reports folder",
        "URL",
        ("run", "runs", "report", "resume", "retry", "verify", "purge", "doctor"),
    ),
    Option(
        "log-format",
        _one_of("plain", "json"),
        "one line an event on stderr, instead of the progress",
        "plain on a terminal, else json, for `nightly`; none for others",
        "plain|json",
        _LOOKED_AT,
    ),
    Option("log-file", _text, "the events also in this file, reopened when it is rotated", "none", "FILE", _LOOKED_AT),
    Option("metrics-file", _text, "figures for Prometheus's textfile collector", "none", "FILE.prom", _LOOKED_AT),
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
    Option(
        "inbox", _place, "where files arrive: a folder, sftp://, s3://, gs:// or abfs://", "none", "PLACE", _NIGHTLY
    ),
    Option("done", _place, "where imported files are moved to", "`done` in the inbox", "PLACE", _NIGHTLY),
    Option(
        "failed", _place, "where files that cannot be read are moved to", "`failed` in the inbox", "PLACE", _NIGHTLY
    ),
    Option("outbox", _place, "where the reports are put", "the reports folder only", "PLACE", _NIGHTLY),
    Option("key-file", _text, "the private key for sftp://", "the agent's and those in ~/.ssh", "FILE", _NIGHTLY),
    Option("known-hosts", _text, "the keys of SFTP servers that are trusted", "~/.ssh/known_hosts", "FILE", _NIGHTLY),
    Option("pattern", _pattern, "names of the files to take; {date} is the day they are of", "`*`", "NAME", _NIGHTLY),
    Option(
        "expect-date",
        _one_of("yesterday", "today"),
        "the day that tonight's file is of",
        "`yesterday`",
        "yesterday|today",
        _NIGHTLY,
    ),
    Option("expect-by", _clock_time, "a file that is not there by then is an alarm", "none", "HH:MM", _NIGHTLY),
    Option(
        "settle", Reader(read_wait, _TIME), "a file is complete when unchanged for so long", "60s", "TIME", _NIGHTLY
    ),
    Option(
        "marker",
        _marker,
        "a file is complete when a file of its name and this end is beside it",
        "none",
        ".ok",
        _NIGHTLY,
    ),
    Option("not-before", _clock_time, "no run begins between --until and this time of day", "none", "HH:MM", _NIGHTLY),
    Option(
        "repeat",
        _one_of("skip", "import"),
        "what becomes of a file whose content was imported before",
        "`skip`",
        "skip|import",
        _NIGHTLY,
    ),
    Option("warning", read_share, "share of rows not imported from which a night is a warning", "1%", "N%", _NIGHTLY),
    Option("critical", read_share, "the same, from which it is critical", "10%", "N%", _NIGHTLY),
    Option(
        "notices",
        Reader(_notices, {"type": ["array", "string"], "items": {"type": "string"}}),
        "whom to tell when the state changes: apprise's addresses; ${NAME} for what is secret",
        "nobody",
        "ADDRESS",
        _NIGHTLY,
    ),
    Option("retention", read_duration, "remove the reports of finished runs after so long", "kept", "TIME", _NIGHTLY),
)

_SCHEMAS: dict[Callable[[str], Any], dict[str, Any]] = {
    _yes_no: {"type": "boolean"},
    read_rate: {"type": "string", "pattern": r"^\d+(\.\d+)?\s*/\s*[A-Za-z]+$", "examples": ["100/minute"]},
    read_duration: _TIME,
    read_errors: {"type": ["string", "integer"], "examples": [50, "5%"]},
    read_share: _SHARE,
    _clock_time: _CLOCK,
    _address: {"type": "string", "pattern": "^https?://"},
    _cluster: {"enum": list(CLUSTERS)},
    _country: {"type": "string", "pattern": "^[A-Za-z]{2}$"},
}

#: Settings that say where things lie, not how the rows were sent; the address may hold a password.
_PLACES = frozenset(
    {
        *("base_url", "mapping", "reports_dir", "database", "output", "profile", "restart"),
        *("nightly", "log_format", "log_file", "metrics_file"),
    }
)

_BY_FIELD = {option.field: option for option in OPTIONS}
#: Options that mean one run, not a profile.
_NOT_IN_FILES = {"profile", "restart", "resubmit", "output", "online"}
FILE_OPTIONS = tuple(option for option in OPTIONS if option.field not in _NOT_IN_FILES)


class Origin(msgspec.Struct, frozen=True):
    """Where a setting was given: in a line of a file, or under the name of an option or environment variable."""

    name: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        if not self.file:
            return self.name
        line = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{line}: {self.name}" if self.name else line


class Mistake(msgspec.Struct, frozen=True):
    """A setting that cannot be used. `field`: as in `Settings`; "" where no setting has that name."""

    field: str
    where: Origin | None
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where is not None else self.text


class Reading(msgspec.Struct, frozen=True):
    """The values found, the origin of each, both by field; and every mistake."""

    values: dict[str, Any]
    origins: dict[str, Origin]
    mistakes: list[Mistake]

    def settings(self) -> Settings:
        """Raises `SettingsError` with every mistake at once, a line each."""
        if self.mistakes:
            raise SettingsError("\n".join(map(str, self.mistakes)), "Correct it and try again.")
        return self.rest()

    def rest(self) -> Settings:
        """What the values without a mistake come to: enough to tell whom it concerns."""
        return _built(self.values)


def load(
    given: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None = None,
) -> Settings:
    """Settings from what was typed (`given`, by field), the environment and a file. Raises `SettingsError`.

    `file` None: `importer.toml` of the current folder, if it is there.
    """
    return read_all(given, environ, file).settings()


def with_reports(settings: Settings) -> Settings:
    """The same, once its reports folder is there or could be made. Raises `SettingsError`.

    Not for a night: that tells of such a folder whom it may concern.
    """
    path = Path(settings.reports_dir)
    try:
        well = next(above.is_dir() for above in (path, *path.parents) if above.exists())
    except OSError as error:
        # Where nobody may look, the journal tells what is wrong.
        well = error.errno != errno.ENAMETOOLONG
    # A name that is no UTF-8 text could stand neither in the journal nor in a report.
    shown = os.fsencode(path).decode("utf-8", "replace")
    well = well and shown == str(path)
    if not well:
        raise SettingsError(
            f"--reports-dir {shown} is no folder, nor a place where one could be made.", "Choose another --reports-dir."
        )
    return settings


def read_all(given: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None = None) -> Reading:
    """The same with every mistake told, and nothing raised for what can be told beside others."""
    mistakes: list[Mistake] = []
    profile = given.get("profile") or environ.get("IMPORTER_PROFILE") or ""
    origins: dict[str, Origin] = {}
    values: dict[str, Any] = {"profile": profile}
    for where, found in (
        ("", _from_file(file, profile, mistakes, origins)),
        ("environment", {o.field: environ[o.variable] for o in OPTIONS if environ.get(o.variable)}),
        ("command line", {name: value for name, value in given.items() if value is not None}),
    ):
        layer: dict[str, Any] = {}
        for field, text in found.items():
            option = _BY_FIELD[field]
            if where == "":
                layer[field] = text
                continue
            origin = Origin(option.variable if where == "environment" else f"--{option.name}")
            origins[field] = origin
            try:
                layer[field] = option.read(text)
            except ValueError as error:
                mistakes.append(Mistake(field, origin, f"{_described(text, error)}."))
        _merge(values, layer)
    rate, burst = values.get("rate", Settings().rate), values.get("burst", 1)
    if burst > 1 and burst > rate.count / 2:
        text = (
            f"--burst {burst} is more than half of --rate {rate.word}. "
            "What may leave at once is taken off the rate: choose a smaller burst."
        )
        mistakes.append(Mistake("burst", None, text))
    return Reading(values, origins, mistakes)


_NIGHTLY_FIELDS = frozenset(Nightly.__struct_fields__)


def _built(values: Mapping[str, Any]) -> Settings:
    own = {name: value for name, value in values.items() if name not in _NIGHTLY_FIELDS}
    own["attribution_type"] = str(own.get("attribution_type", "")).upper()
    nightly = {name: value for name, value in values.items() if name in _NIGHTLY_FIELDS}
    return Settings(**own, nightly=Nightly(**nightly))


def _described(written: str, error: ValueError) -> str:
    """What is wrong with a value, without the value where it may be a secret."""
    return f"the value is not {error}" if isinstance(error, Secret) else f"{written!r} is not {error}"


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
    if isinstance(value, MaxErrors):
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


def _from_file(file: Path | None, profile: str, mistakes: list[Mistake], origins: dict[str, Origin]) -> dict[str, Any]:
    path = file if file is not None else Path(DEFAULT_FILE)
    if file is None and not path.is_file():
        if profile:
            text = f"there is no {DEFAULT_FILE} in this folder."
            mistakes.append(Mistake("profile", Origin(f"--profile {profile}"), text))
        return {}
    try:
        content = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(content)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}).", "Check --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}.", "Correct that line.") from None
    profiles = document.pop("profiles", {})
    if not isinstance(profiles, dict):
        at = f"{path}, line {_line_of(content, '', 'profiles')}"
        raise SettingsError(f"{at}: profiles is no table.", "Write each profile as [profiles.NAME].")
    if profile and profile not in profiles:
        names = ", ".join(profiles) or "none"
        text = f"{path} has no such profile (it has: {names})."
        mistakes.append(Mistake("profile", Origin(f"--profile {profile}"), text))
    if profile in profiles:
        origins["profiles"] = Origin(f"[profiles.{profile}]", str(path), _line_of(content, profile, ""))
    values: dict[str, Any] = {}
    for name, table in {"": document, **profiles}.items():
        layer, places = _read_table(path, content, name, table, mistakes)
        if name in ("", profile):
            _merge(values, layer)
            origins.update(places)
    return values


def _read_table(
    path: Path, content: str, name: str, table: Any, mistakes: list[Mistake]
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The values of a table and their origins."""
    layer: dict[str, Any] = {}
    places: dict[str, Origin] = {}
    if not isinstance(table, dict):
        mistakes.append(Mistake("profiles", Origin(file=str(path)), f"[profiles.{name}] is no table."))
        return layer, places
    for key, value in table.items():
        field = key.replace("-", "_")
        at = Origin(file=str(path), line=_line_of(content, name, key))
        option = _BY_FIELD.get(field)
        if option is None or field in _NOT_IN_FILES:
            mistakes.append(Mistake("", at, _no_table(key) if isinstance(value, dict) else _no_setting(key, field)))
            continue
        try:
            layer[field] = option.read(_written(value, option))
            places[field] = msgspec.structs.replace(at, name=key)
        except ValueError as error:
            shown = option.shown.replace("`", "")
            text = f"{key} = {_described(_written(value, option), error)}. Without the line: {shown}."
            mistakes.append(Mistake(field, at, text))
    return layer, places


def _written(value: Any, option: Option) -> str:
    """A value of the file as it would be typed."""
    if isinstance(value, list) and "array" in schema_of(option).get("type", ()):
        return "\n".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _no_setting(key: str, field: str) -> str:
    if any(word in field for word in ("password", "secret", "token")):
        return f"{key} is a secret: set it in the environment, not in a file of settings."
    names = [option.name for option in FILE_OPTIONS]
    near = difflib.get_close_matches(key, names, 1)
    return f"there is no setting {key}. " + (f"Did you mean {near[0]}?" if near else "Take the line away.")


def _no_table(key: str) -> str:
    if difflib.get_close_matches(key, ["profiles"], 1):
        return f"there is no table {key}. Write each profile as [profiles.NAME]."
    return f"there is no table {key}. Write a profile as [profiles.NAME], or take the table away."


def _line_of(text: str, profile: str, key: str) -> int:
    """Where a key stands, however it is written: under its table's head, dotted, or in an inline table."""
    wanted = ("profiles", profile, key) if profile else (key,)
    here: tuple[str, ...] = ()
    around = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            path = here = _path(line)
        else:
            written, equals, _ = line.partition("=")
            path = (*here, *_path(f"{written}= 0")) if equals else ()
        if path[: len(wanted)] == wanted:
            return number
        if path and path == wanted[: len(path)]:
            around = number
    return around


def _path(line: str) -> tuple[str, ...]:
    """The words of a table's head, or of a key; of anything else none."""
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    words = []
    while isinstance(found, dict) and found:
        ((word, found),) = found.items()
        words.append(word)
    return tuple(words)
