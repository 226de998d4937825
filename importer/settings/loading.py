"""Loads settings: command line over environment over file (a profile over its top level) over default.

Every mistake is collected, each with its field and origin.
"""

from __future__ import annotations

import difflib
import errno
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from importer.errors import SettingsError
from importer.settings.commands import found_texts
from importer.settings.options import FILE_OPTIONS, NOT_IN_FILES, OPTIONS, Found, Nightly, Option, Settings, schema_of
from importer.settings.trust import why_not_trusted
from importer.settings.values import Secret, typed_text
from importer.system.text import is_utf8

#: The file that is read from the current folder if it exists.
DEFAULT_FILE = "importer.toml"
#: Settings that say where things are, not how rows were sent; an address may hold a password.
_LOCATIONS = frozenset(
    {
        *("base_url", "mapping", "reports_dir", "database", "output", "profile", "restart"),
        *("nightly", "log_format", "log_file", "metrics_file", "settings_file", "found"),
    }
)

_BY_FIELD = {option.field: option for option in OPTIONS}


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
    found: Found = Found()

    def settings(self) -> Settings:
        """Raises `SettingsError` with every mistake, one per line."""
        if self.mistakes:
            raise SettingsError("\n".join(map(str, self.mistakes)))
        return self.rest()

    def rest(self) -> Settings:
        """The settings without the mistakes: enough to notify the recipients."""
        return msgspec.structs.replace(_built(self.values), found=self.found)


def load(
    given: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None = None,
) -> Settings:
    """Settings from typed texts (`given`, by field), the environment and a file. Raises `SettingsError`.

    `file` None: `importer.toml` of the current folder, if it exists.
    """
    return read_all(given, environ, file).settings()


def with_reports(settings: Settings) -> Settings:
    """The same, if the reports folder exists or can be created. Raises `SettingsError`.

    Not for the nightly load, which reports such a folder to its recipients.
    """
    path = Path(settings.reports_dir)
    try:
        usable = next(above.is_dir() for above in (path, *path.parents) if above.exists())
    except OSError as error:
        # Without permission to look, the journal reports what is wrong.
        usable = error.errno != errno.ENAMETOOLONG
    # The journal and the reports cannot hold a name that is not valid UTF-8.
    shown = os.fsencode(path).decode("utf-8", "replace")
    usable = usable and shown == str(path)
    if not usable:
        raise SettingsError(
            f"--reports-dir {shown} is not a directory and cannot be created.", "Choose another --reports-dir."
        )
    return settings


def read_all(given: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None = None) -> Reading:
    """The same with every mistake listed. Raises `SettingsError` only for a file that cannot be read."""
    mistakes: list[Mistake] = []
    profile = given.get("profile") or environ.get("IMPORTER_PROFILE") or ""
    origins: dict[str, Origin] = {}
    values: dict[str, Any] = {"profile": profile}
    for where, found in (
        ("", _from_file(file, profile, environ, mistakes, origins)),
        ("environment", {o.field: environ[o.variable] for o in OPTIONS if environ.get(o.variable)}),
        ("command line", {name: value for name, value in given.items() if value is not None}),
    ):
        layer: dict[str, Any] = {}
        for field, text in found.items():
            if where == "":
                layer[field] = text
                continue
            option = _BY_FIELD[field]
            origin = Origin(option.variable if where == "environment" else f"--{option.name}")
            origins[field] = origin
            if not is_utf8(text):
                mistakes.append(Mistake(field, origin, "the value is not UTF-8 text."))
                continue
            try:
                layer[field] = option.read(text)
            except ValueError as error:
                mistakes.append(Mistake(field, origin, f"{_described(text, error)}."))
        if where == "command line":
            texts = found_texts(_built(values))
        if where == "command line" and len(targets := _targets(layer)) > 1:
            names = " and ".join(f"--{_BY_FIELD[field].name}" for field in targets)
            mistakes.append(Mistake(targets[0], None, f"{names} are different targets. Choose one."))
        _merge(values, layer)
    rate, burst = values.get("rate", Settings().rate), values.get("burst", 1)
    if burst > 1 and burst > rate.count / 2:
        text = (
            f"--burst {burst} is more than half of --rate {rate.word}. "
            "A burst counts against the rate: choose a smaller one."
        )
        mistakes.append(Mistake("burst", None, text))
    return Reading(values, origins, mistakes, _found(given, environ, file, texts))


def _found(
    given: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None, texts: dict[str, str]
) -> Found:
    """What the next command finds by itself. `texts`: with the profile of this one."""
    profile = given.get("profile") or ""
    if profile in ("", environ.get("IMPORTER_PROFILE")):
        return Found(str(file or ""), "", texts, texts)
    plain = read_all({}, environ, file).found.texts
    return Found(str(file or ""), profile, texts, plain)


_NIGHTLY_FIELDS = frozenset(Nightly.__struct_fields__)


