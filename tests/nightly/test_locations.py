"""Locations on servers: real SFTP, S3 and Google Cloud Storage servers on the loopback interface."""

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
import s3fs
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

import importer.nightly.load
import importer.nightly.one_file
import importer.pipeline
from importer.errors import ExitCode, ImporterError, SettingsError
from importer.nightly.local import LocalFolder
from importer.nightly.location import HostKeyRejected, LocationDenied, LocationUnreachable
from importer.nightly.locations import open_location
from importer.nightly.remote import LocationAccess, RemoteFolder
from importer.sandbox import EmbeddedSandbox
from importer.settings.variables import expanded
from tests.support.fault_server import closed_port
from tests.support.nightly import House, mobiles, sheet, until

DAY = datetime.date(2026, 11, 24)
NAME = "customers-2026-11-23.csv"


class SFTPServer:
    """asyncssh's server for a folder, in a thread: another library than the importer's."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = folder / "id_ed25519"
        self.key_file.write_bytes(self.user_key.export_private_key("openssh"))
        self.key_file.chmod(0o600)
        self.known_hosts = folder / "known_hosts"
        self.port = 0
        #: Without OpenSSH's extensions.
        self.old = False
        #: Without the right to remove or rename files.
        self.keeps = False
        #: A file that may not be read.
        self.secret = ""
        #: Open connections.
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

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
                if server.secret and path.endswith(os.fsencode(server.secret)):
                    raise asyncssh.SFTPPermissionDenied("not yours")
                return super().open(path, pflags, attrs)

            def rename(self, oldpath: bytes, newpath: bytes) -> None:
                if server.keeps:
                    raise asyncssh.SFTPPermissionDenied("not yours")
                super().rename(oldpath, newpath)

            def remove(self, path: bytes) -> None:
                if server.keeps:
                    raise asyncssh.SFTPPermissionDenied("not yours")
                super().remove(path)

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
    root = tmp_path / "server"
    (root / "outgoing").mkdir(parents=True)
    with SFTPServer(root, tmp_path) as running:
        yield running


def test_a_load_by_sftp(house: House, sftp: SFTPServer, sandbox: EmbeddedSandbox) -> None:
    """Login by key; file and marker are moved on the server, reports are put there; no file is overwritten."""
    theirs = sftp.root / "outgoing"
    (theirs / NAME).write_text(sheet(0))
    (theirs / f"{NAME}.ok").touch()
    (theirs / "customers-2026-11-22.csv").write_text(sheet(100))  # no marker: incomplete
    (theirs / "x.csv.part").write_text("half")
    (theirs / "done").mkdir()
    (theirs / "done" / NAME).write_text("older")
    house.settings |= {
        "inbox": f"sftp://loader@127.0.0.1:{sftp.port}/outgoing",
        "outbox": f"sftp://loader@127.0.0.1:{sftp.port}/reports",
        "key-file": str(sftp.key_file),
        "known-hosts": str(sftp.known_hosts),
        "marker": ".ok",
    }
    found = house.look(DAY)
    assert (found.exit_code, [file.moved_to for file in found.files]) == (0, ["done/customers-2026-11-23.2.csv"])
    assert found.waiting == ("customers-2026-11-22.csv",)
    assert sorted(path.name for path in theirs.iterdir()) == ["customers-2026-11-22.csv", "done", "x.csv.part"]
    assert (theirs / "done" / NAME).read_text() == "older"
    assert (theirs / "done" / "customers-2026-11-23.2.csv").read_text() == sheet(0)
    assert (theirs / "done" / f"{NAME}.ok").exists()
    (reports,) = (sftp.root / "reports").iterdir()
    assert {"results.csv", "summary.html", "summary.json"} == {path.name for path in reports.iterdir()}
    assert len(mobiles(sandbox)) == 30
    assert house.look().files == ()


def test_an_sftp_password_comes_from_the_environment(house: House, sftp: SFTPServer) -> None:
    """With any characters."""
    house.environ |= {"IMPORTER_SFTP_PASSWORD": "p@ss/word", "IMPORTER_SFTP_HOST": f"127.0.0.1:{sftp.port}"}
    access = LocationAccess(house.environ, known_hosts=str(sftp.known_hosts))
    location = open_location("sftp://loader:${IMPORTER_SFTP_PASSWORD}@${IMPORTER_SFTP_HOST}/outgoing", access)
    assert location.list() == []
    house.environ["IMPORTER_SFTP_PASSWORD"] = "forgotten"
    with pytest.raises(LocationDenied) as error:
        open_location("sftp://loader:${IMPORTER_SFTP_PASSWORD}@${IMPORTER_SFTP_HOST}/outgoing", access)
    assert "forgotten" not in str(error.value)
    assert error.value.exit_code == ExitCode.REFUSED


def test_a_server_with_another_key_is_refused(house: House, sftp: SFTPServer) -> None:
    """fsspec alone accepts any key, and with it a machine in the middle."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    sftp.known_hosts.write_text(f"[127.0.0.1]:{sftp.port} {other}")
    access = LocationAccess(house.environ, str(sftp.key_file), str(sftp.known_hosts))
    with pytest.raises(HostKeyRejected, match="BadHostKey"):
        open_location(f"sftp://loader@127.0.0.1:{sftp.port}/outgoing", access)
    sftp.known_hosts.write_text("")
    with pytest.raises(HostKeyRejected, match="known-hosts") as error:
        open_location(f"sftp://loader@127.0.0.1:{sftp.port}/outgoing", access)
    assert error.value.exit_code == ExitCode.SETTINGS


