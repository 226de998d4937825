"""The network over real sockets: what breaks there is one typed failure each, and the run survives what passes."""

from __future__ import annotations

import asyncio
import base64
import errno
import gzip
import os
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trustme

from importer.capillary.client import Client, ClientOptions
from importer.capillary.codes import Next
from importer.capillary.proxies import proxies_of
from importer.capillary.triage import RequestFailed, Trouble
from importer.capillary.wire import LONGEST_HEADER, encode_body, encode_customer
from importer.errors import ExitCode, SettingsError
from importer.model import Reply, Status
from tests.support.fault_server import (
    Behaviour,
    FaultServer,
    answer_to,
    black_hole,
    bomb,
    close,
    closed_port,
    drip,
    half_an_answer,
    no_http,
    packed,
    reset,
    saying,
    sound,
)
from tests.support.sending import TILL, Ran, Rig, customers

BODY = encode_body(map(encode_customer, customers(3)))


def ask(base_url: str, deadline: float = 5.0, **options: Any) -> Reply | RequestFailed:
    """One batch to a server, and what the client makes of it."""

    async def send() -> Reply | RequestFailed:
        async with Client(
            ClientOptions(
                base_url,
                deadline=deadline,
                certificates=os.environ.get("SSL_CERT_FILE", ""),
                proxies=proxies_of(os.environ),
                **options,
            ),
            TILL,
            time.monotonic,
        ) as client:
            try:
                return await client.set_preferences(BODY)
            except RequestFailed as error:
                return error

    return asyncio.run(send())


def failure(base_url: str, **options: Any) -> RequestFailed:
    found = ask(base_url, **options)
    assert isinstance(found, RequestFailed)
    return found


def run(server: FaultServer | str, rows: int = 10, **settings: Any) -> Ran:
    """A whole run against a server over real sockets, without waiting between attempts."""
    base_url = server if isinstance(server, str) else server.base_url
    return asyncio.run(Rig(base_url=base_url, jitter=lambda: 0.0, **settings).send(customers(rows)))


# ---------------------------------------------------------------------------------------------------- connections


@pytest.mark.parametrize("behaviour", [reset, close, half_an_answer], ids=lambda behaviour: behaviour.__name__)
def test_a_connection_that_breaks_after_the_batch_was_taken_leaves_it_in_doubt(behaviour: Behaviour) -> None:
    """The server may have applied it: nothing is known of any row."""
    with FaultServer(behaviour) as server:
        trouble = failure(server.base_url).trouble
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "connection", True)
    assert trouble.message.endswith(" broke"), "and did not take too long"


@pytest.mark.parametrize("behaviour", [reset, close, half_an_answer], ids=lambda behaviour: behaviour.__name__)
def test_the_same_bytes_go_again(behaviour: Behaviour) -> None:
    """A batch whose connection broke is sent again as it was, and its rows succeed."""
    with FaultServer(behaviour, behaviour, sound) as server:
        result = run(server)
    assert result.stop is None
    assert result.count(Status.SUCCEEDED) == 10
    assert server.bodies[0] == server.bodies[1] == server.bodies[2]
    assert len(server.bodies) == 3
    assert len(result.scribe.seen) == 1, "an attempt never makes a new batch"


def test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown() -> None:
    """A batch that breaks every connection: five attempts, halves, rows alone, `unknown`; never a guess."""
    with FaultServer(reset) as server:
        result = run(server, rows=2)
    assert result.stop is None
    assert result.scribe.rows(Status.UNKNOWN) == {2, 3}
    assert len(server.bodies) == 5 + 2 + 2
    assert {outcome.code for outcome in result.scribe.outcomes.values()} == {"no_answer"}


def test_a_drip_ends_at_the_deadline_over_the_whole_attempt() -> None:
    """No read timeout ends the attempt, because a byte arrives often: the deadline does."""
    with FaultServer(drip) as server:
        began = time.monotonic()
        trouble = failure(server.base_url, deadline=0.6).trouble
        took = time.monotonic() - began
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "timeout", True)
    assert 0.5 < took < 20, "all of the answer would take longer"


