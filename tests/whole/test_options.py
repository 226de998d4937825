"""Every option of the table does something that can be seen, on every command that takes it."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openpyxl
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from importer.errors import ExitCode
from importer.pipeline import run
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.options import PreferenceField
from importer.settings.loading import load
from importer.settings.options import OPTIONS, Nightly
from importer.settings.values import CLUSTERS
from importer.system.clock import seconds_until
from importer.world import Stopper, World
from tests.support.fault_server import FaultServer, closed_port, sound
from tests.support.runs import StopsAfter, clock_by_requests
from tests.support.terminal import Ended, Terminal, table, write_csv

HEADER = ("Mobile", "Favourite colour")


def rows(count: int) -> list[tuple[str, str]]:
    return [(f"9197744{number or 99_999:05}", "Blue") for number in range(count)]


class Bench:
    """A terminal, and sandboxes with options as a demonstration needs them."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.folder = terminal.folder

    def sheet(self, count: int = 3, name: str = "a.csv") -> Path:
        return write_csv(self.folder / name, HEADER, *rows(count))

    def run(self, sandbox: EmbeddedSandbox, *words: str, source: str = "a.csv", command: str = "run") -> Ended:
        self.terminal.credentials(sandbox)
        given = () if command == "retry" else ("--base-url", sandbox.base_url)
        return self.terminal.type(command, source, *given, "--json", *words)

    def ready(self, source: str, *words: str) -> Any:
        """What `check` finds."""
        return self.terminal.type("check", source, "--json", *words).json


@pytest.fixture
def bench(terminal: Terminal) -> Bench:
    return Bench(terminal)


def base_url(bench: Bench) -> None:
    bench.sheet()
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox).code == 0
        assert len(sandbox.state.accepted) == 3
        calls = sandbox.state.calls.total()
        assert bench.terminal.type("check", "a.csv", "--online", "--base-url", sandbox.base_url).code == 0
        assert sandbox.state.calls.total() == calls + 1
        assert bench.terminal.type("template", "--base-url", sandbox.base_url).code == 0


def insecure(bench: Bench) -> None:
    """A server of this test is the proxy to another machine."""
    bench.sheet()
    with FaultServer(sound) as proxy:
        bench.terminal.setenv(IMPORTER_USERNAME="till1", IMPORTER_PASSWORD="x", http_proxy=proxy.base_url, no_proxy="")
        words = ("--base-url", "http://api.example", "--unknown-columns", "send")
        for command in (("run", "a.csv", *words), ("check", "a.csv", "--online", *words), ("doctor", *words[:2])):
            assert bench.terminal.type(*command).code == 2
        assert not proxy.heads
        assert bench.terminal.type("run", "a.csv", *words, "--insecure").code == 0
        assert [head.partition("?")[0] for head in proxy.heads] == ["POST http://api.example/v1.1/customer/preferences"]
        made = ("template", "--base-url", "http://api.example")
        assert bench.terminal.type(*made).code == 2
        asked = len(proxy.heads)
        bench.terminal.type(*made, "--insecure")
        assert proxy.heads[asked].startswith("GET http://api.example/v1.1/organization/customfields")


def cluster(bench: Bench) -> None:
    """The name's address is asked for; nothing in these tests can look it up, so the host is unknown."""
    bench.sheet()
    bench.terminal.setenv(IMPORTER_USERNAME="till1", IMPORTER_PASSWORD="x")
    ended = bench.terminal.type("run", "a.csv", "--cluster", "sea")
    assert ended.code == 2
    assert CLUSTERS["sea"].removeprefix("https://") in ended.err + ended.out
    ended = bench.terminal.type("template", "--cluster", "sea")
    assert ended.code == 2
    assert CLUSTERS["sea"].removeprefix("https://") in ended.err


def sandbox(bench: Bench) -> None:
    bench.sheet()
    assert bench.terminal.type("run", "a.csv", "--sandbox", "--json").json["target"]["base_url"] == "sandbox"
    assert bench.terminal.type("check", "a.csv", "--online", "--sandbox").code == 0
    assert bench.terminal.type("template", "--sandbox").code == 0


