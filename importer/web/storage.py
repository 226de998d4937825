"""What the page stores in addition to the journal: sessions, uploads, mappings, wishes for runs, and the audit trail.

One SQLite file, used by the server process, and by a purge. Results of rows come from the journal, never from here.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from importer.errors import ImporterError, JournalError
from importer.normaliser.mapping_file import parse, to_toml
from importer.system.sqlite import erase_log, make_private, to_wal

SESSION_SECONDS = 12 * 3600.0
IDLE_SECONDS = 2 * 3600.0
#: A session's last use is stored at most this often.
_TOUCH_SECONDS = 300.0
#: What stands in the audit trail for the name of a purged file.
FORGOTTEN = "…"
#: The most lines of the audit trail on its page.
_MOST_LINES = 500
#: Mappings of a user that are remembered, the newest, and for how long: a file that comes once a year is still known.
_MOST_MAPPINGS = 200
_MAPPING_SECONDS = 400 * 86400.0

#: The folder of the page's own files beside an uploaded file, whose name never begins with a dot (`safe_name`).
OWN = ".page"

_TABLES = """
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user TEXT NOT NULL, began REAL NOT NULL,
    used REAL NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, owner TEXT NOT NULL, at REAL NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS mappings (user TEXT NOT NULL, server TEXT NOT NULL, key_name TEXT NOT NULL,
    header TEXT NOT NULL, at REAL NOT NULL, content BLOB NOT NULL, PRIMARY KEY (user, server, key_name, header));
