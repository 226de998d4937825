"""Settings and the table of options: the command line, the environment, `importer.toml` and the manual are made from it.

This module is one piece, because it is a table. A default stands once, in `Settings` or `Nightly`. No option takes a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from importer.model import MaxErrors, Rate
from importer.settings import values
from importer.settings.values import (
    CLUSTERS,
    one_of,
    read_address,
    read_clock_time,
    read_cluster,
    read_country,
    read_database,
    read_delimiter,
    read_duration,
    read_encoding,
    read_errors,
    read_header,
    read_location,
    read_marker,
    read_notices,
    read_pattern,
    read_prefix,
    read_rate,
    read_share,
    read_text,
    read_wait,
    read_yes_no,
    read_zone,
    typed_text,
    whole_from,
)


class Nightly(msgspec.Struct, frozen=True):
    """The settings of the nightly load: locations, expected files, notices.

    Locations and notices may hold `${NAME}`, a variable of the environment. It is read when the location is opened, so
    that this record holds no secret.
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


class Found(msgspec.Struct, frozen=True, eq=False):
    """What the next command finds without options: the settings of file, profile and environment that are not the
    defaults, by field and as one types them. `config`, `profile`: what must be typed for it, if anything."""

    config: str = ""
    profile: str = ""
    texts: dict[str, str] = {}
    #: For commands that take no profile.
    without_profile: dict[str, str] = {}

    def __eq__(self, other: object) -> bool:
        """Settings are the same wherever they came from."""
        return isinstance(other, Found)

    def __hash__(self) -> int:
        return 0


class Settings(msgspec.Struct, frozen=True):
    """The settings of a command. Durations are in seconds. The defaults of the options stand here."""

    base_url: str = ""
    sandbox: bool = False
    mapping: str = ""
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    country: str = ""
    blank: Literal["skip", "clear"] = "skip"
    unknown_columns: Literal["refuse", "ignore", "send"] = "refuse"
    invalid_identifiers: Literal["reject", "omit"] = "reject"
    short_rows: Literal["reject", "empty"] = "reject"
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
    overwrite_newer: bool = False
    show_identifiers: bool = False
    online: bool = False
    output: str = ""
    profile: str = ""
    credentials: str = "IMPORTER"
    time_zone: str = ""
    log_format: Literal["", "plain", "json"] = ""
    log_file: str = ""
    metrics_file: str = ""
    insecure: bool = False
    nightly: Nightly = Nightly()
    #: The file that was found in the current folder; "" where there is none or where it was named.
    settings_file: str = ""
    #: Not part of a run: it belongs to the folder and environment of this process.
    found: Found = Found()


_USUAL = Settings()


#: Settings that may change when a run is resumed: pace, stop, consent; in a retry also the canary and the
#: attribution.
PACE = (
    *("rate", "burst", "concurrency", "max_errors", "max_outage", "until", "max_duration", "time_zone"),
    *("canary", "gzip", "attribution_type", "attribution_code", "overwrite_newer", "insecure"),
)


class Option(msgspec.Struct, frozen=True):
    """One option: its name, how its text is read, and its help. `absent`: what an empty default means."""

    name: str
    read: Callable[[str], Any]
    help: str
    metavar: str = ""
    commands: tuple[str, ...] = ("run", "check")
    flag: bool = False
    absent: str = "none"

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        return "IMPORTER_" + self.field.upper()

    @property
    def default(self) -> object:
        """The default of its field. `cluster` has no field: it sets the base URL."""
        holder = _USUAL.nightly if self.field in Nightly.__struct_fields__ else _USUAL
        return getattr(holder, self.field, "")

    @property
    def shown(self) -> str:
        """The default for people, in Markdown."""
        if self.flag:
            return "on" if self.default else "off"
        if not self.default and self.absent:
            return self.absent
        text = typed_text(self.default, self.read)
        return text if text.isdigit() else f"`{text}`"

    def taken_by(self, command: str) -> bool:
        """`nightly` takes its own options and those of a run."""
        return command in self.commands or (
            command == "nightly" and "run" in self.commands and self.name not in ("restart", "resubmit")
        )


_ALL = ("run", "check", "map", "runs", "report", "resume", "retry", "verify", "purge", "doctor")
_PACE = ("run", "resume", "retry")
_NIGHTLY = ("nightly",)