def test_an_unreachable_inbox_is_a_temporary_problem(house: House, sftp: SFTPServer) -> None:
    """Exit code 5, with its reason."""
    with closed_port() as port:
        house.settings |= {
            "inbox": f"sftp://loader@127.0.0.1:{port}/outgoing",
            "key-file": str(sftp.key_file),
            "known-hosts": str(sftp.known_hosts),
        }
        found = house.look(DAY)
    assert (found.exit_code, found.state, found.reasons) == (ExitCode.TEMPORARY, "critical", ("trouble",))


def by_sftp(house: House, sftp: SFTPServer) -> None:
    house.settings |= {
        "inbox": f"sftp://loader@127.0.0.1:{sftp.port}/outgoing",
        "key-file": str(sftp.key_file),
        "known-hosts": str(sftp.known_hosts),
    }


def test_locations_of_one_server_share_a_connection(house: House, sftp: SFTPServer) -> None:
    """A move is a rename on the server, not a copy through this machine. No load leaves a connection open."""
    by_sftp(house, sftp)
    house.settings["done"] = f"sftp://loader@127.0.0.1:{sftp.port}/imported"
    path = sftp.root / "outgoing" / NAME
    path.write_text(sheet(0))
    number = path.stat().st_ino
    (result,) = house.look(DAY).files
    assert result.moved_to == f"done/{NAME}"
    assert (sftp.root / "imported" / NAME).stat().st_ino == number
    for _ in range(3):
        house.look()
    until(lambda: not sftp.connections)


def test_odd_entries_of_an_sftp_inbox_cost_only_themselves(
    house: House, sftp: SFTPServer, sandbox: EmbeddedSandbox
) -> None:
    """Names that are not UTF-8 or have a line break, another user's file, a link, a pipe: the others are imported."""
    by_sftp(house, sftp)
    theirs = sftp.root / "outgoing"
    for name in (b"caf\xe9.csv", b"a\nb.csv", b"mine.csv", b"zzz.csv"):
        Path(os.fsdecode(os.fsencode(theirs) + b"/" + name)).write_text(sheet(0 if name == b"zzz.csv" else 100))
    (theirs / "link.csv").symlink_to(theirs / "zzz.csv")
    (theirs / "folder.csv").symlink_to(sftp.root)
    os.mkfifo(theirs / "pipe.csv")
    sftp.secret = "mine.csv"
    found = house.look(DAY)
    assert {file.name: (file.what, file.moved_to) for file in found.files} == {
        "caf\\xe9.csv": ("unreadable", "failed/caf_.csv"),
        "a\\nb.csv": ("unreadable", "failed/a_b.csv"),
        "mine.csv": ("unreadable", "failed/mine.csv"),
        "zzz.csv": ("imported", "done/zzz.csv"),
    }
    assert sorted(note.split()[0] for note in found.notes) == ["link.csv", "pipe.csv"]
    assert len(mobiles(sandbox)) == 30
    assert (theirs / "failed" / "caf_.csv.why.txt").read_text().startswith("caf\\xe9.csv: ")
    assert sorted(path.name for path in theirs.iterdir() if not path.is_dir()) == ["link.csv", "pipe.csv"]


