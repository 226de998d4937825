"""The sandbox behind a socket, in a thread or as a command that serves until it is stopped. It shares no state."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

import importer.sandbox
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from tests.support.sandbox import POST, TILL, body, customer


def test_embedded(capfd: pytest.CaptureFixture[str]) -> None:
    """On a free port of loopback, quiet, with its state to look at, and gone afterwards."""
    with EmbeddedSandbox() as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{sandbox.port}"
        with httpx.Client(base_url=sandbox.base_url, headers=TILL, trust_env=False) as http:
            assert http.post(POST, json=body(customer(mobile="7744876415"))).status_code == 200
        assert sandbox.state.preferences_of(mobile="7744876415") == {"Favorite Color": "Blue"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.base_url, trust_env=False)
    assert not [thread for thread in threading.enumerate() if thread.name == "sandbox"]
    assert capfd.readouterr() == ("", "")


def test_two_sandboxes_share_nothing() -> None:
    """Tests may run several at once."""
    with EmbeddedSandbox() as one, EmbeddedSandbox(SandboxOptions(username="u", password="p")) as two:
        assert one.port != two.port
        assert httpx.post(
            one.base_url + POST, json=body(customer(user_id="1")), headers=TILL, trust_env=False
        ).is_success
        assert httpx.post(two.base_url + POST, json=body(customer(user_id="1")), headers=TILL, trust_env=False).is_error
        assert (len(one.state.accepted), len(two.state.accepted)) == (1, 0)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Twenty requests on one connection take far less than twenty times the 40 ms of a delayed ACK: with those no
    twenty ever do, without them some do on the busiest machine."""
    with EmbeddedSandbox() as sandbox, httpx.Client(base_url=sandbox.base_url, headers=TILL, trust_env=False) as http:
        took: list[float] = []
        while len(took) < 50 and min(took, default=1.0) >= 0.4:
            for n in range(20):
                http.post(POST, json=body(customer(external_id=f"A{n}")))
            times = [request.at for request in sandbox.state.requests[-20:]]
            took.append(times[-1] - times[0])
        assert min(took) < 0.4


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_stopped(number: signal.Signals, tmp_path: Path) -> None:
    """`serve` announces its address once it takes calls, and ends on SIGINT and SIGTERM with its state kept."""
    script = (
        "from importer.sandbox import SandboxOptions, serve\n"
        f"options = SandboxOptions(database={str(tmp_path / 'state.db')!r})\n"
        "serve(options, '127.0.0.1', 0, lambda url: print(url, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.post(url + POST, json=body(customer(external_id="A")), headers=TILL, trust_env=False)
        assert answer.json()["response"]["status"]["code"] == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=250)
    finally:
        process.kill()
    assert process.returncode in {0, -number}
    assert errors == ""
    with EmbeddedSandbox(SandboxOptions(database=str(tmp_path / "state.db"))) as sandbox:
        assert sandbox.state.preferences_of(external_id="A") == {"Favorite Color": "Blue"}


def test_it_shares_nothing_with_the_importer() -> None:
    """No module of the sandbox imports one of the importer's: shared code would share its mistakes."""
    for path in Path(importer.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("importer") or name.startswith("importer.sandbox"), (path.name, name)
                assert not name.startswith("httpx"), path.name
