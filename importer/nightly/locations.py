"""Places that files come from and go to: a folder, or an address that fsspec opens. The only door to fsspec.

Nothing is deleted and nothing overwritten here: a file is moved, under a free name. What a server says when it fails
may hold names and keys, so only its kind is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from importer.capillary.credentials import secret_of
from importer.errors import ExitCode, ImporterError, JournalError, SettingsError

#: Names that are still being written, or are not meant to be seen.
_UNSEEN = re.compile(r"^[.~]|\.(tmp|part|partial|filepart|crdownload)$|~$", re.IGNORECASE)


class Unreachable(ImporterError):
    """A place that cannot be reached now: trouble that passes."""

    exit_code = ExitCode.TROUBLE


class Refused(Unreachable):
    """A place that answers, and does not let us in: no retry mends that."""

    exit_code = ExitCode.REFUSED


class Mistrusted(Unreachable):
    """A server that cannot show the key it is known by."""

    exit_code = ExitCode.SETTINGS


class Entry(msgspec.Struct, frozen=True):
    """A file as its place lists it. `mark` changes when the content does: a time, an ETag."""

    name: str
    size: int
    mark: str


class Place(Protocol):
    """A folder somewhere. Every call raises `Unreachable` where it fails."""

    shown: str

    def list(self) -> list[Entry]: ...
    def look(self, name: str) -> Entry | None: ...
    def fetch(self, name: str, to: Path) -> None: ...
    def put(self, source: Path, name: str) -> None:
        """`name` may have folders before it. What stands there under that name is replaced as a whole."""

    def move(self, name: str, to: Place) -> str:
        """The name that it has there: a free one."""

    def sub(self, name: str) -> Place: ...
    def close(self) -> None: ...


class Access(msgspec.Struct, frozen=True):
    """What opening a place may need besides its address."""

    environ: Mapping[str, str]
    key_file: str = ""
    known_hosts: str = ""


def open_place(address: str, access: Access, beside: Place | None = None) -> Place:
    """`beside`: a place whose connection is used where it is the same server's, so that a move is one there.

    Raises `SettingsError` for an address that cannot be used, `Unreachable` where nobody answers.
    """
    match = re.match(r"([a-z0-9]+)://", address)
    if match is None or match[1] == "file":
        return Folder(Path(expanded(address.removeprefix("file://"), access.environ)))
    shared = beside.system_for(address) if isinstance(beside, Remote) else None
    return Remote(match[1], address, access, system=shared)


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """`${NAME}` replaced by the variable of the environment, or its file or command. Raises `SettingsError` where none
    is set."""

    def value(found: re.Match[str]) -> str:
        if secret := secret_of(environ, found[1]):
            return secret
        raise SettingsError(f"{found[1]} is not set.", "Set it in the environment: the settings name it.")

    return re.sub(r"\$\{(\w+)\}", value, text)


def seen(name: str) -> bool:
    """Whether a name is one that nightly looks at."""
    return _UNSEEN.search(name) is None


def _free_names(name: str) -> Iterator[str]:
    """`x.csv`, then `x.2.csv`, `x.3.csv` …"""
    yield name
    stem, dot, end = name.partition(".")
    for number in range(2, 100_000):
        yield f"{stem}.{number}{dot}{end}"


# ---------------------------------------------------------------------------------------------------- a folder


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = str(path)

    def sub(self, name: str) -> Folder:
        return Folder(self.path / name)

    def close(self) -> None:
        return

    def list(self) -> list[Entry]:
        with self._told():
            listed = [entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False)]
            # One that is gone by now was renamed by whoever writes it.
            return [entry for entry in map(self.look, listed) if entry is not None]

    def look(self, name: str) -> Entry | None:
        with self._told():
            try:
                found = (self.path / name).stat()
            except FileNotFoundError:
                return None
            return Entry(name, found.st_size, str(found.st_mtime_ns))

    def fetch(self, name: str, to: Path) -> None:
        with self._told(), (self.path / name).open("rb") as source:
            copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        target = self.path / name
        with self._told():
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f".{target.name}.part")
            with source.open("rb") as file:
                copy_in(file, aside)
            aside.replace(target)

    def move(self, name: str, to: Place) -> str:
        if not isinstance(to, Folder):
            return _carry(self, name, to, lambda: (self.path / name).unlink())
        with self._told():
            to.path.mkdir(parents=True, exist_ok=True)
            for free in _free_names(name):
                try:
                    # A link fails where the name is taken; a rename would replace what is there.
                    os.link(self.path / name, to.path / free)
                except FileExistsError:
                    if (to.path / free).samefile(self.path / name):
                        # The process died after the link: the rest of the move.
                        (self.path / name).unlink()
                        return free
                    continue
                except OSError as error:
                    if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                        raise
                    if (to.path / free).exists():
                        continue
                    _copy_over(self.path / name, to.path / free)
                (self.path / name).unlink()
                return free
        raise Unreachable(f"{to.shown} has no free name for {name}.", "Tidy it up.")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise (Refused if isinstance(error, PermissionError) else Unreachable)(
                f"{self.path} cannot be used ({error.strerror or type(error).__name__}).",
                "Check that it is there and may be read and written.",
            ) from error


def _copy_over(source: Path, target: Path) -> None:
    """Where no link can be made: whole under its name and on the disk before the source may go."""
    aside = target.with_name(f".{target.name}.part")
    with source.open("rb") as file:
        copy_in(file, aside)
    shutil.copystat(source, aside)
    aside.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def copy_in(source: Any, to: Path) -> None:
    """A copy that is its owner's alone and on the disk. Raises `JournalError` where the disk is full."""
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise JournalError(
                f"{to.parent} cannot be written ({error.strerror}).", "Make room on the disk."
            ) from error
        raise


