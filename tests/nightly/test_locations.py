"""Inboxes and outboxes that are not of this machine: an SFTP server and an S3 server, both real, both on loopback."""

from __future__ import annotations

import asyncio
import datetime
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import fsspec
import httpx
import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

import importer.nightly.night
import importer.pipeline
from importer.errors import ExitCode, ImporterError, SettingsError
from importer.nightly.locations import Access, Folder, Mistrusted, Refused, Remote, expanded, open_place
from importer.sandbox import EmbeddedSandbox
from tests.support.fault_server import closed_port
from tests.support.nightly import House, mobiles, sheet, until

NIGHT = datetime.date(2026, 11, 24)
NAME = "customers-2026-11-23.csv"


class SFTPServer:
    """asyncssh's server on a folder, in a thread: not the library that the importer connects with."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = folder / "id_ed25519"
        self.key_file.write_bytes(self.user_key.export_private_key("openssh"))
        self.key_file.chmod(0o600)
        self.known_hosts = folder / "known_hosts"
        self.port = 0
        #: Without the extensions of OpenSSH.
        self.old = False
        #: Those that are open now.
        self.connections: list[asyncssh.SSHServerConnection] = []
        self._loop = asyncio.new_event_loop()

    async def _serve(self) -> None:
        server = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                self._connection = conn
                server.connections.append(conn)

            def connection_lost(self, exc: Exception | None) -> None:
                server.connections.remove(self._connection)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("loader", "p@ss/word")

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == "loader" and key == server.user_key.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
                if server.old:
                    raise asyncssh.SFTPOpUnsupported("no extensions here")
                super().posix_rename(oldpath, newpath)

        def files(channel: Any) -> asyncssh.SFTPServer:
            return Files(channel, chroot=os.fsencode(self.root))

        self._server = await asyncssh.create_server(
            Login, "127.0.0.1", 0, server_host_keys=[self.host_key], sftp_factory=files
        )
        self.port = self._server.get_port()

    def __enter__(self) -> SFTPServer:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        public = self.host_key.export_public_key("openssh").decode()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}")
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[SFTPServer]:
    root = tmp_path / "theirs"
    (root / "outgoing").mkdir(parents=True)
    with SFTPServer(root, tmp_path) as running:
        yield running


def test_a_night_by_sftp(house: House, sftp: SFTPServer, sandbox: EmbeddedSandbox) -> None:
    """Taken by key, moved at the server, reports put there; markers move along; a name that is taken stays."""
    theirs = sftp.root / "outgoing"
    (theirs / NAME).write_text(sheet(0))
    (theirs / f"{NAME}.ok").touch()
    (theirs / "customers-2026-11-22.csv").write_text(sheet(100))  # no marker: still being written
    (theirs / "x.csv.part").write_text("half")
    (theirs / "done").mkdir()
    (theirs / "done" / NAME).write_text("of another night")
    house.settings |= {
        "inbox": f"sftp://loader@127.0.0.1:{sftp.port}/outgoing",
        "outbox": f"sftp://loader@127.0.0.1:{sftp.port}/reports",
        "key-file": str(sftp.key_file),
        "known-hosts": str(sftp.known_hosts),
        "marker": ".ok",
    }
    found = house.look(NIGHT)
    assert (found.exit_code, [file.moved_to for file in found.files]) == (0, ["done/customers-2026-11-23.2.csv"])
    assert found.waiting == ("customers-2026-11-22.csv",)
    assert sorted(path.name for path in theirs.iterdir()) == ["customers-2026-11-22.csv", "done", "x.csv.part"]
    assert (theirs / "done" / NAME).read_text() == "of another night"
    assert (theirs / "done" / "customers-2026-11-23.2.csv").read_text() == sheet(0)
    assert (theirs / "done" / f"{NAME}.ok").exists()
    (reports,) = (sftp.root / "reports").iterdir()
    assert {"results.csv", "summary.html", "summary.json"} == {path.name for path in reports.iterdir()}
    assert len(mobiles(sandbox)) == 30
    # The next look finds nothing new and sends nothing.
    assert house.look().files == ()


def test_an_sftp_password_comes_from_the_environment(house: House, sftp: SFTPServer) -> None:
    """Whatever characters it has, quoted as addresses want it."""
    house.environ |= {"SFTP_PASSWORD": "p@ss/word", "SFTP_HOST": f"127.0.0.1:{sftp.port}"}
    access = Access(house.environ, known_hosts=str(sftp.known_hosts))
    place = open_place("sftp://loader:${SFTP_PASSWORD}@${SFTP_HOST}/outgoing", access)
    assert place.list() == []
    house.environ["SFTP_PASSWORD"] = "forgotten"
    with pytest.raises(Refused) as error:
        open_place("sftp://loader:${SFTP_PASSWORD}@${SFTP_HOST}/outgoing", access)
    assert "forgotten" not in str(error.value)
    assert error.value.exit_code == ExitCode.REFUSED


def test_a_server_with_another_key_is_refused(house: House, sftp: SFTPServer) -> None:
    """fsspec alone would take any: whoever stands between would get the customers."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    sftp.known_hosts.write_text(f"[127.0.0.1]:{sftp.port} {other}")
    access = Access(house.environ, str(sftp.key_file), str(sftp.known_hosts))
    with pytest.raises(Mistrusted, match="BadHostKey"):
        open_place(f"sftp://loader@127.0.0.1:{sftp.port}/outgoing", access)
    sftp.known_hosts.write_text("")
    with pytest.raises(Mistrusted, match="known-hosts") as error:
        open_place(f"sftp://loader@127.0.0.1:{sftp.port}/outgoing", access)
    assert error.value.exit_code == ExitCode.SETTINGS