@pytest.mark.parametrize("other_folder", [False, True])
def test_an_sftp_account_that_may_not_remove(
    house: House, sftp: SFTPServer, sandbox: EmbeddedSandbox, other_folder: bool
) -> None:
    """The file is imported once, and copied to done once."""
    by_sftp(house, sftp)
    sftp.keeps = True
    if other_folder:
        house.settings["done"] = str(house.folder / "done")
    done = house.folder / "done" if other_folder else sftp.root / "outgoing" / "done"
    (sftp.root / "outgoing" / NAME).write_text(sheet(0))
    found = house.look(DAY)
    assert (found.exit_code, found.state, found.reasons) == (0, "warning", ("kept",))
    assert [file.moved_to for file in found.files] == [f"done/{NAME}"]
    assert house.look(DAY, "02:10").files == ()
    assert [path.name for path in done.iterdir()] == [NAME]
    assert len(mobiles(sandbox)) == 30


def test_a_refused_login_leaves_no_thread_and_no_socket(house: House, sftp: SFTPServer) -> None:
    """A refused key, password or host key: `--watch` connects once a minute, for months."""
    other = asyncssh.generate_private_key("ssh-ed25519")
    (house.folder / "other").write_bytes(other.export_private_key("openssh"))
    unknown = house.folder / "unknown"
    unknown.write_text(f"[127.0.0.1]:{sftp.port} {other.export_public_key('openssh').decode()}")
    address = f"sftp://loader@127.0.0.1:{sftp.port}/outgoing"
    house.environ["IMPORTER_SFTP"] = "wrong"

    by_password = address.replace("@", ":${IMPORTER_SFTP}@")

    def refused() -> None:
        for access, where in (
            (LocationAccess(house.environ, str(house.folder / "other"), str(sftp.known_hosts)), address),
            (LocationAccess(house.environ, str(sftp.key_file), str(unknown)), address),
            (LocationAccess(house.environ, known_hosts=str(sftp.known_hosts)), by_password),
        ):
            with pytest.raises((LocationDenied, HostKeyRejected)):
                open_location(where, access)

    def used() -> tuple[int, int]:
        return sum("paramiko" in repr(type(one)) for one in threading.enumerate()), len(os.listdir("/proc/self/fd"))

    refused()
    until(lambda: not sftp.connections)
    threads = used()[0]
    for _ in range(3):
        refused()
    until(lambda: not sftp.connections and used()[0] <= threads)
    sockets = used()[1]
    refused()
    until(lambda: not sftp.connections and used()[0] <= threads and used()[1] <= sockets)