# ---------------------------------------------------------------------------------------------------- fsspec


class Remote:
    """A folder behind an address. Object stores have no rename: there a move is a copy, looked at, then a removal."""

    def __init__(self, scheme: str, address: str, access: Access, path: str = "", system: Any = None) -> None:
        parts = urlsplit(address)
        self._scheme = scheme
        self._address = address
        self._access = access
        self.shown = f"{scheme}://{parts.hostname or ''}{path or parts.path}".rstrip("/")
        self._path = path or _path_of(scheme, address, access.environ)
        self._system = system if system is not None else _file_system(scheme, address, access)

    def sub(self, name: str) -> Remote:
        return Remote(self._scheme, self._address, self._access, self._at(name), self._system)

    def system_for(self, address: str) -> Any:
        """The open connection, if it leads to that address too; else None."""
        one, other = urlsplit(self._address), urlsplit(address)
        same = one.scheme == other.scheme and (one.netloc == other.netloc or one.scheme in ("s3", "gs"))
        return self._system if same else None

    def close(self) -> None:
        if self._scheme == "sftp":
            # Otherwise its thread and its socket stay: a watch opens one each minute.
            with contextlib.suppress(Exception):  # it may have been lost long ago
                self._system.client.close()

    def list(self) -> list[Entry]:
        with self._told():
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                if self._scheme == "sftp":
                    raise
                self._look_for_bucket()
                return []  # a bucket's folder is there when something is in it
            return [_entry(info) for info in found if info["type"] == "file" and _name(info)]

    def _look_for_bucket(self) -> None:
        """A bucket that is not there must not look like an empty one, night after night."""
        with contextlib.suppress(PermissionError):  # who may see a folder only learns nothing of the rest
            self._system.ls(self._path.partition("/")[0], detail=False)

    def look(self, name: str) -> Entry | None:
        with self._told():
            self._system.invalidate_cache()
            try:
                return _entry(self._system.info(self._at(name)))
            except FileNotFoundError:
                return None

    def fetch(self, name: str, to: Path) -> None:
        with self._told(), self._system.open(self._at(name), "rb") as source:
            copy_in(source, to)

    def put(self, source: Path, name: str) -> None:
        target = self._at(name)
        with self._told():
            if self._scheme != "sftp":
                self._system.put_file(str(source), target)
                return
            self._system.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            aside = str(PurePosixPath(target).with_name(f".{PurePosixPath(target).name}.part"))
            self._system.put_file(str(source), aside)
            try:
                self._system.ftp.posix_rename(aside, target)
            except OSError:
                # A server without OpenSSH's extension; the plain rename refuses a name that is taken.
                if self._system.exists(target):
                    self._system.ftp.remove(target)
                self._system.ftp.rename(aside, target)

    def move(self, name: str, to: Place) -> str:
        if not isinstance(to, Remote) or to._system is not self._system:
            return _carry(self, name, to, lambda: self._system.rm_file(self._at(name)))
        with self._told():
            if self._scheme == "sftp":
                self._system.makedirs(to._path, exist_ok=True)
            for free in _free_names(name):
                if to.look(free) is not None:
                    continue
                if self._scheme == "sftp":
                    # The protocol's own rename refuses a name that is taken.
                    self._system.ftp.rename(self._at(name), to._at(free))
                    return free
                self._system.cp_file(self._at(name), to._at(free))
                self._remove_copied(name, free, to)
                return free
        raise Unreachable(f"{to.shown} has no free name for {name}.", "Tidy it up.")

    def _remove_copied(self, name: str, free: str, to: Remote) -> None:
        here, there = self.look(name), to.look(free)
        if here is None or there is None or here.size != there.size:
            raise OSError("the copy is not whole")
        self._system.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ImporterError:
            raise
        except Exception as error:
            # Each kind of store raises its own errors; whatever it is, the place could not be used.
            raise _failure(f"{self.shown} cannot be used", error) from error