def profile(bench: Bench) -> None:
    (bench.folder / "importer.toml").write_text('[profiles.mine]\nreports-dir = "mine"\nsandbox = true\n')
    bench.sheet()
    ended = bench.terminal.type("run", "a.csv", "--profile", "mine", "--json")
    assert ended.code == 0
    name = ended.json["run_id"]
    assert (bench.folder / "mine" / name).is_dir()
    assert bench.ready("a.csv", "--profile", "mine")["rows"] == 3
    for command in ("resume", "retry"):
        assert bench.terminal.type(command, name, "--profile", "mine").code == 0
        assert bench.terminal.type(command, name).code == 2
    assert bench.terminal.type("template").code == 2
    assert bench.terminal.type("template", "--profile", "mine").code == 0


def mapping(bench: Bench) -> None:
    write_csv(bench.folder / "odd.csv", ("Who", "What"), ("919774487641", "Blue"))
    (bench.folder / "m.toml").write_text(
        '[columns]\n"Who" = "mobile"\n"What" = { preference = "Favourite colour" }\n', encoding="utf-8"
    )
    assert bench.terminal.type("run", "odd.csv", "--sandbox").code == 8
    assert bench.ready("odd.csv", "--mapping", "m.toml")["sendable_rows"] == 1
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, "--mapping", "m.toml", source="odd.csv").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Blue"}


def sheet(bench: Bench) -> None:
    book = openpyxl.Workbook()
    for title, colour in (("One", "Blue"), ("Two", "Red")):
        page = book.create_sheet(title)
        page.append(HEADER)
        page.append(("919774487641", colour))
    del book["Sheet"]
    book.save(bench.folder / "b.xlsx")
    assert bench.terminal.type("run", "b.xlsx", "--sandbox").code == 8
    assert bench.ready("b.xlsx", "--sheet", "Two")["sheet"] == "Two"
    assert '"Favourite colour"' in bench.terminal.type("map", "b.xlsx", "--sheet", "Two").out
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, "--sheet", "Two", source="b.xlsx").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Red"}


def encoding(bench: Bench) -> None:
    text = "Mobile,Favourite colour\n919774487641,Žlutá\n"
    (bench.folder / "c.csv").write_bytes(text.encode("cp1250"))
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, "--encoding", "cp1250", source="c.csv").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Žlutá"}
    assert bench.ready("c.csv", "--encoding", "cp1250")["columns"][1]["samples"] == ["Žlutá"]
    assert "Žlutá" in bench.terminal.type("map", "c.csv", "--encoding", "cp1250").out
    assert bench.terminal.type("check", "c.csv", "--encoding", "ascii").code == 8


def delimiter(bench: Bench) -> None:
    (bench.folder / "d.csv").write_text("Mobile~Favourite colour\n919774487641~Blue\n")
    words = ("--delimiter", "~")
    assert bench.terminal.type("run", "d.csv", "--sandbox").code == 8
    assert bench.terminal.type("run", "d.csv", "--sandbox", *words).code == 0
    assert bench.ready("d.csv", *words)["sendable_rows"] == 1
    assert '"Favourite colour"' in bench.terminal.type("map", "d.csv", *words).out


def header_row(bench: Bench) -> None:
    write_csv(bench.folder / "h.csv", ("Mobile", "Email"), HEADER, ("919774487641", "Blue"))
    words = ("--header-row", "2")
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, *words, source="h.csv").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Blue"}
    assert [column["column"] for column in bench.ready("h.csv", *words)["columns"]] == list(HEADER)
    assert '"Favourite colour"' in bench.terminal.type("map", "h.csv", *words).out


