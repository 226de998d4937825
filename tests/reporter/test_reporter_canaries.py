"""Canaries in every cell: only the files of rows carry them, whatever becomes of the rows and of the run."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.whole.kit import Ended, Terminal, write_csv

HEADER = ("Mobile", "Email", "External id", "Store code", "Colour")
ROWS = [
    *(
        (f"9198{n % 70:02}77315{n % 10}", f"kanari{n}@vogelhaus{n % 3}.test", f"kanari-id-{n}", "kanari-st", "kanari x")
        for n in range(60)
    ),
    *(("98kanari", "kanari", f"kanari-id-{n}", "kanari-st", "kanari") for n in range(6)),
    ("", "", "", "kanari-st", "kanari"),
    ("919812773157", "kanari9@vogelhaus.test", "kanari-q", "kanari-st", ""),
    ("919812773158", "kanari9@vogelhaus.test", "kanari-q", "kanari-st", "kanari", "kanari overflow"),
    ("9.19813E+11", "kanari8@vogelhaus.test", "kanari-e", "kanari-st", "kanari"),
    *((f"9199{n:02}773158", f"kanari-{n}@vogelhaus.test", f"kanari-z-{n}", "kanari-st", "kanari") for n in range(20)),
]
CANARY = re.compile("kanari|vogelhaus|9198[0-9]{2}77315|9199[0-9]{2}77315|98[0-9]{2}77315", re.IGNORECASE)
#: What holds rows, for those who may see them.
OF_ROWS = ("results.csv", "failed.csv", "failed.xlsx", "annotated.xlsx", "differences.csv")


class Parrot(BaseHTTPRequestHandler):
    """A server that repeats all that it was sent in every message, as some do."""

    protocol_version = "HTTP/1.1"
    mode = "items"
    requests = 0

    def do_POST(self) -> None:
        Parrot.requests += 1
        customers = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))["root"]["customer"]
        if self.mode == "interrupt" and Parrot.requests == 3:
            os.kill(os.getpid(), signal.SIGINT)
        status = {"success": "true", "code": 200, "message": f"done: {customers}"}
        if self.mode in ("500", "400", "401", "204"):
            status = {"success": "false", "code": int(self.mode), "message": f"not done: {customers}"}
            self._say({"response": {"status": status}}, int(self.mode) if self.mode != "204" else 200)
        elif self.mode == "page":
            self._send(f"<html>{customers}</html>".encode(), 200)
        else:
            self._say({"response": {"status": status, "customer": [self._item(one) for one in customers]}}, 200)

    def do_GET(self) -> None:
        if self.mode in ("500", "401"):
            body = {"response": {"status": {"success": "false", "code": int(self.mode), "message": self.path}}}
            self._say(body, int(self.mode))
            return
        field = [{"name": "Colour", "value": "kanari of the server"}]
        customer = {"customer": [{"custom_fields": {"field": field}, "item_status": {"success": "true", "code": 200}}]}
        self._say({"response": {"status": {"success": "true", "code": 200}, **customer}}, 200)

    def _item(self, customer: dict[str, Any]) -> dict[str, Any]:
        mobile = customer.get("mobile", "")
        message = f"Customer {customer} is not as {mobile} should be, nor is {customer.get('email', '').upper()}"
        code = {"1": "816", "2": "1004", "3": "1006", "4": "", "5": "31337"}.get(mobile[-1:], "200")
        if self.mode == "refused":
            code = "91020"
        if self.mode == "all fail":
            code = "816"
        success = "maybe" if mobile[-1:] == "6" and code == "200" else str(code == "200").lower()
        warnings = {"warning": [{"code": 1017, "message": message}]} if mobile[-1:] == "7" else {}
        return {**customer, "item_status": {"success": success, "code": code, "message": message, "warnings": warnings}}

    def _say(self, body: Any, status: int) -> None:
        self._send(msgspec.json.encode(body), status)

    def _send(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def parrot() -> Iterator[str]:
    Parrot.mode, Parrot.requests = "items", 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(tmp_path, capsys, monkeypatch)
    found.setenv(IMPORTER_USERNAME="till", IMPORTER_PASSWORD="till")
    return found


def silent(*told: Ended) -> None:
    """Nothing of a cell in what was said. The sheet is named like none of them."""
    for ended in told:
        for text in (ended.out, ended.err):
            assert not (found := CANARY.search(text)), text[max(0, found.start() - 300) : found.end() + 100]


def check_files(folder: Path) -> None:
    """Nothing of a cell in any file but those of rows, and these are private; the journal and its logs among them."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name in OF_ROWS or path.name == "sheet.csv":
            if path.is_file() and path.name in OF_ROWS:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
            continue
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as bundle:
                content = b"".join(bundle.read(name) for name in bundle.namelist())
        else:
            content = path.read_bytes()
        found = CANARY.search(content.decode("latin-1"))
        assert not found, (path, content[max(0, found.start() - 200) : found.end() + 50])