def test_an_inbox_that_cannot_be_reached_is_trouble_that_passes(house: House, sftp: SFTPServer) -> None:
    """5, told as such; what was claimed before goes on all the same."""
    with closed_port() as port:
        house.settings |= {
            "inbox": f"sftp://loader@127.0.0.1:{port}/outgoing",
            "key-file": str(sftp.key_file),
            "known-hosts": str(sftp.known_hosts),
        }
        found = house.look(NIGHT)
    assert (found.exit_code, found.state, found.reasons) == (ExitCode.TROUBLE, "critical", ("trouble",))


def by_sftp(house: House, sftp: SFTPServer) -> None:
    house.settings |= {
        "inbox": f"sftp://loader@127.0.0.1:{sftp.port}/outgoing",
        "key-file": str(sftp.key_file),
        "known-hosts": str(sftp.known_hosts),
    }


def test_places_of_one_server_share_a_connection(house: House, sftp: SFTPServer) -> None:
    """A move is the server's own, not a copy through here; and no look leaves its connection open."""
    by_sftp(house, sftp)
    house.settings["done"] = f"sftp://loader@127.0.0.1:{sftp.port}/imported"
    path = sftp.root / "outgoing" / NAME
    path.write_text(sheet(0))
    number = path.stat().st_ino
    (result,) = house.look(NIGHT).files
    assert result.moved_to == f"done/{NAME}"
    assert (sftp.root / "imported" / NAME).stat().st_ino == number
    for _ in range(3):
        house.look()
    until(lambda: not sftp.connections)