def country(bench: Bench) -> None:
    write_csv(bench.folder / "l.csv", HEADER, ("9774487641", "Blue"))
    assert bench.terminal.type("run", "l.csv", "--sandbox").code == 3
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, "--country", "IN", source="l.csv").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Favourite colour": "Blue"}
    assert bench.ready("l.csv", "--country", "IN")["sendable_rows"] == 1
    columns = bench.terminal.type("template", "--sandbox", "--country", "AE", "--json").json["columns"]
    mobile = next(column["example"] for column in columns if column["becomes"] == "mobile")
    assert len(mobile) == 9


def blank(bench: Bench) -> None:
    write_csv(bench.folder / "e.csv", (*HEADER, "Size"), ("919774487641", "", "M"))
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, source="e.csv").code == 0
        assert sandbox.state.accepted[-1][1] == {"Size": "M"}
        assert bench.run(sandbox, "--blank", "clear", source="e.csv").code == 0
        assert sandbox.state.accepted[-1][1] == {"Favourite colour": "", "Size": "M"}
    assert bench.ready("e.csv", "--blank", "clear")["blank"] == "clear"


def invalid_identifiers(bench: Bench) -> None:
    """The row goes by its mobile, with a warning; by default it is rejected."""
    write_csv(bench.folder / "i.csv", ("Mobile", "Email", "Colour"), ("919774487641", "no e-mail", "Red"))
    assert bench.ready("i.csv")["rejected_rows"] == 1
    assert bench.ready("i.csv", "--invalid-identifiers", "omit")["rejected_rows"] == 0
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, source="i.csv").code == 3
        ended = bench.run(sandbox, "--invalid-identifiers", "omit", source="i.csv")
        assert (ended.code, ended.json["rows"]["succeeded"]) == (0, 1)
        assert [identifiers["mobile"] for identifiers, _ in sandbox.state.accepted] == ["919774487641"]
    (row,) = table(Path(ended.json["reports"]["results.csv"]))
    assert "Email" in row["_warnings"]


def unknown_columns(bench: Bench) -> None:
    write_csv(bench.folder / "a.csv", (*HEADER, "Spend"), *[(*row, "5") for row in rows(3)])
    with EmbeddedSandbox(SandboxOptions(fields=(PreferenceField(name=HEADER[1]),), unknown_fields="error")) as sandbox:
        ended = bench.run(sandbox)
        assert ended.code == 8 and "“Spend”" in ended.err and not sandbox.state.requests
        assert bench.run(sandbox, "--unknown-columns", "ignore").code == 0
        assert bench.run(sandbox, "--unknown-columns", "send").code == 3
        words = ("--online", "--base-url", sandbox.base_url)
        assert [bench.terminal.type("check", "a.csv", *words).code, bench.ready("a.csv", *words)["exit_code"]] == [8, 8]
        assert bench.terminal.type("check", "a.csv", *words, "--unknown-columns", "ignore").code == 0


def short_rows(bench: Bench) -> None:
    """The row lacks its last cell, which Outlook omits if it is empty."""
    (bench.folder / "s.csv").write_text("Mobile,Colour,Size\n919774487641,Red\n919774487642,Blue,M\n")
    assert bench.ready("s.csv")["rejected_rows"] == 1
    assert bench.ready("s.csv", "--short-rows", "empty")["rejected_rows"] == 0
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, source="s.csv").code == 3
        assert bench.run(sandbox, "--short-rows", "empty", "--restart", source="s.csv").code == 0
        assert sandbox.state.preferences_of(mobile="919774487641") == {"Colour": "Red"}


def batch_size(bench: Bench) -> None:
    bench.sheet(10)
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox, "--batch-size", "4").code == 0
        assert sorted(request.size for request in sandbox.state.requests) == [2, 4, 4]
    assert bench.ready("a.csv", "--batch-size", "4")["requests"] == 3