def _carry(here: Place, name: str, to: Place, remove: Callable[[], object]) -> str:
    """From one kind of place to another: removed only once it stands there whole."""
    with tempfile.TemporaryDirectory(prefix="importer-") as scratch:
        on_the_way = Path(scratch) / "file"
        here.fetch(name, on_the_way)
        size = on_the_way.stat().st_size
        free = next(free for free in _free_names(name) if to.look(free) is None)
        to.put(on_the_way, free)
    arrived = to.look(free)
    if arrived is None or arrived.size != size:
        raise Unreachable(
            f"{name} did not arrive whole in {to.shown}.", "Look at both; the file is still where it was."
        )
    remove()
    return free


def _entry(info: Mapping[str, Any]) -> Entry:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or info.get("updated")
    return Entry(_name(info), int(info.get("size") or 0), str(mark or info.get("last_modified") or ""))


def _name(info: Mapping[str, Any]) -> str:
    return PurePosixPath(str(info["name"])).name


def _kind(error: BaseException) -> str:
    word = error.strerror if isinstance(error, OSError) else None
    return word or type(error).__name__


def _path_of(scheme: str, address: str, environ: Mapping[str, str]) -> str:
    parts = urlsplit(address)
    path = expanded(unquote(parts.path), environ)
    if scheme == "sftp":
        return path.rstrip("/") or "/"
    return f"{expanded(parts.netloc, environ)}{path}".rstrip("/")


def _file_system(scheme: str, address: str, access: Access) -> Any:
    # The extras are imported where they are needed: most installations have none of them.
    try:
        if scheme == "sftp":
            from importer.nightly.sftp import connect

            return connect(_login(address, access), key_file=access.key_file, known_hosts=access.known_hosts)
        import fsspec

        return fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
    except ImportError:
        raise SettingsError(
            f"{scheme}:// needs more than is installed.", f"Type: pip install 'capillary-importer[{scheme}]'"
        ) from None
    except ImporterError:
        raise
    except Exception as error:
        host = urlsplit(address).hostname or ""
        raise _failure(f"{scheme}://{host} cannot be reached", error) from error


#: What the stores' libraries call it when they are not let in; their errors have no kind in common.
_REFUSALS = re.compile(r"Authentication|Credential|Permission|Forbidden")


def _failure(what: str, error: Exception) -> Unreachable:
    text = f"{what} ({_kind(error)})."
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    if "BadHostKey" in names or "known_hosts" in str(error):
        return Mistrusted(
            text, "Put the server's key into known-hosts (ssh-keyscan shows it), after comparing it with its owner."
        )
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if _REFUSALS.search(names) or "authentication" in str(error).lower() or status in (401, 403):
        return Refused(text, "Check its credentials, and what they may do there.")
    return Unreachable(text, "Check its address, credentials and the network.")


def _login(address: str, access: Access) -> dict[str, Any]:
    # Not urlsplit's own host: it is in lower case, and names of variables are not.
    user, _, host = urlsplit(address).netloc.rpartition("@")
    name, colon, password = user.partition(":")
    host, _, port = expanded(host, access.environ).partition(":")
    if port and not port.isdecimal():
        raise SettingsError(f"sftp://{host} has a port that is no number.", "Correct the address.")
    found: dict[str, Any] = {"host": host, "port": int(port or 22)}
    if name:
        found["username"] = expanded(unquote(name), access.environ)
    if colon:
        found["password"] = expanded(unquote(password), access.environ)
    return found