def test_a_connection_lost_during_a_run(house: House, sftp: SFTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server drops idle connections: the file is delivered over a new one."""
    by_sftp(house, sftp)
    (sftp.root / "outgoing" / NAME).write_text(sheet(0))

    def dropped(*given: Any) -> Any:
        summary = importer.pipeline.run(*given)
        for connection in list(sftp.connections):
            sftp._loop.call_soon_threadsafe(connection.abort)
        until(lambda: not sftp.connections)
        return summary

    monkeypatch.setattr(importer.nightly.load, "STALE_AFTER", 0.0)
    monkeypatch.setattr(importer.nightly.one_file, "run", dropped)
    found = house.look(DAY)
    assert (found.exit_code, [file.moved_to for file in found.files]) == (0, [f"done/{NAME}"])


def test_a_server_without_extensions(house: House, sftp: SFTPServer, tmp_path: Path) -> None:
    """Reports are replaced there too."""
    sftp.old = True
    location = open_location(
        f"sftp://loader@127.0.0.1:{sftp.port}/reports",
        LocationAccess(house.environ, str(sftp.key_file), str(sftp.known_hosts)),
    )
    for content in ("one", "two"):
        (tmp_path / "report").write_text(content)
        location.put(tmp_path / "report", "run/report")
        assert (sftp.root / "reports" / "run" / "report").read_text() == content
    assert [path.name for path in (sftp.root / "reports" / "run").iterdir()] == ["report"]
    location.close()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[tuple[str, int]]:
    """Host and port of a local S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def s3(s3_server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a local server with one empty bucket, which s3fs finds by the environment."""
    host, port = s3_server
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    httpx.post(f"http://{host}:{port}/moto-api/reset")  # moto keeps one state for the process
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    return client


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", [])]


@pytest.mark.slow
def test_a_load_by_s3(house: House, s3: Any, sandbox: EmbeddedSandbox) -> None:
    """Files move to done or failed in the bucket, reports are put there; no object is overwritten."""
    s3.put_object(Bucket="bucket", Key=f"in/{NAME}", Body=sheet(0).encode())
    s3.put_object(Bucket="bucket", Key="in/broken.csv", Body=b"\x00\x01" * 100)
    s3.put_object(Bucket="bucket", Key="in/failed/broken.csv", Body=b"older")
    house.settings |= {"inbox": "s3://bucket/in", "outbox": "s3://bucket/reports", "settle": "30s"}
    found = house.look(DAY)
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
    assert s3.get_object(Bucket="bucket", Key="in/failed/broken.csv")["Body"].read() == b"older"
    assert len(mobiles(sandbox)) == 30
    assert house.look().files == ()


@pytest.mark.slow
def test_a_bucket_that_does_not_exist(house: House, s3: Any) -> None:
    """A misspelt bucket is a problem, not an empty inbox. A folder without objects is an empty inbox."""
    house.settings["inbox"] = "s3://nihgt/in"
    found = house.look(DAY)
    assert (found.exit_code, found.state) == (ExitCode.TEMPORARY, "critical")
    house.settings["inbox"] = "s3://bucket/not-yet"
    assert house.look(DAY).exit_code == 0


@pytest.mark.slow
def test_an_object_that_changes_during_the_copy_waits(house: House, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version between the listing and the end of the copy is imported once it has settled."""
    s3.put_object(Bucket="bucket", Key=f"in/{NAME}", Body=sheet(0).encode())
    house.settings |= {"inbox": "s3://bucket/in", "settle": "30s"}
    fetch = RemoteFolder.fetch

    def changed(self: RemoteFolder, name: str, to: Path) -> None:
        fetch(self, name, to)
        s3.put_object(Bucket="bucket", Key=f"in/{NAME}", Body=sheet(1).encode())

    monkeypatch.setattr(RemoteFolder, "fetch", changed)
    found = house.look(DAY)
    assert (found.exit_code, found.files, found.waiting) == (0, (), (NAME,))
    monkeypatch.setattr(RemoteFolder, "fetch", fetch)
    assert [file.what for file in house.look(DAY, "02:10").files] == ["imported"]


@pytest.mark.slow
def test_objects_that_cannot_be_fetched_or_removed(
    house: House, s3: Any, sandbox: EmbeddedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost only themselves: the others are imported, and none is copied or imported twice."""
    for number, name in enumerate(("cold.csv", NAME)):
        s3.put_object(Bucket="bucket", Key=f"in/{name}", Body=sheet(number * 100).encode())
    s3.put_object(Bucket="bucket", Key="in/")  # some programs create it for the folder
    house.settings |= {"inbox": "s3://bucket/in", "settle": "0s"}
    fetch = RemoteFolder.fetch

    def cold(self: RemoteFolder, name: str, to: Path) -> None:
        if name == "cold.csv":
            raise LocationUnreachable("Its storage class allows no copy.")
        fetch(self, name, to)

    def kept(self: Any, path: str) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(RemoteFolder, "fetch", cold)
    monkeypatch.setattr(s3fs.S3FileSystem, "rm_file", kept)
    found = house.look(DAY)
    results = {file.name: (file.what, file.moved_to) for file in found.files}
    assert results["cold.csv"] == ("left", "")
    assert results[NAME] == ("imported", f"done/{NAME}")
    (again,) = (file for file in house.look(DAY, "02:10").files if file.name == "cold.csv")
    assert again.what == "left"
    assert [key for key in keys(s3) if key.startswith("in/done/")] == [f"in/done/{NAME}"]
    assert len(mobiles(sandbox)) == 30


@pytest.fixture
def gs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system of a Google Cloud Storage emulator, which gcsfs finds by the environment."""
    # The emulator has no gRPC, by which gcsfs asks whether a bucket has folders.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    # Like FSSPEC_GS_TOKEN=anon: else gcsfs looks for credentials in the cloud.
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
    yield fsspec.filesystem("gs", skip_instance_cache=True, use_listings_cache=False)
    server.stop()


@pytest.mark.slow
def test_a_load_by_gs(house: House, gs: Any, sandbox: EmbeddedSandbox) -> None:
    """Files move to done in the bucket; no object is overwritten; a misspelt bucket is a problem."""
    gs.pipe_file(f"bucket/in/{NAME}", sheet(0).encode())
    gs.pipe_file(f"bucket/in/done/{NAME}", b"older")
    house.settings |= {"inbox": "gs://bucket/in", "outbox": "gs://bucket/reports", "settle": "30s"}
    (result,) = house.look(DAY).files
    again = NAME.replace(".csv", ".2.csv")
    assert (result.exit_code, result.moved_to) == (0, f"done/{again}")
    reports = [f"bucket/reports/{result.run_id}/{name}" for name in ("results.csv", "summary.html", "summary.json")]
    assert gs.find("bucket") == [f"bucket/in/done/{again}", f"bucket/in/done/{NAME}", *reports]
    assert gs.cat_file(f"bucket/in/done/{NAME}") == b"older"
    assert gs.cat_file(f"bucket/in/done/{again}") == sheet(0).encode()
    assert len(mobiles(sandbox)) == 30
    assert house.look().files == ()
    house.settings["inbox"] = "gs://nihgt/in"
    assert house.look(DAY).exit_code == ExitCode.TEMPORARY


@pytest.mark.slow
def test_a_move_between_kinds_of_location(house: House, s3: Any, tmp_path: Path) -> None:
    """The file is removed once its copy is complete, under a free name."""
    s3.put_object(Bucket="bucket", Key="in/a.csv", Body=b"from afar")
    here, there = LocalFolder(tmp_path / "here"), open_location("s3://bucket/in", LocationAccess(house.environ))
    here.path.mkdir()
    (here.path / "a.csv").write_text("from here")
    assert here.move("a.csv", there) == "a.2.csv"
    assert there.move("a.csv", here) == "a.csv"
    assert (here.path / "a.csv").read_text() == "from afar"
    assert keys(s3) == ["in/a.2.csv"]
    with pytest.raises(ImporterError):
        there.fetch("missing.csv", tmp_path / "x")


def test_a_name_in_an_address_must_be_set(tmp_path: Path) -> None:
    """The message names the variable to set."""
    with pytest.raises(SettingsError, match="IMPORTER_BUCKET is not set"):
        expanded("s3://${IMPORTER_BUCKET}/in", {})


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HOME", "BRAND_A_PASSWORD", "importer_x", "IMPORTERX"])
def test_a_variable_of_others_is_expanded_only_where_the_environment_allows_it(name: str) -> None:
    """A settings file alone cannot send it elsewhere; neither its file nor its command is read."""
    environ = {name: "hush", f"{name}_FILE": "/etc/hostname", f"{name}_COMMAND": "echo hush"}
    for address in (f"json://host/${{{name}}}", f"s3://${{{name}}}/x"):
        with pytest.raises(SettingsError, match="IMPORTER_ALLOWED_VARIABLES") as refused:
            expanded(address, environ)
        assert "hush" not in str(refused.value)
    for listed in (name, f"OTHER, {name}", f"OTHER {name}"):
        assert expanded(f"a${{{name}}}b", environ | {"IMPORTER_ALLOWED_VARIABLES": listed}) == "ahushb"


def test_the_variables_of_this_program_are_expanded_except_for_the_secrets_of_the_api() -> None:
    """No notice and no location needs those."""
    assert expanded("${IMPORTER_SLACK}", {"IMPORTER_SLACK": "x"}) == "x"
    for name in ("IMPORTER_PASSWORD", "IMPORTER_CLIENT_SECRET", "IMPORTER_SOURCE_PASSWORD", "IMPORTER_DATABASE"):
        with pytest.raises(SettingsError):
            expanded(f"${{{name}}}", {name: "hush"})