def rate(bench: Bench) -> None:
    bench.sheet(6)
    words = ("--rate", "4/second")
    with EmbeddedSandbox() as sandbox:
        ended = bench.run(sandbox, "--batch-size", "1", *words)
        times = [request.at for request in sandbox.state.requests]
        assert times[-1] - times[0] > 0.05  # 1.25 s, less what the first was late
        assert ended.json["rate"]["configured"] == "4/second"
        write_csv(bench.folder / "a.csv", (*HEADER, "External id"), (*rows(1)[0], "code-1012-x1"))
        name = bench.run(sandbox).json["run_id"]
        assert bench.run(sandbox, *words, source=name, command="retry").json["rate"]["configured"] == "4/second"
    bench.sheet(6)
    assert bench.ready("a.csv", "--batch-size", "1", "--rate", "1/minute")["seconds"] == 300


def burst(bench: Bench) -> None:
    """Two leave at once; the third would have to wait for 20 minutes, and so would the second without it."""
    bench.sheet(3)
    with EmbeddedSandbox() as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        given = {"base_url": sandbox.base_url, "batch_size": "1", "rate": "4/hour", "burst": "2"}
        stopper = Stopper()
        world = World(environ | {"HOME": str(bench.folder)}, observer=StopsAfter(2, stopper), stopper=stopper)
        began = time.monotonic()
        assert run("a.csv", load(given, {}), world).exit_code == ExitCode.INTERRUPTED
        assert time.monotonic() - began < 100
        assert len(sandbox.state.requests) == 2


def concurrency(bench: Bench) -> None:
    bench.sheet(9)
    for number in (1, 3):
        sandbox = EmbeddedSandbox()
        sandbox.app = held_until(number, sandbox)  # type: ignore[assignment]
        with sandbox:
            assert bench.run(sandbox, "--batch-size", "1", "--concurrency", str(number)).code == 0
            assert sandbox.state.in_flight_most == number


def held_until(number: int, sandbox: EmbeddedSandbox) -> ASGIApp:
    """The sandbox, which answers once so many requests were in flight. The first one is sent alone."""
    app, state = sandbox.app, sandbox.state

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def held() -> Message:
            while state.calls["POST customer/preferences"] > 1 and state.in_flight_most < number:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)  # one more would have time to arrive
            return await receive()

        await app(scope, held, send)

    return answer


def max_errors(bench: Bench) -> None:
    write_csv(bench.folder / "a.csv", ("External id", "Colour"), *[(f"code-816+{n}", "Blue") for n in range(30)])
    with EmbeddedSandbox() as sandbox:
        ended = bench.run(sandbox, "--max-errors", "5", "--batch-size", "2", "--concurrency", "1")
        assert ended.code == 6
        assert ended.json["rows"]["unprocessed"] > 0
        name = ended.json["run_id"]
        ended = bench.terminal.type("resume", name, "--json", "--max-errors", "100")
        assert (ended.code, ended.json["rows"]["failed"]) == (3, 30)
        # A share of a small sheet is taken of all of it, which is known a second before its last requests may leave.
        ended = bench.run(sandbox, "--max-errors", "5%", "--batch-size", "4", "--rate", "4/second")
        assert ended.code == 6
        assert ended.json["rows"]["unprocessed"] > 0
        # So it is where all rows stand in one request, though none is left: `resume` finishes the run.
        ended = bench.run(sandbox, "--max-errors", "5%", "--restart")
        assert (ended.code, ended.json["rows"]["failed"]) == (6, 30)
        assert bench.terminal.type("resume", ended.json["run_id"]).code == 3


def max_outage(bench: Bench) -> None:
    bench.sheet()
    began = time.monotonic()
    with closed_port() as port:
        bench.terminal.setenv(IMPORTER_USERNAME="till1", IMPORTER_PASSWORD="x")
        address = f"http://127.0.0.1:{port}"
        ended = bench.terminal.type("run", "a.csv", "--base-url", address, "--json", "--max-outage", "0.1")
    assert ended.code == 5
    assert time.monotonic() - began < 100
    assert ended.json["rows"]["unprocessed"] == 3