def test_a_black_hole_ends_at_the_deadline() -> None:
    with FaultServer(black_hole) as server:
        began = time.monotonic()
        trouble = failure(server.base_url, deadline=0.5).trouble
        took = time.monotonic() - began
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "timeout", True)
    assert took < 20, "as long as the server waits"


def test_a_server_that_does_not_speak_http_is_a_temporary_problem() -> None:
    with FaultServer(no_http) as server:
        assert failure(server.base_url).trouble.next is Next.AGAIN


def test_a_refused_connection_leaves_no_doubt() -> None:
    """Nothing was sent: the rows are certainly untouched, and it may pass."""
    with closed_port() as port:
        trouble = failure(f"http://127.0.0.1:{port}").trouble
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "connect", False)
    assert "127.0.0.1" in trouble.message


def test_a_closed_port_ends_the_run_with_5_after_the_outage_and_no_row_is_touched() -> None:
    with closed_port() as port:
        result = run(f"http://127.0.0.1:{port}", max_outage=0.3)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.stop is not None and "cannot connect to 127.0.0.1" in result.stop.message
    assert result.scribe.outcomes == {}
    assert result.scribe.doubtful_rows() == set()


def test_keep_alive_uses_one_connection() -> None:
    with FaultServer(sound) as server:
        result = run(server, rows=40, batch_size=4, concurrency=1)
    assert result.count(Status.SUCCEEDED) == 40
    assert (len(server.bodies), server.connections) == (10, 1)


