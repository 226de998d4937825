"""Reads the text of settings into values, and writes values as one types them. Each reader raises `ValueError`.

The error says what the text is not, for a sentence "'fast' is not a duration such as 2h".
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

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


class Reader(msgspec.Struct, frozen=True):
    """A function that reads a text, with the JSON Schema of the value."""

    read: Callable[[str], Any]
    schema: dict[str, Any]

    def __call__(self, value: str) -> Any:
        return self.read(value)


class Secret(ValueError):
    """A value that may hold a secret: messages do not repeat it."""


def read_text(value: str) -> str:
    return value.strip()


def whole_from(least: int) -> Reader:
    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value.strip()) or int(value) < least:
            raise ValueError(f"a whole number of at least {least}")
        return int(value)

    return Reader(read, {"type": "integer", "minimum": least})


def read_yes_no(value: str) -> bool:
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
        raise ValueError("a number of requests per second, minute or hour, such as 100/minute")
    return Rate(float(match[1]), _UNITS[word], f"{match[1]}/{word}")


def read_duration(value: str) -> float:
    """`2h`, `90m`, `1h30m`, `45s`; a bare number is seconds."""
    text = value.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0:
        return float(text)
    parts = re.findall(r"(?<!\d)(\d++(?:\.\d++)?)(d|h|m|s)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError("a duration such as 2h, 90m or 1h30m")
    seconds = sum(float(n) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[u] for n, u in parts)
    if seconds <= 0:
        raise ValueError("a duration above zero")
    return seconds


def read_wait(value: str) -> float:
    """The same; zero is allowed."""
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


def read_clock_time(value: str) -> str:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value.strip())
    if match is None:
        raise ValueError("a time of day such as 06:00")
    return f"{int(match[1]):02d}:{match[2]}"


def one_of(*words: str) -> Reader:
    def read(value: str) -> str:
        if value.strip().lower() not in words:
            raise ValueError("one of " + ", ".join(words))
        return value.strip().lower()

    return Reader(read, {"enum": list(words)})


def read_country(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value.strip()) or not is_country(value.strip()):
        raise ValueError("a country code of two letters (ISO 3166), such as IN")
    return value.strip().upper()


def read_address(value: str) -> str:
    usual = "an address such as https://eu.api.capillarytech.com"
    if not re.fullmatch(r"https?://[^\s/]+\S*", value.strip()):
        raise ValueError(usual)
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        raise ValueError(usual) from None
    if "@" in parts.netloc:
        # The journal and every report hold the address.
        raise Secret(f"{usual}: set user and password in the environment")
    if parts.query or parts.fragment or not parts.hostname or port == 0:
        raise ValueError(usual)
    return value.strip().rstrip("/")


def read_header(value: str) -> str:
    """A value that is sent as a header."""
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.strip()):
        raise ValueError("a code of ASCII letters, digits and signs")
    return value.strip()


#: As SQLAlchemy parses it: everything before the last @ may be a password.
_DATABASE = re.compile(
    r"sqlite:///.+|postgres(?:ql)?(?:\+psycopg)?://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?\]]+\]|[^/:?\[\]]*)(?::\d{1,5})?(?:[/?].*)?"
)


def read_cluster(value: str) -> str:
    if value.strip().lower() not in CLUSTERS:
        raise ValueError("one of " + ", ".join(CLUSTERS))
    return CLUSTERS[value.strip().lower()]


def read_delimiter(value: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    found = named.get(value.strip().lower(), value)
    if len(found) != 1 or found in '"\r\n\0':
        raise ValueError("one character (no quote or line end), or one of " + ", ".join(named))
    return found


def read_encoding(value: str) -> str:
    if value.strip() and text_encoding(value.strip()) is None:
        raise ValueError("a known encoding, such as utf-8, cp1252 or utf-16")
    return value.strip()


def read_database(value: str) -> str:
    if not _DATABASE.fullmatch(value.strip()):
        raise Secret("a URL such as postgresql://user@host/name or sqlite:///FILE")
    return value.strip()


def read_share(value: str) -> float:
    """`2%` or 0.02."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", value.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    if share > 1:
        raise ValueError("a share of the rows such as 2%")
    return share