def canary(bench: Bench) -> None:
    write_csv(
        bench.folder / "a.csv", ("External id", "Colour"), *[(f"code-816+{n}", "Blue") for n in range(5)], ("A", "Blue")
    )
    with EmbeddedSandbox() as sandbox:
        ended = bench.run(sandbox, "--canary", "2")
        assert ended.code == 6
        assert (ended.json["rows"]["failed"], ended.json["rows"]["unprocessed"]) == (2, 4)
        assert bench.terminal.type("resume").code == 6, "the canary goes first again"
        ended = bench.terminal.type("resume", "--json")
        assert ended.code == 3
        sizes = len(sandbox.state.requests)
        ended = bench.run(sandbox, "--canary", "1", source=ended.json["run_id"], command="retry")
        assert ended.code == 6
        assert [request.size for request in sandbox.state.requests[sizes:]] == [1]


def until(bench: Bench) -> None:
    """The run begins five minutes before six; it may send until six."""
    bench.sheet(30)
    six = datetime.datetime(2026, 11, 24, 6, 0).timestamp()
    with EmbeddedSandbox() as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        given = {"base_url": sandbox.base_url, "until": "06:00", "batch_size": "1", "concurrency": "1"}
        clock, sleep = clock_by_requests(sandbox, 30.0)
        environ |= {"HOME": str(bench.folder)}
        world = World(environ, wall=lambda: int(six * 1000) - 300_000, clock=clock, sleep=sleep)
        summary = run("a.csv", load(given | {"rate": "1000/second"}, {}), world)
    assert summary.exit_code == ExitCode.TIME
    assert 0 < summary.rows.succeeded < 30


def max_duration(bench: Bench) -> None:
    bench.sheet(50)
    with EmbeddedSandbox() as sandbox:
        bench.terminal.clock_by_requests(sandbox, 10.0)
        words = ("--batch-size", "1", "--concurrency", "1")
        ended = bench.run(sandbox, *words, "--max-duration", "100s")
        assert ended.code == 10
        ended = bench.terminal.type("resume", "--max-duration", "100s", "--json")
        assert ended.code == 10
        assert ended.json["rows"]["unprocessed"] > 0


def limit(bench: Bench) -> None:
    bench.sheet(5)
    counts = bench.terminal.type("run", "a.csv", "--sandbox", "--limit", "2", "--json").json["rows"]
    assert (counts["read"], counts["succeeded"], counts["skipped"]) == (5, 2, 3)
    assert bench.ready("a.csv", "--limit", "2")["rows"] == 2


def skip_rows(bench: Bench) -> None:
    bench.sheet(5)
    words = ("--skip-rows", "1", "--limit", "3")
    ended = bench.terminal.type("run", "a.csv", "--sandbox", "--json", *words)
    statuses = [row["_status"] for row in table(Path(ended.json["reports"]["results.csv"]))]
    assert statuses == ["skipped", "succeeded", "succeeded", "succeeded", "skipped"]
    assert bench.ready("a.csv", *words)["rows"] == 3
    assert bench.ready("a.csv", "--skip-rows", "4")["rows"] == 1


def only_changed(bench: Bench) -> None:
    """Of a sheet that comes again, the row that differs goes; the others are skipped."""
    bench.sheet(3)
    with EmbeddedSandbox() as sandbox:
        assert bench.run(sandbox).code == 0
        write_csv(bench.folder / "a.csv", HEADER, *rows(2), (rows(3)[2][0], "Red"))
        ended = bench.run(sandbox, "--only-changed")
        assert (ended.code, ended.json["rows"]["succeeded"], ended.json["rows"]["skipped"]) == (0, 1, 2)
        assert sandbox.state.accepted[-1][1] == {"Favourite colour": "Red"}


def gzip(bench: Bench) -> None:
    write_csv(bench.folder / "a.csv", ("External id", "Colour"), ("code-816", "Blue"))
    with EmbeddedSandbox(SandboxOptions(accept_gzip=False)) as sandbox:
        assert bench.run(sandbox, "--gzip").code == 2, "415: it was compressed"
    with EmbeddedSandbox(SandboxOptions(accept_gzip=True)) as sandbox:
        ended = bench.run(sandbox, "--gzip")
        assert ended.code == 3
    with EmbeddedSandbox(SandboxOptions(accept_gzip=False)) as sandbox:
        name = bench.run(sandbox).json["run_id"]
        assert bench.run(sandbox, "--gzip", source=name, command="retry").code == 2