def _built(values: Mapping[str, Any]) -> Settings:
    own = {name: value for name, value in values.items() if name not in _NIGHTLY_FIELDS}
    own["attribution_type"] = str(own.get("attribution_type", "")).upper()
    nightly = {name: value for name, value in values.items() if name in _NIGHTLY_FIELDS}
    return Settings(**own, nightly=Nightly(**nightly))


def _described(written: str, error: ValueError) -> str:
    """The error of a value; a value that may be a secret is not repeated."""
    return f"the value is not {error}" if isinstance(error, Secret) else f"{written!r} is not {error}"


def changed(settings: Settings) -> str:
    """The settings that differ from their defaults, as one types them; no location and no secret."""
    usual, found = Settings(), []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if name in _LOCATIONS or value == getattr(usual, name):
            continue
        word = f"--{name.replace('_', '-')}"
        found.append(word if value is True else f"{word} {typed_text(value, _BY_FIELD[name].read)}")
    return " ".join(found) or "defaults"


def _targets(layer: Mapping[str, Any]) -> list[str]:
    """The settings of a layer that name a target, by field."""
    return [field for field in ("base_url", "cluster", "sandbox") if layer.get(field)]


def _merge(values: dict[str, Any], layer: dict[str, Any]) -> None:
    """Add a layer. Its target replaces an earlier one, whether by URL, cluster or sandbox."""
    if layer.get("cluster"):
        layer.setdefault("base_url", layer["cluster"])
    layer.pop("cluster", None)
    if layer.get("base_url") and "sandbox" not in layer:
        values.pop("sandbox", None)
    if layer.get("sandbox"):
        values.pop("base_url", None)
    values.update(layer)


def _content(path: Path, found_in: Mapping[str, str] | None) -> str:
    """The text of the file. `found_in`: the environment, for a file that was found, not named; it must be this user's.

    Raises `SettingsError`, `OSError`, `UnicodeDecodeError`.
    """
    with path.open("rb") as file:
        why = why_not_trusted(file.fileno(), found_in) if found_in is not None else ""
        if why:
            raise SettingsError(
                f"{path.resolve()} is not used, because {why}: it could send your credentials elsewhere.",
                f"Read it. If it is right, pass --config {path}.",
            )
        return file.read().decode("utf-8-sig")


def _from_file(
    file: Path | None,
    profile: str,
    environ: Mapping[str, str],
    mistakes: list[Mistake],
    origins: dict[str, Origin],
) -> dict[str, Any]:
    path = file if file is not None else Path(DEFAULT_FILE)
    if file is None and not path.is_file():
        if profile:
            text = f"there is no {DEFAULT_FILE} in this folder."
            mistakes.append(Mistake("profile", Origin(f"--profile {profile}"), text))
        return {}
    try:
        content = _content(path, None if file is not None else environ)
        document = tomllib.loads(content)
    except OSError as error:
        raise SettingsError(f"Cannot read {path} ({error.strerror}).", "Check --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Correct that line.") from None
    profiles = document.pop("profiles", {})
    if not isinstance(profiles, dict):
        at = f"{path}, line {_line_of(content, '', 'profiles')}"
        raise SettingsError(f"{at}: profiles is not a table.", "Write each profile as [profiles.NAME].")
    if profile and profile not in profiles:
        names = ", ".join(profiles) or "none"
        text = f"{path} has no such profile (it has: {names})."
        mistakes.append(Mistake("profile", Origin(f"--profile {profile}"), text))
    if profile in profiles:
        origins["profiles"] = Origin(f"[profiles.{profile}]", str(path), _line_of(content, profile, ""))
    # A file that was named needs no mention.
    values: dict[str, Any] = {"settings_file": str(path.absolute())} if file is None else {}
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
        mistakes.append(Mistake("profiles", Origin(file=str(path)), f"[profiles.{name}] is not a table."))
        return layer, places
    for key, value in table.items():
        field = key.replace("-", "_")
        at = Origin(file=str(path), line=_line_of(content, name, key))
        option = _BY_FIELD.get(field)
        if option is None or field in NOT_IN_FILES:
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
    """A value of the file, as text."""
    if isinstance(value, list) and "array" in schema_of(option).get("type", ()):
        return "\n".join(str(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _no_setting(key: str, field: str) -> str:
    if any(word in field for word in ("password", "secret", "token")):
        return f"{key} is a secret: set it in the environment, not in a settings file."
    names = [option.name for option in FILE_OPTIONS]
    near = difflib.get_close_matches(key, names, 1)
    return f"there is no setting {key}. " + (f"Did you mean {near[0]}?" if near else "Remove the line.")


def _no_table(key: str) -> str:
    if difflib.get_close_matches(key, ["profiles"], 1):
        return f"there is no table {key}. Write each profile as [profiles.NAME]."
    return f"there is no table {key}. Write a profile as [profiles.NAME], or remove the table."


def _line_of(text: str, profile: str, key: str) -> int:
    """The line of a key, under the head of its table, dotted, or in an inline table."""
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
    """The words of the head of a table, or of a key; () for other lines."""
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    words = []
    while isinstance(found, dict) and found:
        ((word, found),) = found.items()
        words.append(word)
    return tuple(words)
