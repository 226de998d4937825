"""`verify` compares what the server has with what a run sent, and shows values only in its report."""

from __future__ import annotations

import csv
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from importer.errors import ExitCode, SettingsError, Stop
from importer.model import RunSummary
from importer.pipeline import run
from importer.runs.verify import Verified, verified_text, verify
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.settings.values import read_rate
from tests.support.runs import environment, settings, sheet, world


class Shop:
    """A finished run, on a sandbox that is still running."""

    def __init__(self, sandbox: EmbeddedSandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        magic = {5: "code-1012"}
        source = sheet(folder / "rows.csv", 40, magic=magic, invalid=[7], shared=True)
        self.done: RunSummary = run(str(source), settings(sandbox, folder / "reports"), world(sandbox, folder))

    def verified(self, sample: int | None = None, **given: object) -> Verified:
        own = settings(self.sandbox, self.folder / "reports")
        return verify(self.done.run_id, own, given, world(self.sandbox, self.folder), sample)

    def change(self, *rows: int) -> None:
        """Another program changes the colour of these customers."""
        source = self.folder / "others.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["mobile", "Colour"])
            writer.writerows([f"91818{row:07}", "=secret colour"] for row in rows)
        run(str(source), settings(self.sandbox, self.folder / "other"), world(self.sandbox, self.folder))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with EmbeddedSandbox() as sandbox:
        yield Shop(sandbox, tmp_path)


def gets(shop: Shop) -> int:
    return shop.sandbox.state.calls["GET customer/preferences"]


def test_what_was_sent_is_there(shop: Shop) -> None:
    """Failed and rejected rows are not verified; of a customer's rows the last one counts."""
    found = shop.verified()
    assert (found.exit_code, found.differences) == (ExitCode.OK, ())
    # 40 rows: one failed, one rejected, and four are the second row of their customer.
    assert (found.customers, found.agree, gets(shop)) == (34, 34, 34)
    assert "34 match, 0 differ" in verified_text(found)


def test_differences_are_reported_by_row_and_field_without_a_value(shop: Shop) -> None:
    """The console shows them masked; the private report has sent and found values."""
    shop.change(4, 12)
    found = shop.verified()
    assert found.exit_code == ExitCode.ROWS
    assert [(one.row_number, one.field, one.what) for one in found.differences] == [
        (4, "Colour", "another value"),
        (12, "Colour", "another value"),
    ]
    shown = verified_text(found) + msgspec.json.encode(found).decode()
    assert "secret" not in shown and "colour 4" not in shown and "918180000004" not in shown
    report = Path(found.report)
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    rows = list(csv.reader(report.read_text(encoding="utf-8-sig").splitlines()))
    assert rows[1] == ["4", "Colour", "colour 4", "'=secret colour", "another value"]


def test_a_sample_is_the_same_each_time(shop: Shop) -> None:
    """The same rows each time, chosen by the content of the sheet."""
    shop.change(*range(2, 42))
    one, other = shop.verified(sample=5), shop.verified(sample=5)
    assert one.customers == 5
    assert one.differences == other.differences
    assert gets(shop) == 10
    assert shop.verified(sample=1000).customers == 34


def test_requests_of_verify_are_paced(shop: Shop) -> None:
    """At 20 per second, five requests take at least 0.2 s."""
    began = gets(shop)
    clock = world(shop.sandbox, shop.folder).clock
    before = clock()
    shop.verified(sample=5, rate=read_rate("20/second"))
    assert clock() - before >= 0.19
    assert gets(shop) - began == 5


def test_wrong_credentials_cost_one_request_and_end_with_4(shop: Shop) -> None:
    environ = environment(shop.sandbox, shop.folder) | {"IMPORTER_PASSWORD": "wrong"}
    changed = world(shop.sandbox, shop.folder, environ=environ)
    with pytest.raises(Stop) as caught:
        verify(shop.done.run_id, settings(shop.sandbox, shop.folder / "reports"), {}, changed)
    assert caught.value.exit_code == ExitCode.REFUSED
    assert gets(shop) == 1


def test_a_server_that_throttles_is_obeyed(tmp_path: Path) -> None:
    options = SandboxOptions(rate_limit="12/0.3s", retry_after="0")
    with EmbeddedSandbox(options) as sandbox:
        # Its clock stands still until a request was refused.
        sandbox.state.clock = lambda: float(sandbox.state.throttled)
        own = settings(sandbox, tmp_path / "reports", batch_size=100)
        done = run(str(sheet(tmp_path / "rows.csv", 20)), own, world(sandbox, tmp_path))
        found = verify(done.run_id, own, {}, world(sandbox, tmp_path))
        assert (found.customers, found.differences) == (20, ())
        assert sandbox.state.throttled == 1


def test_a_run_against_its_own_sandbox_cannot_be_verified(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        own = msgspec.structs.replace(settings(None, tmp_path / "reports"), sandbox=True)
        done = run(str(sheet(tmp_path / "rows.csv", 5)), own, world(sandbox, tmp_path))
        with pytest.raises(SettingsError, match="sandbox"):
            verify(done.run_id, own, {}, world(sandbox, tmp_path))