def attribution_type(bench: Bench) -> None:
    attribution(bench)


def attribution_code(bench: Bench) -> None:
    attribution(bench)


def attribution(bench: Bench) -> None:
    """With OAuth both are headers of every call; the type in the API's capitals."""
    bench.sheet()
    seen: list[httpx.Headers] = []

    def of(document: object) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(msgspec.json.encode(document)))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token/generate"):
            return of({"data": {"accessToken": "t", "ttlSeconds": 300}, "errors": None})
        seen.append(request.headers)
        customers = msgspec.json.decode(request.content)["root"]["customer"]
        status = {"item_status": {"success": "true", "code": 200, "message": "", "warnings": {}}}
        body = {"response": {"status": {"success": "true", "code": 200}, "customer": [c | status for c in customers]}}
        return of(body)

    world = World({"IMPORTER_CLIENT_KEY": "k", "IMPORTER_CLIENT_SECRET": "s"}, transport=httpx.MockTransport(answer))
    given = {"base_url": "http://127.0.0.1:1", "attribution_type": "store_code", "attribution_code": "BLR-014"}
    assert run("a.csv", load(given | {"max_outage": "1s"}, {}), world).exit_code == 0
    assert seen[0]["X-CAP-API-ATTRIBUTION-ENTITY-TYPE"] == "STORE_CODE"
    assert seen[0]["X-CAP-API-ATTRIBUTION-ENTITY-CODE"] == "BLR-014"


def reports_dir(bench: Bench) -> None:
    bench.sheet()
    words = ("--reports-dir", "elsewhere")
    name = bench.terminal.type("run", "a.csv", "--sandbox", "--json", *words).json["run_id"]
    assert (bench.folder / "elsewhere" / name / "results.csv").exists()
    assert not (bench.folder / "reports").exists()
    assert name in bench.terminal.type("runs", *words).out
    for command in ("report", "resume", "retry"):
        assert bench.terminal.type(command, name, *words).code == 0, command
        assert bench.terminal.type(command, name).code == 2, command


def database(bench: Bench) -> None:
    bench.sheet()
    words = ("--database", f"sqlite:///{bench.folder / 'own' / 'journal.db'}")
    (bench.folder / "own").mkdir()
    name = bench.terminal.type("run", "a.csv", "--sandbox", "--json", *words).json["run_id"]
    assert (bench.folder / "own" / "journal.db").exists()
    assert not (bench.folder / "reports" / "journal.db").exists()
    assert name in bench.terminal.type("runs", *words).out
    for command in ("report", "resume", "retry"):
        assert bench.terminal.type(command, name, *words).code == 0, command


def restart(bench: Bench) -> None:
    bench.sheet(20)
    with EmbeddedSandbox() as sandbox:
        bench.terminal.clock_by_requests(sandbox, 10.0)
        words = ("--batch-size", "1", "--concurrency", "1", "--max-duration", "100s")
        assert bench.run(sandbox, *words).code == 10
        assert bench.run(sandbox, *words).code == 11
        assert bench.run(sandbox, "--restart").code == 0


