"""The sandbox's memory: who is who, which preferences each has, and what was accepted, in SQLite.

One row holds a whole account (its identifiers and preferences as JSON): a row per preference took twice the time of a
request (6 µs a customer against 3). Identifiers are looked up for a whole request in one statement. The view
`preferences` shows the same as a plain table to people who look in with sqlite3.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (account INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS identifiers (key TEXT PRIMARY KEY, account INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY, request_id TEXT, body_sha256 TEXT, size INTEGER,
    accepted BLOB NOT NULL);
CREATE VIEW IF NOT EXISTS preferences AS SELECT account, entry.key AS name, entry.value AS value
    FROM accounts, json_each(document, '$.fields') AS entry;
"""


class Account(msgspec.Struct):
    """A customer as the sandbox holds it: the latest identifier of each kind, all keys it goes by, its preferences."""

    mobile: str = ""
    email: str = ""
    external_id: str = ""
    user_id: str = ""
    keys: list[str] = []
    fields: dict[str, str] = {}


class Identifiers(TypedDict, total=False):
    """The identifiers of a customer that were sent, as they were sent."""

    mobile: str
    email: str
    external_id: str
    user_id: str


#: (identifiers as sent, preferences stored) of one customer that was accepted.
Accepted = tuple[Identifiers, dict[str, str]]

_encode = msgspec.json.Encoder().encode
_account = msgspec.json.Decoder(Account).decode
_accepted = msgspec.json.Decoder(list[Accepted]).decode


class SandboxStore:
    """The database. The server's thread writes, a test's thread may read: each call holds the lock."""

    def __init__(self, database: str | None) -> None:
        if database is not None:
            path = Path(database)
            path.touch(mode=0o600, exist_ok=True)
        self._connection = sqlite3.connect(database or ":memory:", isolation_level=None, check_same_thread=False)
        self.lock = threading.RLock()
        # The state of a sandbox need not survive a power cut; it does survive a killed process.
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)
        self._next: int = self._connection.execute("SELECT coalesce(max(account), 0) + 1 FROM accounts").fetchone()[0]
        #: Grows with every change: what was looked up under the same number still holds.
        self.version = 0

    def find(self, keys: Sequence[str]) -> dict[str, int]:
        """The account of every key that is known."""
        with self.lock:
            return dict(
                self._connection.execute(
                    "SELECT known.key, account FROM json_each(?) AS asked JOIN identifiers AS known"
                    " ON known.key = asked.value",
                    (_encode(keys).decode(),),
                ).fetchall()
            )

    def load(self, accounts: Iterable[int]) -> dict[int, Account]:
        wanted = list(accounts)
        if not wanted:
            return {}
        with self.lock:
            rows = self._connection.execute(
                "SELECT account, document FROM json_each(?) JOIN accounts ON accounts.account = json_each.value",
                (_encode(wanted).decode(),),
            ).fetchall()
        return {account: _account(document) for account, document in rows}

    def account(self, key: str) -> tuple[int, Account] | None:
        with self.lock:
            found = self.find([key])
            if not found:
                return None
            number = found[key]
            return number, self.load([number])[number]

    def begin(self, found: dict[str, int]) -> StoreChange:
        return StoreChange(self, found, self.load(set(found.values())))

    def new_account(self) -> int:
        number = self._next
        self._next += 1
        return number

    def commit(self, change: StoreChange, request_id: str, body_sha256: str, size: int) -> None:
        """Writes what a request changed, whole, before it is answered."""
        with self.lock:
            execute = self._connection.execute
            execute("BEGIN")
            try:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO accounts VALUES (?, ?)",
                    [(number, _encode(change.accounts[number]).decode()) for number in change.touched],
                )
                self._connection.executemany("INSERT OR REPLACE INTO identifiers VALUES (?, ?)", change.keys.items())
                if change.gone:
                    self._connection.executemany("DELETE FROM accounts WHERE account = ?", [(n,) for n in change.gone])
                execute(
                    "INSERT INTO requests (request_id, body_sha256, size, accepted) VALUES (?, ?, ?, ?)",
                    (request_id, body_sha256, size, _encode(change.accepted)),
                )
                execute("COMMIT")
            except BaseException:
                execute("ROLLBACK")
                raise
            self.version += 1

    def accepted(self) -> list[Accepted]:
        """Everything that was accepted, in the order in which it was stored."""
        with self.lock:
            rows = self._connection.execute("SELECT accepted FROM requests ORDER BY number").fetchall()
        return [entry for (blob,) in rows for entry in _accepted(blob)]

    def accounts(self) -> list[Account]:
        with self.lock:
            rows = self._connection.execute("SELECT document FROM accounts ORDER BY account").fetchall()
        return [_account(document) for (document,) in rows]

    def close(self) -> None:
        with self.lock:
            self._connection.close()


class StoreChange:
    """What one request is about to change: collected in memory, written at once."""

    def __init__(self, store: SandboxStore, found: dict[str, int], accounts: dict[int, Account]) -> None:
        self._store = store
        self._found = found
        self.accounts = accounts
        self.touched: set[int] = set()
        self.keys: dict[str, int] = {}
        self.gone: set[int] = set()
        self.accepted: list[Accepted] = []

    def resolve(self, keys: Sequence[str]) -> list[int]:
        """The accounts that these identifiers name, in the order of the identifiers."""
        found = self._found
        named: list[int] = []
        for key in keys:
            number = found.get(key)
            if number is not None and number not in named:
                named.append(number)
        return named

    def put(self, keys: Sequence[str], identifiers: Identifiers, fields: dict[str, str]) -> Account:
        """Stores one customer. Identifiers that come together are one customer, so their accounts become one.

        Of accounts that are merged, the one of the first identifier (in the API's order) survives and its values win:
        the result depends on the accounts alone and not on which of them was written first.
        """
        found = self._found
        named = self.resolve(keys) if found else None
        if named:
            number = named[0]
            account = self.accounts[number]
            for other in named[1:]:
                self._merge(number, account, other)
            for kind, value in identifiers.items():
                setattr(account, kind, value)
            account.fields.update(fields)
        else:
            number = self._store.new_account()
            account = self.accounts[number] = Account(keys=[], fields=fields.copy(), **identifiers)
        for key in keys:
            if found.get(key) != number:
                found[key] = self.keys[key] = number
                account.keys.append(key)
        self.touched.add(number)
        return account

    def _merge(self, number: int, account: Account, other: int) -> None:
        lost = self.accounts.pop(other)
        account.fields = {**lost.fields, **account.fields}
        for kind in ("mobile", "email", "external_id", "user_id"):
            if not getattr(account, kind):
                setattr(account, kind, getattr(lost, kind))
        for key in lost.keys:
            self._found[key] = self.keys[key] = number
        account.keys += lost.keys
        self.touched.discard(other)
        self.gone.add(other)