def read_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value.strip())
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError("a time zone such as Asia/Kolkata") from None
    return value.strip()


#: What the address of a location begins with; without one, it is a folder.
SCHEMES = ("file", "sftp", "s3", "gs", "abfs")


def read_location(value: str) -> str:
    text = value.strip()
    match = re.match(r"([a-z][a-z0-9+.-]*)://", text)
    if not text or (match and (match[1] not in SCHEMES or text == match[0])):
        raise ValueError("a folder, or an address that begins with " + ", ".join(f"{s}://" for s in SCHEMES))
    _refuse_password(text)
    return text if match else text.rstrip("/") or "/"


def read_notices(value: str) -> tuple[str, ...]:
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
        raise ValueError("a valid address") from None
    if password and not re.fullmatch(r"\$\{\w+\}", password):
        raise Secret(
            "free of secrets: write ${NAME} in place of the password and set NAME (IMPORTER_…) in the environment"
        )


#: The date in a pattern of names, with its format.
DATE = re.compile(r"\{date(?::([^{}]+))?\}")


def read_pattern(value: str) -> str:
    text = value.strip()
    rest = DATE.sub("", text)
    if not text or "/" in text or "{" in rest or "}" in rest or len(DATE.findall(text)) > 1:
        raise ValueError("a name such as customers-{date}.csv or *-{date:%Y%m%d}.xlsx")
    form = DATE.search(text)
    if form and not re.fullmatch(r"(?:[^%]|%[YymdjHMS%])+", form[1] or "%Y-%m-%d"):
        raise ValueError("a name whose date format uses %Y, %m, %d …, such as {date:%Y%m%d}")
    return text


def read_marker(value: str) -> str:
    if not re.fullmatch(r"[.\w-]+", value.strip()):
        raise ValueError("the ending of a file name, such as .ok")
    return value.strip()


def read_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.strip()):
        raise ValueError("a prefix of variable names, such as BRAND_A")
    return value.strip().upper().rstrip("_")


def typed_text(value: object, read: Callable[[str], Any]) -> str:
    """The value as one types it; `read` reads it back."""
    plain = read.read if isinstance(read, Reader) else read
    if isinstance(value, Rate):
        return value.word
    if isinstance(value, MaxErrors):
        return f"{value.share * 100:g}%" if value.share else str(value.rows)
    if plain in (read_duration, read_wait) and isinstance(value, float):
        return _duration_text(value)
    if plain is read_share and isinstance(value, float):
        return f"{value * 100:g}%"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _duration_text(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


_CLOCK = {"type": "string", "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$"}
_TIME = {"type": ["string", "number"], "examples": ["30m", "2h", "1h30m"]}
_SHARE = {"type": ["string", "number"], "examples": ["2%"]}
_SCHEMAS: dict[Callable[[str], Any], dict[str, Any]] = {
    read_yes_no: {"type": "boolean"},
    read_rate: {"type": "string", "pattern": r"^\d+(\.\d+)?\s*/\s*[A-Za-z]+$", "examples": ["100/minute"]},
    read_duration: _TIME,
    read_wait: _TIME,
    read_errors: {"type": ["string", "integer"], "examples": [50, "5%"]},
    read_share: _SHARE,
    read_clock_time: _CLOCK,
    read_address: {"type": "string", "pattern": "^https?://"},
    read_cluster: {"enum": list(CLUSTERS)},
    read_country: {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    read_notices: {"type": ["array", "string"], "items": {"type": "string"}},
}


def schema_of(read: Callable[[str], Any]) -> dict[str, Any]:
    """The JSON Schema of what a reader takes."""
    return read.schema if isinstance(read, Reader) else _SCHEMAS.get(read, {"type": "string"})