def resubmit(bench: Bench) -> None:
    """What an earlier report calls done is left alone; a sheet that says nothing of that is refused."""
    write_csv(bench.folder / "a.csv", HEADER, *rows(2), ("12", "Blue"))
    with EmbeddedSandbox() as sandbox:
        earlier = bench.run(sandbox).json["reports"]["results.csv"]
        sent = len(sandbox.state.accepted)
        fixed = bench.folder / "fixed.csv"
        fixed.write_text(Path(earlier).read_text(encoding="utf-8").replace("\n12,", "\n919774400999,"))
        ended = bench.run(sandbox, "--resubmit", source="fixed.csv")
        assert (ended.code, ended.json["rows"]["succeeded"], ended.json["rows"]["skipped"]) == (0, 1, 2)
        assert len(sandbox.state.accepted) == sent + 1
        codes = [row["_code"] for row in table(Path(ended.json["reports"]["results.csv"]))]
        assert codes[:2] == ["already_succeeded"] * 2
        assert bench.run(sandbox, "--resubmit").code == 8
    assert bench.ready("fixed.csv", "--resubmit")["rows"] == 1
    assert bench.terminal.type("check", "a.csv", "--resubmit").code == 8


def overwrite_newer(bench: Bench) -> None:
    """A retry sends over newer values on request only."""
    write_csv(bench.folder / "a.csv", (*HEADER, "External id"), *[(*row, "code-1012-x1") for row in rows(1)])
    with EmbeddedSandbox() as sandbox:
        first = bench.run(sandbox).json["run_id"]
        write_csv(bench.folder / "b.csv", HEADER, *[(mobile, "Red") for mobile, _ in rows(1)])
        assert bench.run(sandbox, source="b.csv").code == 0
        sent = len(sandbox.state.accepted)
        assert bench.terminal.type("retry", first).code == 0
        assert len(sandbox.state.accepted) == sent
        assert bench.terminal.type("retry", first, "--overwrite-newer").code == 0
        assert len(sandbox.state.accepted) == sent + 1


def show_identifiers(bench: Bench) -> None:
    """The cell that a cause shows as an example is masked by each command, except on request."""
    wrong = [(f"code-816+{n}", "Turquoise") for n in range(12)]
    write_csv(bench.folder / "a.csv", ("External id", "Colour"), *wrong, *[(f"A{n}", f"Blue {n}") for n in range(40)])
    with EmbeddedSandbox() as sandbox:
        for word, shown in (("--show-identifiers", True), ("--quiet", False)):
            ended = bench.run(sandbox, word, "--max-errors", "100")
            assert ("Turquoise" in str(ended.json["causes"])) == shown
            name = ended.json["run_id"]
            assert ("Turquoise" in bench.terminal.type("report", name, word).out) == shown
            assert "Turquoise" not in bench.terminal.type("report", name).out


def online(bench: Bench) -> None:
    bench.sheet()
    with EmbeddedSandbox(SandboxOptions(fields=())) as sandbox:
        bench.terminal.credentials(sandbox)
        words = ("--base-url", sandbox.base_url)
        assert bench.terminal.type("check", "a.csv", *words).code == 0
        assert sandbox.state.calls.total() == 0
        assert bench.terminal.type("check", "a.csv", "--online", *words).code == 0
        assert sandbox.state.calls.total() in (1, 2)
        bench.terminal.setenv(IMPORTER_PASSWORD="wrong")
        assert bench.terminal.type("check", "a.csv", "--online", *words).code == 4


def output(bench: Bench) -> None:
    write_csv(bench.folder / "a.csv", HEADER, ("12", "Blue"), *rows(1))
    assert bench.terminal.type("check", "a.csv", "--output", "problems.csv").code == 3
    assert [row["row"] for row in table(bench.folder / "problems.csv")] == ["2"]


def credentials(bench: Bench) -> None:
    bench.sheet()
    with EmbeddedSandbox() as sandbox:
        bench.terminal.setenv(BRAND_A_USERNAME=sandbox.username, BRAND_A_PASSWORD=sandbox.password)
        bench.terminal.setenv(IMPORTER_USERNAME="", IMPORTER_PASSWORD="")
        words = ("a.csv", "--base-url", sandbox.base_url)
        assert bench.terminal.type("run", *words).code == 2
        assert bench.terminal.type("run", *words, "--credentials", "brand_a").code == 0
        assert bench.terminal.type("check", *words, "--online", "--credentials", "BRAND_A").code == 0
        assert bench.terminal.type("template", *words[1:]).code == 2
        assert bench.terminal.type("template", *words[1:], "--credentials", "BRAND_A").code == 0
        bench.terminal.setenv(BRAND_A_PASSWORD="wrong")
        for ended in (
            bench.terminal.type("check", *words, "--online", "--credentials", "BRAND_A"),
            bench.terminal.type("verify"),
        ):
            assert ended.code == 4
            assert "Check BRAND_A_USERNAME and BRAND_A_PASSWORD" in ended.err