# ---------------------------------------------------------------------------------------------------- names


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A resolver that fails with the errors of the list, one after the other, and then finds 127.0.0.1."""
    errors: list[int] = []
    real = socket.getaddrinfo

    def fake(host: Any, *args: Any, **more: Any) -> Any:
        if host in ("api.invalid", b"api.invalid"):
            if errors:
                raise socket.gaierror(errors.pop(0), "raised by the test")
            host = "127.0.0.1"
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    yield errors


@pytest.mark.parametrize("errno", [socket.EAI_NONAME, socket.EAI_NODATA])
def test_an_unknown_host_stops_with_2_and_no_row_failed(resolver: list[int], errno: int) -> None:
    resolver += [errno] * 100
    result = run("http://api.invalid:9")
    assert result.exit_code is ExitCode.SETTINGS
    assert result.stop is not None and "host api.invalid does not exist" in result.stop.message
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()
    assert len(resolver) == 99, "it is asked once"


@pytest.mark.parametrize("errno", [socket.EAI_AGAIN, socket.EAI_FAIL])
def test_a_name_server_that_is_away_for_a_moment_is_waited_for(resolver: list[int], errno: int) -> None:
    resolver += [errno] * 2
    with FaultServer(sound) as server:
        result = run(f"http://api.invalid:{server.port}")
    assert result.stop is None
    assert result.count(Status.SUCCEEDED) == 10


# ---------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_an_untrusted_certificate_stops_with_2(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with FaultServer(sound, tls=server_side(authority, "127.0.0.1")) as server:
        result = run(server)
    assert result.exit_code is ExitCode.SETTINGS
    assert result.stop is not None and "SSL_CERT_FILE" in result.stop.advice
    assert server.bodies == [] and result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


def test_ssl_cert_file_makes_a_certificate_trusted(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with FaultServer(sound, tls=server_side(authority, "127.0.0.1")) as server:
        assert isinstance(ask(server.base_url), Reply)


def test_a_certificate_for_another_name_stops_with_2(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with FaultServer(sound, tls=server_side(authority, "other.example.com")) as server:
        assert failure(server.base_url).trouble.next is Next.SETTINGS
    assert server.bodies == []


def test_a_certificate_file_without_certificates_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match="contains no certificates"):
        ask("https://127.0.0.1:9")


def test_https_to_a_plain_http_server_is_reported() -> None:
    with FaultServer(close, greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        trouble = failure(server.base_url.replace("http:", "https:")).trouble
    assert (trouble.code, trouble.doubt) == ("tls", False)


@pytest.mark.parametrize("address", ["", "eu.api.example.com", "ftp://x", "http://", "http://[::1", "https://:443"])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="not a valid address"):
        ask(address)


# ---------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "304 Not Modified", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_never_followed_and_stops_with_2(status: str) -> None:
    """A client that follows redirects turned a POST into a GET and reported success."""
    with FaultServer(sound) as elsewhere:
        location = f"Location: {elsewhere.base_url}/login"
        body = b"" if status.startswith("304") else b'{"response":{"customer":[{"item_status":{"success":"true"}}]}}'
        with FaultServer(saying(body, status, location)) as server:
            result = run(server)
    assert result.exit_code is ExitCode.SETTINGS
    assert result.stop is not None and "127.0.0.1" in result.stop.message
    assert len(server.bodies) == 1 and elsewhere.bodies == []
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


def test_a_redirect_to_nowhere_is_still_a_redirect() -> None:
    for location in ("Location: http://[bad", "Location: /login", "X-Nothing: 1"):
        with FaultServer(saying(b"", "302 Found", location)) as server:
            assert failure(server.base_url).trouble.next is Next.SETTINGS


# ---------------------------------------------------------------------------------------------------- content

PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"


@pytest.mark.parametrize(
    "body", [PAGE, b"", b'["OK"]', b'{"response":{"customer":[]}}'], ids=["html", "empty", "list", "none"]
)
def test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2(body: bytes) -> None:
    """No customer succeeded. A login page in front of the API is configuration."""
    with FaultServer(saying(body)) as server:
        result = run(server, rows=10, batch_size=1)
    assert result.exit_code is ExitCode.SETTINGS
    assert len(server.bodies) == 2
    assert result.scribe.outcomes == {}


@pytest.mark.slow
def test_a_gzip_bomb_is_unreadable_and_never_unpacked_whole() -> None:
    """300 KiB that unpack to 256 MiB: the cap of 16 MiB holds, and memory with it."""
    with FaultServer(bomb(256)) as server:
        tracemalloc.start()
        trouble = failure(server.base_url).trouble
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (trouble.next, trouble.doubt) == (Next.WARNING, True)
    assert most < 64 << 20


@pytest.mark.slow
def test_a_gzip_bomb_in_one_piece_is_never_unpacked_whole() -> None:
    """However large the pieces are in which the network hands the answer over."""
    packed_bomb = gzip.compress(b" " * (256 << 20), 9)

    class Whole(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            headers = {"Content-Encoding": "gzip"}
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(packed_bomb))

    async def send() -> Trouble:
        async with Client(ClientOptions("http://api.test"), TILL, time.monotonic, Whole()) as client:
            with pytest.raises(RequestFailed) as failed:
                await client.set_preferences(BODY)
            return failed.value.trouble

    tracemalloc.start()
    trouble = asyncio.run(send())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert trouble.next is Next.WARNING
    assert most < 64 << 20


def test_a_plain_answer_that_never_ends_is_cut_off_too() -> None:
    with FaultServer(saying(b" " * (17 << 20))) as server:
        assert failure(server.base_url).trouble.next is Next.WARNING


def test_an_answer_in_gzip_is_read() -> None:
    with FaultServer(packed) as server:
        reply = ask(server.base_url)
    assert isinstance(reply, Reply) and reply.items is not None and len(reply.items) == 3


@pytest.mark.parametrize("encoding", ["br", "zstd", "nonsense", "gzip, gzip"])
def test_an_answer_in_an_encoding_that_was_not_requested_is_unreadable(encoding: str) -> None:
    with FaultServer(saying(b"xxx", "200 OK", f"Content-Encoding: {encoding}")) as server:
        assert failure(server.base_url).trouble.next is Next.WARNING


def test_any_content_in_an_encoding_that_was_not_requested_is_unreadable() -> None:
    with FaultServer(saying(gzip.compress(answer_to(BODY)), "200 OK", "Content-Encoding: br")) as server:
        assert failure(server.base_url).trouble.next is Next.WARNING


@pytest.mark.parametrize("body", [b"no gzip", b"\x1f\x8b\x08\x00"], ids=["other", "cut"])
def test_an_answer_labelled_gzip_that_is_not_gzip_is_unreadable(body: bytes) -> None:
    with FaultServer(saying(body, "200 OK", "Content-Encoding: gzip")) as server:
        assert failure(server.base_url).trouble.next is Next.WARNING


def test_gzip_without_its_checksum_is_unreadable() -> None:
    """All of the content could be unpacked, but it cannot be verified."""
    with FaultServer(saying(gzip.compress(answer_to(BODY))[:-6], "200 OK", "Content-Encoding: gzip")) as server:
        assert failure(server.base_url).trouble.next is Next.WARNING


def test_requests_in_gzip_behind_the_setting() -> None:
    with FaultServer(close) as server:
        ask(server.base_url, gzip=True)
    assert server.bodies[0].startswith(b"\x1f\x8b")


def test_the_call_is_the_documented_one() -> None:
    with FaultServer(sound) as server:
        reply = ask(server.base_url + "/")
    assert server.paths == ["/v1.1/customer/preferences?format=json"]
    assert server.bodies == [BODY]
    assert isinstance(reply, Reply)


def test_a_network_failure_needs_no_module_to_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When sockets run out, files cannot be opened either. The failure is a temporary problem all the same."""

    async def send(base_url: str) -> RequestFailed:
        options = ClientOptions(base_url, proxies=proxies_of({}))
        async with Client(options, TILL, time.monotonic) as client:
            monkeypatch.setattr("importer.capillary.client.late", exhausted)
            with pytest.raises(RequestFailed) as failed:
                await client.set_preferences(BODY)
            return failed.value

    def exhausted(*_: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with closed_port() as port:
        trouble = asyncio.run(send(f"http://127.0.0.1:{port}")).trouble
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "connect", False)


