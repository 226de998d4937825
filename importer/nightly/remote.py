"""A location behind an address that fsspec opens: SFTP, or an object store. Needs the extra of its scheme."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from importer.errors import ImporterError, SettingsError
from importer.nightly.location import (
    Entry,
    HostKeyRejected,
    Location,
    LocationDenied,
    LocationUnreachable,
    copy_in,
    expanded,
    free_names,
    no_free_name,
    transfer,
)


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
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                if self._scheme == "sftp":
                    raise
                self._check_bucket()
                return []  # a folder of a bucket exists once it holds an object
            return [_entry(info) for info in found if info["type"] == "file" and _name(info)]

    def _check_bucket(self) -> None:
        """Raise `FileNotFoundError` for a bucket that does not exist: it must not pass for an empty inbox."""
        with contextlib.suppress(PermissionError):  # the account may see one folder of the bucket only
            self._system.ls(self._path.partition("/")[0], detail=False)

    def entry(self, name: str) -> Entry | None:
        with self._errors():
            self._system.invalidate_cache()
            try:
                return _entry(self._system.info(self._at(name)))
            except FileNotFoundError:
                return None

    def fetch(self, name: str, to: Path) -> None:
        with self._errors(), self._system.open(self._at(name), "rb") as source:
            copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        target = self._at(name)
        with self._errors():
            if self._scheme != "sftp":
                self._system.put_file(str(source), target)
                return
            self._system.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            aside = str(PurePosixPath(target).with_name(f".{PurePosixPath(target).name}.part"))
            self._system.put_file(str(source), aside)
            try:
                self._system.ftp.posix_rename(aside, target)
            except OSError:
                # The server lacks OpenSSH's extension; the plain rename fails when the name is in use.
                if self._system.exists(target):
                    self._system.ftp.remove(target)
                self._system.ftp.rename(aside, target)

    def move(self, name: str, to: Location) -> str:
        if not isinstance(to, RemoteFolder) or to._system is not self._system:
            return transfer(self, name, to, lambda: self._system.rm_file(self._at(name)))
        with self._errors():
            if self._scheme == "sftp":
                self._system.makedirs(to._path, exist_ok=True)
            for free in free_names(name):
                if to.entry(free) is not None:
                    continue
                if self._scheme == "sftp":
                    # The plain rename of SFTP fails when the name is in use.
                    self._system.ftp.rename(self._at(name), to._at(free))
                    return free
                self._system.cp_file(self._at(name), to._at(free))
                self._remove_copied(name, free, to)
                return free
        raise no_free_name(to, name)

    def _remove_copied(self, name: str, free: str, to: RemoteFolder) -> None:
        here, there = self.entry(name), to.entry(free)
        if here is None or there is None or here.size != there.size:
            raise OSError("the copy is incomplete")
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


def _entry(info: Mapping[str, Any]) -> Entry:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or info.get("updated")
    return Entry(_name(info), int(info.get("size") or 0), str(mark or info.get("last_modified") or ""))


def _name(info: Mapping[str, Any]) -> str:
    return PurePosixPath(str(info["name"])).name


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
    kind = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    text = f"{what} ({kind})."
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