def test_a_long_run_may_cost_the_connection(house: House, sftp: SFTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that drops who says nothing: the file is delivered by a new connection, and that is no trouble."""
    by_sftp(house, sftp)
    (sftp.root / "outgoing" / NAME).write_text(sheet(0))

    def dropped(*given: Any) -> Any:
        summary = importer.pipeline.run(*given)
        for connection in list(sftp.connections):
            sftp._loop.call_soon_threadsafe(connection.abort)
        until(lambda: not sftp.connections)
        return summary

    monkeypatch.setattr(importer.nightly.night, "STALE_AFTER", 0.0)
    monkeypatch.setattr(importer.nightly.night, "run", dropped)
    found = house.look(NIGHT)
    assert (found.exit_code, [file.moved_to for file in found.files]) == (0, [f"done/{NAME}"])


def test_a_server_without_extensions(house: House, sftp: SFTPServer, tmp_path: Path) -> None:
    """Reports are replaced there too."""
    sftp.old = True
    place = open_place(
        f"sftp://loader@127.0.0.1:{sftp.port}/reports", Access(house.environ, str(sftp.key_file), str(sftp.known_hosts))
    )
    for content in ("one", "two"):
        (tmp_path / "report").write_text(content)
        place.put(tmp_path / "report", "run/report")
        assert (sftp.root / "reports" / "run" / "report").read_text() == content
    assert [path.name for path in (sftp.root / "reports" / "run").iterdir()] == ["report"]
    place.close()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server on loopback, which s3fs finds by the environment as it would find Amazon's."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    httpx.post(f"http://{host}:{port}/moto-api/reset")  # its memory is the process's, whichever server asks
    client = boto3.client("s3")
    client.create_bucket(Bucket="night")
    yield client
    server.stop()


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="night").get("Contents", [])]


def test_a_night_by_s3(house: House, s3: Any, sandbox: EmbeddedSandbox) -> None:
    """From a bucket to done in the bucket, reports too; what cannot be read to failed; nothing is overwritten."""
    s3.put_object(Bucket="night", Key=f"in/{NAME}", Body=sheet(0).encode())
    s3.put_object(Bucket="night", Key="in/broken.csv", Body=b"\x00\x01" * 100)
    s3.put_object(Bucket="night", Key="in/failed/broken.csv", Body=b"of another night")
    house.settings |= {"inbox": "s3://night/in", "outbox": "s3://night/reports", "settle": "30s"}
    found = house.look(NIGHT)
    assert found.exit_code == ExitCode.SOURCE
    assert [file.moved_to for file in found.files] == ["failed/broken.2.csv", f"done/{NAME}"]
    run_id = found.files[1].run_id
    assert keys(s3) == [
        f"in/done/{NAME}",
        "in/failed/broken.2.csv",
        "in/failed/broken.2.csv.why.txt",
        "in/failed/broken.csv",
        *sorted(f"reports/{run_id}/{name}" for name in ("results.csv", "summary.html", "summary.json")),
    ]
    assert s3.get_object(Bucket="night", Key="in/failed/broken.csv")["Body"].read() == b"of another night"
    assert len(mobiles(sandbox)) == 30
    assert house.look().files == ()


def test_a_bucket_that_is_not_there_is_no_empty_inbox(house: House, s3: Any) -> None:
    """A misspelt name must not look well, night after night; a folder that nobody has put anything into yet does."""
    house.settings["inbox"] = "s3://nihgt/in"
    found = house.look(NIGHT)
    assert (found.exit_code, found.state) == (ExitCode.TROUBLE, "critical")
    house.settings["inbox"] = "s3://night/not-yet"
    assert house.look(NIGHT).exit_code == 0


def test_an_object_that_changes_while_it_is_taken_waits(house: House, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version came between the listing and the copy: neither is imported until it has settled."""
    s3.put_object(Bucket="night", Key=f"in/{NAME}", Body=sheet(0).encode())
    house.settings |= {"inbox": "s3://night/in", "settle": "30s"}
    fetch = Remote.fetch

    def changed(self: Remote, name: str, to: Path) -> None:
        fetch(self, name, to)
        s3.put_object(Bucket="night", Key=f"in/{NAME}", Body=sheet(1).encode())

    monkeypatch.setattr(Remote, "fetch", changed)
    found = house.look(NIGHT)
    assert (found.exit_code, found.files, found.waiting) == (0, (), (NAME,))
    monkeypatch.setattr(Remote, "fetch", fetch)
    assert [file.what for file in house.look(NIGHT, "02:10").files] == ["imported"]


@pytest.fixture
def gs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system of a Google Cloud Storage emulator, which gcsfs finds by the environment."""
    # What gcsfs asks by gRPC, whether a bucket has folders, the emulator does not know.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    # As FSSPEC_GS_TOKEN=anon would; otherwise it looks for credentials in the cloud.
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="night")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
    yield fsspec.filesystem("gs", skip_instance_cache=True, use_listings_cache=False)
    server.stop()


def test_a_night_by_gs(house: House, gs: Any, sandbox: EmbeddedSandbox) -> None:
    """From a bucket to done in the bucket, reports too; nothing is overwritten; a misspelt bucket is no empty one."""
    gs.pipe_file(f"night/in/{NAME}", sheet(0).encode())
    gs.pipe_file(f"night/in/done/{NAME}", b"of another night")
    house.settings |= {"inbox": "gs://night/in", "outbox": "gs://night/reports", "settle": "30s"}
    (result,) = house.look(NIGHT).files
    again = NAME.replace(".csv", ".2.csv")
    assert (result.exit_code, result.moved_to) == (0, f"done/{again}")
    reports = [f"night/reports/{result.run_id}/{name}" for name in ("results.csv", "summary.html", "summary.json")]
    assert gs.find("night") == [f"night/in/done/{again}", f"night/in/done/{NAME}", *reports]
    assert gs.cat_file(f"night/in/done/{NAME}") == b"of another night"
    assert gs.cat_file(f"night/in/done/{again}") == sheet(0).encode()
    assert len(mobiles(sandbox)) == 30
    assert house.look().files == ()
    house.settings["inbox"] = "gs://nihgt/in"
    assert house.look(NIGHT).exit_code == ExitCode.TROUBLE


def test_from_one_kind_of_place_to_another(house: House, s3: Any, tmp_path: Path) -> None:
    """A move between them leaves the file where it was until it has arrived whole, and takes a free name."""
    s3.put_object(Bucket="night", Key="in/a.csv", Body=b"from afar")
    here, there = Folder(tmp_path / "here"), open_place("s3://night/in", Access(house.environ))
    here.path.mkdir()
    (here.path / "a.csv").write_text("from here")
    assert here.move("a.csv", there) == "a.2.csv"
    assert there.move("a.csv", here) == "a.csv"
    assert (here.path / "a.csv").read_text() == "from afar"
    assert keys(s3) == ["in/a.2.csv"]
    with pytest.raises(ImporterError):
        there.fetch("nobody.csv", tmp_path / "x")


def test_a_name_in_an_address_must_be_set(tmp_path: Path) -> None:
    """The message names the variable, which is what has to be set."""
    with pytest.raises(SettingsError, match="BUCKET is not set"):
        expanded("s3://${BUCKET}/in", {})