CREATE TABLE IF NOT EXISTS wishes (id INTEGER PRIMARY KEY, run_id TEXT, path TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS wishes_by_run ON wishes (run_id);
CREATE INDEX IF NOT EXISTS wishes_by_path ON wishes (path);
CREATE TABLE IF NOT EXISTS audit (id INTEGER PRIMARY KEY, at REAL NOT NULL, user TEXT NOT NULL, address TEXT NOT NULL,
    action TEXT NOT NULL, subject TEXT NOT NULL);
"""


class ReadingChoices(msgspec.Struct, frozen=True):
    """How a person wants a file to be read; "" and 0: detect."""

    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    country: str = ""
    blank: str = ""
    short_rows: str = ""
    unknown_columns: str = ""
    invalid_identifiers: str = ""


class Upload(msgspec.Struct, frozen=True):
    """An uploaded file. `fixes`: the run whose failed rows it contains, fixed."""

    id: str
    owner: str
    name: str
    path: str
    size: int
    at: float
    reading: ReadingChoices = ReadingChoices()
    fixes: str = ""
    mapped: bool = False
    #: The sheets to choose from.
    sheets: tuple[str, ...] = ()
    #: A password was typed for it. The password itself is in memory only.
    locked: bool = False
    #: The name of the folder of the page's own files, in `folder`; "" for uploads of earlier versions: beside the file.
    own: str = ""
    #: The files that were chosen together share this id; "" for one of an earlier version.
    queue: str = ""
    #: Its columns are proposed from their names, although a mapping of such a file is remembered.
    again: bool = False

    @property
    def folder(self) -> Path:
        """The folder of this upload alone. It is deleted with the file."""
        return Path(self.path).parent

    @property
    def own_folder(self) -> Path:
        """The folder of the mapping, the inspection and the check: no file of a user is in it."""
        return self.folder / self.own

    @property
    def kept(self) -> bool:
        """Whether the file still exists: it is deleted when its run has succeeded, and by a purge."""
        return Path(self.path).exists()


class MappingKey(msgspec.Struct, frozen=True):
    """Whose files with which header a mapping is for. `organisation`: as `RunRecord.organisation`."""

    user: str
    organisation: tuple[str, str]
    header: str

    @property
    def row(self) -> tuple[str, str, str, str]:
        return (self.user, *self.organisation, self.header)


class KeptMapping(msgspec.Struct, frozen=True):
    """What a user chose for the columns of a file. `toml`: a mapping file without samples. `name`: the file's; once
    that was purged "", and the mapping has no rules."""

    toml: str
    name: str
    at: float
    country: str = ""
    blank: str = ""
    invalid_identifiers: str = ""


class Wish(msgspec.Struct, frozen=True):
    """What a person wants of a run: `running`, `paused`, `stopped`, or nothing more (`ended`).

    It outlives the server, which resumes a wanted run when it restarts. `run_id` is "" until the run is in the
    journal; until then, `path` and `since` identify the run.
    """

    id: int
    owner: str
    path: str
    settings: dict[str, Any]
    since: int
    run_id: str = ""
    retry_of: str = ""
    #: The rows of that run were fixed: they are read by the mapping and the edits of the upload.
    fixed: bool = False
    wanted: str = "running"
    rows: int = 0
    #: Why it ended without a summary: (message, advice).
    trouble: tuple[str, str] = ("", "")
    #: Its source needs a password.
    locked: bool = False
    #: Who gets a mail when it is done, and the page's own address for the link.
    mail: str = ""
    page: str = ""
    #: Who got one, and why that failed.
    mailed: str = ""
    mail_fault: str = ""


class _Owned(msgspec.Struct, frozen=True):
    """The part of a wish that the history needs of every run."""

    owner: str


class AuditLine(msgspec.Struct, frozen=True):
    at: float
    user: str
    address: str
    action: str
    subject: str


_pack = msgspec.msgpack.encode


class Storage:
    """Used by one thread. Sessions are stored by the hash of their token."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        path = folder / "web.db"
        make_private(path)
        self.folder = folder
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        to_wal(self._db)
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    def secret(self) -> bytes:
        """The key of the form tokens: created once, so open forms survive a restart."""
        self._db.execute("INSERT OR IGNORE INTO keys VALUES ('forms', ?)", (secrets.token_bytes(32),))
        found: bytes = self._db.execute("SELECT value FROM keys WHERE name = 'forms'").fetchone()[0]
        return found

    # ------------------------------------------------------------------------------------------------ sessions

    def begin_session(self, token: str, user: str) -> None:
        now = time.time()
        self._db.execute(
            "DELETE FROM sessions WHERE began < ? OR used < ?", (now - SESSION_SECONDS, now - IDLE_SECONDS)
        )
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)", (_hash(token), user, now, now))

    def session_user(self, token: str) -> str:
        """The user of a session; "" where it does not exist or has ended."""
        row = self._db.execute("SELECT user, began, used FROM sessions WHERE token = ?", (_hash(token),)).fetchone()
        now = time.time()
        if row is None or row[1] < now - SESSION_SECONDS or row[2] < now - IDLE_SECONDS:
            return ""
        if row[2] < now - _TOUCH_SECONDS:
            self._db.execute("UPDATE sessions SET used = ? WHERE token = ?", (now, _hash(token)))
        return str(row[0])

    def end_session(self, token: str) -> None:
        self._db.execute("DELETE FROM sessions WHERE token = ?", (_hash(token),))

    # ------------------------------------------------------------------------------------------------ uploads

    def keep_upload(self, upload: Upload) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", (upload.id, upload.owner, upload.at, _pack(upload))
        )

    def upload(self, upload_id: str) -> Upload | None:
        row = self._db.execute("SELECT content FROM uploads WHERE id = ?", (upload_id,)).fetchone()
        return msgspec.msgpack.decode(row[0], type=Upload) if row else None

    def upload_of(self, path: str) -> Upload | None:
        return next((upload for upload in self.uploads() if upload.path == path), None)

    def uploads(self, owner: str | None = None) -> list[Upload]:
        """Newest first; None: of all users."""
        rows = self._db.execute(
            "SELECT content FROM uploads WHERE ? IS NULL OR owner = ? ORDER BY at DESC", (owner, owner)
        )
        return [msgspec.msgpack.decode(row[0], type=Upload) for row in rows]

    def queue_of(self, upload: Upload) -> list[Upload]:
        """The files of its owner that were chosen together with it, in their order."""
        if not upload.queue:
            return [upload]
        return [other for other in reversed(self.uploads(upload.owner)) if other.queue == upload.queue]

    def forget_upload(self, upload_id: str) -> None:
        self._db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))

    def forget_names(self, folders: Collection[Path]) -> None:
        """Forget the names of the files that were uploaded to these folders, and not only in the tables."""
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute("BEGIN IMMEDIATE")
        names = set()
        for upload in self.uploads():
            if any(parent in folders for parent in Path(upload.path).resolve().parents):
                names.add(upload.name)
                self.forget_upload(upload.id)
        for wish in self.wishes():
            path = Path(wish.path)
            if not wish.path.endswith("/") and any(parent in folders for parent in path.resolve().parents):
                names.add(path.name)
                # Its owner may still see the counts of the run.
                self.wish(msgspec.structs.replace(wish, path=f"{path.parent}/"))
        names -= {upload.name for upload in self.uploads()}
        self._forget_in_mappings(names)
        for name in names:
            self._db.execute(
                "UPDATE audit SET subject = replace(subject, ?1, ?2)"
                " WHERE subject IN (?1, 'problems.csv (' || ?1 || ')') OR instr(subject, ?1 || ' (') = 1",
                (name, FORGOTTEN),
            )
        self._db.execute("COMMIT")
        erase_log(self._db)

    # ------------------------------------------------------------------------------------------------ mappings

    def keep_mapping(self, key: MappingKey, mapping: KeptMapping) -> None:
        """Remembers a mapping instead of the one before. A user's oldest give way."""
        self._db.execute(
            "INSERT OR REPLACE INTO mappings VALUES (?, ?, ?, ?, ?, ?)", (*key.row, mapping.at, _pack(mapping))
        )
        self._db.execute(
            "DELETE FROM mappings WHERE user = ?1 AND rowid NOT IN"
            " (SELECT rowid FROM mappings WHERE user = ?1 ORDER BY at DESC LIMIT ?2)",
            (key.user, _MOST_MAPPINGS),
        )

    def mapping(self, key: MappingKey) -> KeptMapping | None:
        row = self._db.execute(
            "SELECT content FROM mappings WHERE user = ? AND server = ? AND key_name = ? AND header = ?", key.row
        ).fetchone()
        return msgspec.msgpack.decode(row[0], type=KeptMapping) if row else None

    def mappings_of(self, key: MappingKey, most: int) -> list[tuple[str, KeptMapping]]:
        """(header, mapping) of the user and organisation of a key, newest first."""
        rows = self._db.execute(
            "SELECT header, content FROM mappings WHERE user = ? AND server = ? AND key_name = ?"
            " ORDER BY at DESC LIMIT ?",
            (*key.row[:3], most),
        )
        return [(header, msgspec.msgpack.decode(content, type=KeptMapping)) for header, content in rows]

    def forget_mapping(self, key: MappingKey) -> None:
        self._db.execute("DELETE FROM mappings WHERE user = ? AND server = ? AND key_name = ? AND header = ?", key.row)

    def forget_old_mappings(self) -> None:
        self._db.execute("DELETE FROM mappings WHERE at < ?", (time.time() - _MAPPING_SECONDS,))

    def forget_users(self, known: Collection[str]) -> None:
        """Forgets the mappings of every user who is not one of these. Without any, the file is being written."""
        if not known:
            return
        for (user,) in self._db.execute("SELECT DISTINCT user FROM mappings").fetchall():
            if user not in known:
                self._db.execute("DELETE FROM mappings WHERE user = ?", (user,))

    def _forget_in_mappings(self, names: Collection[str]) -> None:
        for rowid, content in self._db.execute("SELECT rowid, content FROM mappings").fetchall():
            mapping = msgspec.msgpack.decode(content, type=KeptMapping)
            if mapping.name not in names:
                continue
            if (left := _without_file(mapping)) is None:
                self._db.execute("DELETE FROM mappings WHERE rowid = ?", (rowid,))
            else:
                self._db.execute("UPDATE mappings SET content = ? WHERE rowid = ?", (_pack(left), rowid))

    # ------------------------------------------------------------------------------------------------ wishes

    def wish(self, wish: Wish) -> Wish:
        """Stores a new wish (id 0) or replaces it."""
        if not wish.id:
            cursor = self._db.execute("INSERT INTO wishes (path, content) VALUES (?, ?)", (wish.path, b""))
            wish = msgspec.structs.replace(wish, id=cursor.lastrowid or 0)
        self._db.execute(
            "UPDATE wishes SET run_id = ?, path = ?, content = ? WHERE id = ?",
            (wish.run_id or None, wish.path, _pack(wish), wish.id),
        )
        return wish

    def wishes(self) -> list[Wish]:
        return self._wishes("SELECT content FROM wishes ORDER BY id")

    def owners(self) -> dict[str, str]:
        """The user who began each run, by run id."""
        rows = self._db.execute("SELECT run_id, content FROM wishes WHERE run_id IS NOT NULL ORDER BY id")
        return {run_id: msgspec.msgpack.decode(content, type=_Owned).owner for run_id, content in rows if content}

    def wish_of_run(self, run_id: str) -> Wish | None:
        found = self._wishes("SELECT content FROM wishes WHERE run_id = ? ORDER BY id DESC LIMIT 1", run_id)
        return found[0] if found else None

    def wish_of_path(self, path: str) -> Wish | None:
        found = self._wishes("SELECT content FROM wishes WHERE path = ? ORDER BY id DESC LIMIT 1", path)
        return found[0] if found else None

    def _wishes(self, query: str, *values: str) -> list[Wish]:
        return [msgspec.msgpack.decode(row[0], type=Wish) for row in self._db.execute(query, values) if row[0]]

    # ------------------------------------------------------------------------------------------------ audit

    def audit(self, user: str, address: str, action: str, subject: str = "") -> None:
        """Adds an entry. Entries are never deleted."""
        self._db.execute(
            "INSERT INTO audit (at, user, address, action, subject) VALUES (?, ?, ?, ?, ?)",
            (time.time(), user, address, action, subject),
        )

    def trail(self) -> Iterable[AuditLine]:
        rows = self._db.execute(
            "SELECT at, user, address, action, subject FROM audit ORDER BY id DESC LIMIT ?", (_MOST_LINES,)
        )
        return [AuditLine(*row) for row in rows]


def forget_uploads(folder: Path, uploads: Collection[Path]) -> None:
    """Forget the names of files whose runs were purged. Another process may be serving the page of this folder."""
    try:
        with closing(Storage(folder)) as storage:
            storage.forget_names(uploads)
    except sqlite3.Error as error:
        raise JournalError(
            f"{folder / 'web.db'} cannot be purged: {error}.", "Check the disk and the file, then purge again."
        ) from error


def _without_file(kept: KeptMapping) -> KeptMapping | None:
    """What may be kept of a purged file's mapping: rules have texts of its cells. None where it cannot be read."""
    try:
        mapping = msgspec.structs.replace(parse(kept.toml, "The mapping"), rules=())
    except ImporterError:
        return None
    return msgspec.structs.replace(kept, toml=to_toml(mapping), name="")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