# ---------------------------------------------------------------------------------------------------- what is between


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy yet."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "address",
    [
        "socks5://u:hush@127.0.0.1:9",
        "ftp://u:hush@127.0.0.1",
        "http://u:hush@127.0.0.1:none",
        "http://",
        "http://[::1:9",
        "http://u:hush@host:99999",
        "http://[",
    ],
)
def test_a_proxy_that_is_not_http_is_refused_before_anything_is_sent(address: str, proxied: pytest.MonkeyPatch) -> None:
    """HTTP was spoken to a SOCKS proxy until the deadline. The value may hold a password and is not shown."""
    proxied.setenv("HTTP_PROXY", address)
    with pytest.raises(SettingsError, match="HTTP_PROXY is not the address") as caught:
        ask("http://127.0.0.1:9")
    assert "hush" not in str(caught.value)


def test_through_a_proxy_with_a_password_of_any_letters(proxied: pytest.MonkeyPatch) -> None:
    with FaultServer(sound) as proxy:
        proxied.setenv("http_proxy", proxy.base_url.replace("//", "//asha:%E0%A4%95%40@"))
        assert isinstance(ask("http://far.invalid"), Reply)
    assert proxy.heads[0].startswith("POST http://far.invalid/v1.1/customer/preferences?format=json ")
    encoded = base64.b64encode("asha:क@".encode()).decode()
    assert f"\r\nproxy-authorization: Basic {encoded}" in proxy.heads[0]


def test_the_password_of_a_proxy_is_sent_with_connect(proxied: pytest.MonkeyPatch) -> None:
    """A refusal is reported as the proxy's."""
    with FaultServer(saying(b"", "407 Proxy Authentication Required")) as proxy:
        proxied.setenv("https_proxy", proxy.base_url.replace("//", "//asha:hush@"))
        trouble = failure("https://far.invalid").trouble
    assert trouble.code == "proxy"
    encoded = base64.b64encode(b"asha:hush").decode()
    assert proxy.heads[0].startswith("CONNECT far.invalid:443 ")
    assert f"\r\nproxy-authorization: Basic {encoded}\r\n" in proxy.heads[0]
    assert "hush" not in trouble.message