def time_zone(bench: Bench) -> None:
    """The same time of day is another moment in another zone. An unknown zone is refused."""
    noon = 1_795_521_600_000  # 12:00 UTC
    assert seconds_until("18:00", noon, "UTC") == 6 * 3600
    assert seconds_until("18:00", noon, "Asia/Kolkata") == 1800
    bench.sheet()
    assert bench.terminal.type("run", "a.csv", "--sandbox", "--time-zone", "Asia/Nowhere").code == 2


def log_format(bench: Bench) -> None:
    bench.sheet()
    ended = bench.terminal.type("run", "a.csv", "--sandbox", "--log-format", "json")
    assert [json.loads(line)["event"] for line in ended.err.splitlines()][-1] == "run ends"
    assert "run ends" in bench.terminal.type("run", "a.csv", "--sandbox", "--log-format", "plain").err


def log_file(bench: Bench) -> None:
    bench.sheet()
    assert bench.terminal.type("run", "a.csv", "--sandbox", "--log-file", "a.log").code == 0
    assert '"run ends"' in (bench.folder / "a.log").read_text(encoding="utf-8")


def metrics_file(bench: Bench) -> None:
    bench.sheet()
    assert bench.terminal.type("run", "a.csv", "--sandbox", "--metrics-file", "a.prom").code == 0
    text = (bench.folder / "a.prom").read_text(encoding="utf-8")
    assert 'importer_rows_total{profile="",status="succeeded"} 3' in text


#: Shown in tests/nightly, where there is an inbox.
BY_NIGHT = frozenset(Nightly.__struct_fields__)

DEMONSTRATIONS: dict[str, Callable[[Bench], None]] = {
    function.__name__: function
    for function in (
        *(credentials, time_zone, log_format, log_file, metrics_file),
        *(
            base_url,
            cluster,
            insecure,
            sandbox,
            profile,
            mapping,
            sheet,
            encoding,
            delimiter,
            header_row,
            country,
            blank,
        ),
        *(unknown_columns, invalid_identifiers, short_rows),
        *(batch_size, rate, burst, concurrency, max_errors, max_outage, canary, until, max_duration, limit, skip_rows),
        *(only_changed, gzip, attribution_type, attribution_code, reports_dir, database, restart, resubmit),
        *(overwrite_newer, show_identifiers, online, output),
    )
}

#: Wait for a rate.
WAITING = frozenset({"max_errors"})


def test_every_option_has_a_demonstration() -> None:
    """An option without a visible effect could as well do nothing."""
    assert sorted(DEMONSTRATIONS) == sorted(option.field for option in OPTIONS if option.field not in BY_NIGHT)


@pytest.mark.parametrize(
    "field", [pytest.param(name, marks=pytest.mark.slow if name in WAITING else ()) for name in DEMONSTRATIONS]
)
def test_an_option_does_what_it_says(bench: Bench, field: str) -> None:
    """Seen from outside: in what the sandbox received, in the reports, or in the exit code."""
    DEMONSTRATIONS[field](bench)


def test_every_command_offers_the_options_of_the_table_and_no_other(terminal: Terminal) -> None:
    """The help of each command names exactly the options that the table gives it."""
    for command in sorted({command for option in OPTIONS for command in option.commands}):
        offered = set(re.findall(r"--([a-z-]+)", terminal.type(command, "--help").out.partition("Options:")[2]))
        for option in OPTIONS:
            if command in option.commands:
                assert option.name in offered, (command, option.name)
