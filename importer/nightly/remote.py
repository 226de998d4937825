"""A location behind an address that fsspec opens: SFTP, or an object store. Needs the extra of its scheme."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import msgspec

from importer.errors import ImporterError, SettingsError
from importer.nightly.location import (
    Entry,
    HostKeyRejected,
    Location,
    LocationDenied,
    LocationUnreachable,
    NotRemoved,
    copy_in,
    kind_of,
    no_free_name,
    transfer,
)
from importer.nightly.names import free_names
from importer.settings.variables import expanded


class LocationAccess(msgspec.Struct, frozen=True):
    """What opening a location may need in addition to its address."""

    environ: Mapping[str, str]
    key_file: str = ""
    known_hosts: str = ""


class RemoteFolder:
    """A folder behind an address. An object store has no rename: a move is a copy, a comparison and a removal."""

    def __init__(self, scheme: str, address: str, access: LocationAccess, path: str = "", system: Any = None) -> None:
        parts = urlsplit(address)
        self._scheme = scheme
        self._address = address
        self._access = access
        self.shown = f"{scheme}://{parts.hostname or ''}{path or parts.path}".rstrip("/")
        self._path = path or _path_of(scheme, address, access.environ)
        self._system = system if system is not None else _file_system(scheme, address, access)

    def sub(self, name: str) -> RemoteFolder:
        return RemoteFolder(self._scheme, self._address, self._access, self._at(name), self._system)

    def system_for(self, address: str) -> Any:
        """The open connection if it serves that address too, else None."""
        one, other = urlsplit(self._address), urlsplit(address)
        same = one.scheme == other.scheme and (one.netloc == other.netloc or one.scheme in ("s3", "gs"))
        return self._system if same else None

    def close(self) -> None:
        if self._scheme == "sftp":
            # fsspec leaves the thread and the socket open, and `--watch` connects once a minute.
            with contextlib.suppress(Exception):  # the connection may be lost
                self._system.client.close()

    def list(self) -> list[Entry]:
        with self._errors():
            if self._scheme == "sftp":
                return list(self._system.entries(self._path))
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                self._check_bucket()
                return []  # a folder of a bucket exists once it holds an object
            entries = [_entry(info, self._name(info)) for info in found if info["type"] == "file"]
            return [entry for entry in entries if entry.name]

    def _name(self, info: Mapping[str, Any]) -> str:
        """The name of an object of this folder. "" for the empty object `folder/` that some programs create."""
        name = str(info["name"]).removeprefix(self._at(""))
        return "" if "/" in name else name

    def _check_bucket(self) -> None:
        """Raise `FileNotFoundError` for a bucket that does not exist: it must not pass for an empty inbox."""
        with contextlib.suppress(PermissionError):  # the account may see one folder of the bucket only
            self._system.ls(self._path.partition("/")[0], detail=False)

    def entry(self, name: str) -> Entry | None:
        with self._errors():
            try:
                if self._scheme == "sftp":
                    return cast(Entry, self._system.entry(self._at(name)))
                self._system.invalidate_cache()
                return _entry(self._system.info(self._at(name)), name)
            except FileNotFoundError:
                return None

    def fetch(self, name: str, to: Path) -> None:
        with self._errors():
            if self._scheme == "sftp":
                self._system.fetch(self._at(name), to)
                return
            with self._system.open(self._at(name), "rb") as source:
                copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        with self._errors():
            if self._scheme == "sftp":
                self._system.put_whole(source, self._at(name))
            else:
                self._system.put_file(str(source), self._at(name))

    def move(self, name: str, to: Location, as_name: str = "") -> str:
        if not isinstance(to, RemoteFolder) or to._system is not self._system:
            return transfer(self, name, to, as_name)
        if self._scheme == "sftp":
            with to._errors():
                self._system.makedirs(to._path, exist_ok=True)
        for free in free_names(as_name or name):
            if to.entry(free) is None:
                return self._copy_or_rename(name, to, free)
        raise no_free_name(to, name)

    def _copy_or_rename(self, name: str, to: RemoteFolder, free: str) -> str:
        here, there = self._at(name), to._at(free)
        with self._errors():
            if self._scheme == "sftp":
                try:
                    self._system.rename(here, there)
                except OSError as error:
                    if error.errno not in (None, errno.EACCES, errno.EPERM):
                        raise
                    # The file may be read, but not removed. A read-only disk has no number in SFTP.
                    return transfer(self, name, to, free)
                return free
            self._system.cp_file(here, there)
            original, copy = self.entry(name), to.entry(free)
            if original is None or copy is None or original.size != copy.size:
                raise OSError("the copy is incomplete")
            try:
                self._system.rm_file(here)
            except Exception as error:  # each store raises its own exceptions
                raise NotRemoved(self, name, free, error) from error
            return free

    def remove(self, name: str) -> None:
        with self._errors():
            if self._scheme == "sftp":
                self._system.remove(self._at(name))
            else:
                self._system.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ImporterError:
            raise
        except Exception as error:
            # Each store raises its own exceptions, with no common base.
            raise _failure(f"Cannot use {self.shown}", error) from error


def _entry(info: Mapping[str, Any], name: str) -> Entry:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or info.get("updated")
    return Entry(name, int(info.get("size") or 0), str(mark or info.get("last_modified") or ""))


def _path_of(scheme: str, address: str, environ: Mapping[str, str]) -> str:
    parts = urlsplit(address)
    path = expanded(unquote(parts.path), environ)
    if scheme == "sftp":
        return path.rstrip("/") or "/"
    return f"{expanded(parts.netloc, environ)}{path}".rstrip("/")


def _file_system(scheme: str, address: str, access: LocationAccess) -> Any:
    # Imported here: these are extras, and most installations have none of them.
    try:
        if scheme == "sftp":
            from importer.nightly.sftp import connect

            return connect(_login(address, access), key_file=access.key_file, known_hosts=access.known_hosts)
        import fsspec

        return fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
    except ImportError:
        raise SettingsError(
            f"{scheme}:// needs an extra that is not installed.", f"Run: pip install 'capillary-importer[{scheme}]'"
        ) from None
    except ImporterError:
        raise
    except Exception as error:
        host = urlsplit(address).hostname or ""
        raise _failure(f"Cannot reach {scheme}://{host}", error) from error


#: In the class names of the libraries' errors when access is refused; these errors have no common base.
_REFUSALS = re.compile(r"Authentication|Credential|Permission|Forbidden")


def _failure(what: str, error: Exception) -> LocationUnreachable:
    text = f"{what} ({kind_of(error)})."
    names = " ".join(base.__name__ for base in type(error).__mro__)
    # paramiko words both cases in its message only.
    if "BadHostKey" in names or "known_hosts" in str(error):
        return HostKeyRejected(
            text, "Compare the server's key (ssh-keyscan) with its owner's, then add it to the known-hosts file."
        )
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if _REFUSALS.search(names) or "authentication" in str(error).lower() or status in (401, 403):
        return LocationDenied(text, "Check its credentials and their permissions.")
    return LocationUnreachable(text, "Check its address, its credentials and the network.")


def _login(address: str, access: LocationAccess) -> dict[str, Any]:
    # urlsplit lowercases `hostname`, and names of variables are case-sensitive.
    user, _, host = urlsplit(address).netloc.rpartition("@")
    name, colon, password = user.partition(":")
    host, _, port = expanded(host, access.environ).partition(":")
    if port and not port.isdecimal():
        raise SettingsError(f"The port of sftp://{host} is not a number.", "Correct the address.")
    found: dict[str, Any] = {"host": host, "port": int(port or 22)}
    if name:
        found["username"] = expanded(unquote(name), access.environ)
    if colon:
        found["password"] = expanded(unquote(password), access.environ)
    return found