def words(path: Path, address: str, *more: str) -> Sequence[str | Path]:
    return ("run", path, "--base-url", address, "--log-file", "run.log", "--log-format", "plain", *more)


def test_rows_that_end_in_every_way(terminal: Terminal, parrot: str) -> None:
    """Succeeded with a warning, failed, rejected, skipped, unknown; then retried, verified, compared, bundled."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    first = terminal.type(*words(path, parrot, "--limit", "85", "--json"))
    rows = first.json["rows"]
    assert min(rows[word] for word in ("succeeded", "failed", "rejected", "skipped", "unknown")) > 0, rows
    run_id = first.json["run_id"]
    told = [
        first,
        *(terminal.type(*line) for line in (("report", run_id), ("report", "--bundle", "--json"), ("runs",))),
    ]
    told += [terminal.type("retry", run_id), terminal.type("retry", run_id, "--json"), terminal.type("runs")]
    told += [terminal.type("report", "--against", run_id), terminal.type("report", "--against", run_id, "--json")]
    told += [terminal.type("verify", run_id), terminal.type("verify", run_id, "--json")]
    assert (told[-1].code, told[-1].json["different"]["rows"] if "different" in told[-1].json else 1) != (0, 0)
    told.append(terminal.type("purge", "--older-than", "90d"))
    silent(*told)
    folder = next(folder for folder in terminal.runs() if folder.name == run_id)
    assert CANARY.search((folder / "results.csv").read_text(encoding="utf-8"))
    assert {f"pairs/{code}-1.json" for code in ("816", "1004", "1006", "31337")} <= {
        name for bundle in terminal.folder.rglob("bundle.zip") for name in zipfile.ZipFile(bundle).namelist()
    }
    check_files(terminal.folder)


@pytest.mark.parametrize(
    ("mode", "options", "code"),
    [
        ("items", ("--max-errors", "8"), 6),
        ("all fail", ("--canary", "5"), 6),
        ("interrupt", (), 130),
        ("refused", (), 4),
        ("401", (), 4),
        ("400", (), 6),
        ("204", (), 2),
        ("page", (), 2),
        ("500", ("--max-outage", "1s"), 5),
    ],
)
def test_runs_that_stop_and_go_on(
    terminal: Terminal, parrot: str, mode: str, options: Sequence[str], code: int
) -> None:
    """Whatever stops a run, its reason repeats nothing; nor does what goes on, with rows unprocessed before."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS)
    Parrot.mode = mode
    small = ("--batch-size", "10", "--concurrency", "1")
    stopped = terminal.type(*words(path, parrot, *small, *options))
    assert stopped.code == code, stopped.err
    told = [stopped, terminal.type("report", "--json"), terminal.type("report", "--bundle"), terminal.type("runs")]
    if code != 2:
        assert told[1].json["rows"]["unprocessed"] > 0
    told.append(terminal.type(*words(path, parrot)))
    Parrot.mode = "items"
    if code != 2:
        told.append(terminal.type("resume", "--max-errors", "1000"))
        assert told[-1].code == 3
    silent(*told)
    check_files(terminal.folder)


@pytest.mark.parametrize("mode", ["500", "401"])
def test_a_verify_that_stops(terminal: Terminal, parrot: str, mode: str) -> None:
    """The address of a question holds an identifier, and the server repeats it."""
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *ROWS[:10])
    first = terminal.type(*words(path, parrot))
    Parrot.mode = mode
    silent(first, terminal.type("verify"))
    check_files(terminal.folder)


def test_a_check_shows_no_identifier(terminal: Terminal) -> None:
    """It shows samples of preferences, which make a mapping understood, and nothing of who the customers are."""
    rows = [
        [*row[:3], row[3].replace("kanari", "S"), *(cell.replace("kanari", "Blue") for cell in row[4:])] for row in ROWS
    ]
    path = write_csv(terminal.folder / "sheet.csv", HEADER, *rows)
    told = [terminal.type("check", path), terminal.type("check", path, "--json")]
    assert "Blue" in told[0].out
    silent(*told)