def test_an_unreachable_proxy_is_reported_as_the_proxy(proxied: pytest.MonkeyPatch) -> None:
    """Not as a host that does not exist: --base-url is right."""
    with closed_port() as port:
        proxied.setenv("http_proxy", f"http://127.0.0.1:{port}")
        trouble = failure("http://far.invalid").trouble
    assert (trouble.next, trouble.code, trouble.doubt) == (Next.AGAIN, "proxy", False)
    assert "cannot connect to the proxy" in trouble.message and "HTTP_PROXY" in trouble.advice


def test_a_proxy_with_an_unknown_name_is_reported_as_the_proxy(
    proxied: pytest.MonkeyPatch, resolver: list[int]
) -> None:
    resolver += [socket.EAI_NONAME] * 9
    proxied.setenv("http_proxy", "http://api.invalid:3128")
    trouble = failure("http://far.invalid").trouble
    assert (trouble.next, trouble.code) == (Next.SETTINGS, "proxy")
    assert "HTTP_PROXY" in trouble.advice and "base-url" not in trouble.advice


def test_a_proxy_that_requires_a_password_is_reported_as_the_proxy(proxied: pytest.MonkeyPatch) -> None:
    with FaultServer(saying(b"", "407 Proxy Authentication Required")) as proxy:
        proxied.setenv("http_proxy", proxy.base_url)
        trouble = failure("http://far.invalid").trouble
    assert trouble.next is Next.FOREIGN
    assert "proxy" in trouble.message


@pytest.mark.parametrize("base", ["http://far.invalid", ""], ids=["named in the environment", "not named"])
def test_a_refusal_of_the_proxy_is_reported_as_the_proxys(proxied: pytest.MonkeyPatch, base: str) -> None:
    """Not as refused credentials: they did not reach the server."""
    page = saying(b"<html>ERR_ACCESS_DENIED</html>", "403 Forbidden", "Server: squid/5.7", "X-Squid-Error: ERR 0")
    with FaultServer(page) as proxy:
        if base:
            proxied.setenv("http_proxy", proxy.base_url)
        ran = run(base or proxy)
    assert ran.exit_code is ExitCode.SETTINGS
    assert ran.stop is not None and "proxy" in ran.stop.message and "credentials" not in str(ran.stop)
    assert not ran.scribe.outcomes and not ran.scribe.doubtful_rows()


def test_a_403_of_unknown_origin_names_server_and_proxy(proxied: pytest.MonkeyPatch) -> None:
    with FaultServer(saying(b"<html>Forbidden</html>", "403 Forbidden", "Via: 1.1 edge")) as server:
        ran = run(server)
    assert ran.exit_code is ExitCode.REFUSED
    assert ran.stop is not None and "proxy" in ran.stop.message and "credentials" in ran.stop.message


def test_a_request_id_is_cut_and_without_control_characters() -> None:
    """It stands in every report. The host of a redirect stands in a message."""
    with FaultServer(saying(answer_to(BODY), "200 OK", "X-CAP-REQUEST-ID: r-\x9b31m7" + "A" * 50_000)) as server:
        reply = ask(server.base_url)
    assert isinstance(reply, Reply)
    assert reply.request_id.startswith("r-7AAA") and len(reply.request_id) <= LONGEST_HEADER
    with FaultServer(saying(b"", "307 Moved", "Location: http://evil\x9b31m.example" + "a" * 5000 + "/")) as server:
        failed = ask(server.base_url)
    assert isinstance(failed, RequestFailed)
    assert failed.trouble.message.isprintable() and len(failed.trouble.message) < 2 * LONGEST_HEADER


def test_an_answer_behind_long_and_many_headers_is_read() -> None:
    """A gateway's header of 100 KB made every row of an applied batch unknown."""
    headers = ["X-Long: " + "a" * 100_000, *(f"X-{n}: {n}" for n in range(300))]
    with FaultServer(saying(answer_to(BODY), "200 OK", *headers)) as server:
        assert isinstance(ask(server.base_url), Reply)