OPTIONS: tuple[Option, ...] = (
    Option(
        "base-url",
        read_address,
        "address of the API, such as https://eu.api.capillarytech.com",
        "URL",
        ("run", "check", "doctor", "template"),
        absent="none; required unless --cluster or --sandbox is given",
    ),
    Option(
        "cluster",
        read_cluster,
        "instead of --base-url, the cluster of the API: " + ", ".join(CLUSTERS),
        "NAME",
        ("run", "check", "doctor", "template"),
    ),
    Option(
        "sandbox",
        read_yes_no,
        "send to a sandbox that is started for this run only",
        "",
        ("run", "check", "template"),
        flag=True,
    ),
    Option(
        "insecure",
        read_yes_no,
        "allow http:// to another machine: others on the way can read credentials and customers",
        "",
        ("run", "check", "resume", "retry", "verify", "doctor", "template"),
        flag=True,
    ),
    Option(
        "profile",
        read_text,
        "use the table [profiles.NAME] of importer.toml",
        "NAME",
        ("run", "check", "resume", "retry", "doctor", "template"),
    ),
    Option(
        "credentials",
        read_prefix,
        "prefix of the credential variables (BRAND_A: BRAND_A_USERNAME …)",
        "PREFIX",
        ("run", "check", "doctor", "template"),
    ),
    Option(
        "mapping",
        read_text,
        "which column feeds which field (`importer map` writes one)",
        "FILE",
        ("run", "check"),
        absent="matched by header names",
    ),
    Option("sheet", read_text, "sheet of the workbook", "NAME", ("run", "check", "map"), absent="detected"),
    Option(
        "encoding",
        read_encoding,
        "encoding of a text file or an old .xls, such as cp1252",
        "NAME",
        ("run", "check", "map"),
        absent="detected",
    ),
    Option(
        "delimiter",
        read_delimiter,
        "delimiter of a text file: a character, or tab, semicolon …",
        "CHAR",
        ("run", "check", "map"),
        absent="detected",
    ),
    Option(
        "header-row",
        whole_from(1),
        "number of the row with the column names",
        "N",
        ("run", "check", "map"),
        absent="detected",
    ),
    Option(
        "country",
        read_country,
        "country of mobiles without a country code, such as IN",
        "CC",
        ("run", "check", "template"),
        absent="none; numbers need their country code",
    ),
    Option(
        "blank",
        one_of("skip", "clear"),
        "what an empty preference cell does: skip leaves the value, clear removes it",
        "skip|clear",
    ),
    Option(
        "unknown-columns",
        one_of("refuse", "ignore", "send"),
        "columns that name no preference of the organisation: refuse the file, ignore them, or send them",
        "refuse|ignore|send",
    ),
    Option(
        "invalid-identifiers",
        one_of("reject", "omit"),
        "a row with one valid and one invalid identifier: reject it, or send it by the valid one",
        "reject|omit",
    ),
    Option(
        "short-rows",
        one_of("reject", "empty"),
        "rows with fewer cells than the header: reject them, or read the missing cells as empty",
        "reject|empty",
        ("run", "check", "map"),
    ),
    Option("batch-size", whole_from(1), "maximum customers per request", "N"),
    Option(
        "rate",
        read_rate,
        "maximum requests per second, minute or hour",
        "N/UNIT",
        ("run", "check", "resume", "retry", "verify"),
    ),
    Option("burst", whole_from(1), "maximum requests at the same moment, within the rate", "N", (*_PACE, "verify")),
    Option("concurrency", whole_from(1), "maximum requests in flight", "N", (*_PACE, "verify")),
    Option("max-errors", read_errors, "stop when this many rows have failed or are unknown", "N|N%", _PACE),
    Option("max-outage", read_duration, "how long to wait for a server that does not answer", "TIME", _PACE),
    Option(
        "canary", whole_from(0), "send N rows first; stop if none of them succeeds", "N", ("run", "retry"), absent=""
    ),
    Option("until", read_clock_time, "stop at this time of day; the run can be resumed", "HH:MM", _PACE),
    Option("time-zone", read_zone, "time zone for all times of day", "NAME", _PACE, absent="the zone of the machine"),
    Option("max-duration", read_duration, "stop after this long; the run can be resumed", "TIME", _PACE),
    Option("limit", whole_from(1), "read only N rows, skip the others", "N"),
    Option("skip-rows", whole_from(1), "skip the first N rows", "N"),
    Option("only-changed", read_yes_no, "skip rows whose last success sent the same values", "", ("run",), flag=True),
    Option("gzip", read_yes_no, "compress requests (the API does not document it)", "", ("run", "retry"), flag=True),
    Option(
        "attribution-type",
        one_of("till", "store_code", "store_name", "store_external_id"),
        "with OAuth, what --attribution-code is: TILL, STORE_CODE, STORE_NAME or STORE_EXTERNAL_ID",
        "TYPE",
        ("run", "check", "retry"),
    ),
    Option(
        "attribution-code",
        read_header,
        "with OAuth, the till or store on whose behalf requests are sent",
        "CODE",
        ("run", "check", "retry"),
    ),
    Option("reports-dir", read_text, "folder of the reports and, by default, the journal", "DIR", _ALL),
    Option(
        "database",
        read_database,
        "where the journal is kept",
        "URL",
        ("run", "runs", "report", "resume", "retry", "verify", "purge", "doctor"),
        absent="SQLite in the reports folder",
    ),
    Option(
        "log-format",
        one_of("plain", "json"),
        "write a log line per event to stderr instead of showing progress",
        "plain|json",
        _PACE,
        absent="none; `nightly`: plain on a terminal, otherwise json",
    ),
    Option("log-file", read_text, "also log to this file; it is reopened after a rotation", "FILE", _PACE),
    Option("metrics-file", read_text, "write metrics for Prometheus's textfile collector", "FILE.prom", _PACE),
    Option(
        "restart",
        read_yes_no,
        "start a new run even if this source and target have an unfinished one",
        "",
        ("run",),
        flag=True,
    ),
    Option(
        "resubmit",
        read_yes_no,
        "for an annotated.xlsx or results.csv: skip rows whose _status is succeeded or skipped",
        "",
        ("run", "check"),
        flag=True,
    ),
    Option(
        "overwrite-newer",
        read_yes_no,
        "also send rows where a newer run or a later row has sent the customer other values",
        "",
        ("resume", "retry"),
        flag=True,
    ),
    Option(
        "show-identifiers",
        read_yes_no,
        "do not mask the example cells in the summary",
        "",
        ("run", "resume", "retry", "report"),
        flag=True,
    ),
    Option(
        "online",
        read_yes_no,
        "also fetch the organisation's fields from the API, which checks the credentials",
        "",
        ("check",),
        flag=True,
    ),
    Option("output", read_text, "write the problems to this CSV file", "FILE", ("check",)),
    Option(
        "inbox", read_location, "where files arrive: a folder, sftp://, s3://, gs:// or abfs://", "LOCATION", _NIGHTLY
    ),
    Option(
        "done", read_location, "where imported files are moved to", "LOCATION", _NIGHTLY, absent="`done` in the inbox"
    ),
    Option(
        "failed",
        read_location,
        "where files that cannot be read are moved to",
        "LOCATION",
        _NIGHTLY,
        absent="`failed` in the inbox",
    ),
    Option(
        "outbox",
        read_location,
        "where the reports are copied to",
        "LOCATION",
        _NIGHTLY,
        absent="the reports folder only",
    ),
    Option(
        "key-file",
        read_text,
        "private key for sftp://",
        "FILE",
        _NIGHTLY,
        absent="the keys of the SSH agent and of ~/.ssh",
    ),
    Option("known-hosts", read_text, "keys of trusted SFTP servers", "FILE", _NIGHTLY, absent="~/.ssh/known_hosts"),
    Option("pattern", read_pattern, "names of the files to import; {date} is the date of a file", "PATTERN", _NIGHTLY),
    Option(
        "expect-date",
        one_of("yesterday", "today"),
        "date of the file that each nightly load expects",
        "yesterday|today",
        _NIGHTLY,
    ),
    Option(
        "expect-by", read_clock_time, "report the expected file as missing from this time of day", "HH:MM", _NIGHTLY
    ),
    Option("settle", read_wait, "import a file once it has not changed for this long", "TIME", _NIGHTLY),
    Option(
        "marker",
        read_marker,
        "import a file once a file with its name and this ending is beside it",
        ".ok",
        _NIGHTLY,
    ),
    Option("not-before", read_clock_time, "start no run between --until and this time of day", "HH:MM", _NIGHTLY),
    Option(
        "repeat",
        one_of("skip", "import"),
        "what to do with a file whose content was imported before",
        "skip|import",
        _NIGHTLY,
    ),
    Option("warning", read_share, "share of rows not imported from which the state is a warning", "N%", _NIGHTLY),
    Option("critical", read_share, "share of rows not imported from which the state is critical", "N%", _NIGHTLY),
    Option(
        "notices",
        read_notices,
        "recipients of notices when the state changes: apprise URLs, with ${NAME} for a secret",
        "ADDRESS",
        _NIGHTLY,
    ),
    Option(
        "retention",
        read_duration,
        "remove the reports of finished runs after this long",
        "TIME",
        _NIGHTLY,
        absent="keep all",
    ),
)

#: Options that mean one run, not a profile.
NOT_IN_FILES = {"profile", "restart", "resubmit", "overwrite_newer", "output", "online"}
FILE_OPTIONS = tuple(option for option in OPTIONS if option.field not in NOT_IN_FILES)


def schema_of(option: Option) -> dict[str, Any]:
    """The JSON Schema of an option's value."""
    return values.schema_of(option.read)
