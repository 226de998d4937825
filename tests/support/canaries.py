"""Canary values for every cell, a server that repeats them, and a search for them in what a run leaves behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

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
    disable_nagle_algorithm = True  # headers and body are written one after the other: the body would wait 40 ms
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


@contextlib.contextmanager
def parroting() -> Iterator[str]:
    """The address of such a server, while it answers."""
    Parrot.mode, Parrot.requests = "items", 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def silent(*shown: str) -> None:
    """Nothing of a cell in what was said. The sheet is named like none of them."""
    for text in shown:
        assert not (found := CANARY.search(text)), text[max(0, found.start() - 300) : found.end() + 100]


def check_files(folder: Path, *more: str) -> None:
    """Nothing of a cell in any file but those of rows (and `more`), and these are private; the journal and its logs are
    looked at too."""
    of_rows = (*OF_ROWS, *more)
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name in of_rows or path.name == "sheet.csv":
            if path.is_file() and path.name in of_rows:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
            continue
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as bundle:
                content = b"".join(bundle.read(name) for name in bundle.namelist())
        else:
            content = path.read_bytes()
        found = CANARY.search(content.decode("latin-1"))
        assert not found, (path, content[max(0, found.start() - 200) : found.end() + 50])
