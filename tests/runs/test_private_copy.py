"""A sheet that changes in mid-run: the reports hold what was sent, and the run does not notice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from importer.checker.check import check
from importer.errors import ExitCode, JournalError, SourceChanged, SourceError
from importer.journal import Journal
from importer.model import Outcome
from importer.pipeline import resume, run
from importer.reader import SourceOptions, open_source, private_copy
from importer.reader.opening import open_unchanged
from importer.reader.private_copy import copies_of, is_in_use
from importer.runs.spool import SPOOL
from importer.sandbox import EmbeddedSandbox
from tests.support.runs import Listener, half_a_run, results, settings, world

ROWS = 60


def write(path: Path, value: str, rows: int = ROWS) -> None:
    """A sheet whose preferences have this value, written into the file that is there."""
    lines = [["mobile", "Colour"], *([f"91818{row:07}", f"{value} {row}"] for row in range(2, rows + 2))]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append(line)  # type: ignore[union-attr]
        with path.open("wb") as file:
            book.save(file)
    else:
        path.write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")


def replace(path: Path) -> None:
    other = path.with_stem("other")
    write(other, "v2")
    other.replace(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"918181999999,v2\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": lambda path: write(path, "v2"),
    "rewritten shorter": lambda path: write(path, "v2", 3),
    "appended": append,
    "truncated": lambda path: os.truncate(path, 0),
    "replaced": replace,
    "deleted": Path.unlink,
}


class Changes(Listener):
    """Calls something once, when the first rows have their outcome."""

    def __init__(self, change: Callable[[], object]) -> None:
        super().__init__()
        self._change: Callable[[], object] | None = change

    def decided(self, outcomes: list[Outcome]) -> None:
        if self._change is not None:
            self._change()
            self._change = None


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
@pytest.mark.parametrize("change", list(CHANGES))
def test_the_reports_hold_what_was_sent(tmp_path: Path, change: str, name: str) -> None:
    path = tmp_path / name
    write(path, "v1")
    with EmbeddedSandbox() as sandbox:
        changing = world(sandbox, tmp_path, observer=Changes(lambda: CHANGES[change](path)))
        own = settings(sandbox, tmp_path / "reports")
        done = run(str(path), own, changing)
        assert (done.exit_code, done.rows.succeeded) == (ExitCode.OK, ROWS)
        rows = results(tmp_path / "reports", done.run_id)
        assert [row["Colour"] for row in rows] == [f"v1 {row}" for row in range(2, ROWS + 2)]
        held = {sandbox.state.preferences_of(mobile=row["mobile"])["Colour"] for row in rows}
        assert held == {row["Colour"] for row in rows}
        if name == "a.xlsx":
            book = openpyxl.load_workbook(tmp_path / "reports" / done.run_id / "annotated.xlsx")
            assert book.worksheets[0]["B2"].value == "v1 2"
    assert not list((tmp_path / "reports" / SPOOL).iterdir())


def test_a_hidden_file_in_the_folder_of_the_reports_is_copied_too(tmp_path: Path) -> None:
    """It is not one of the copies that the importer keeps there in folders."""
    path = tmp_path / ".a.csv"
    write(path, "v1")
    with EmbeddedSandbox() as sandbox:
        changing = world(sandbox, tmp_path, observer=Changes(lambda: write(path, "v2")))
        done = run(str(path), settings(sandbox, tmp_path), changing)
        assert [row["Colour"] for row in results(tmp_path, done.run_id)] == [f"v1 {row}" for row in range(2, ROWS + 2)]


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_run_whose_copy_is_deleted_keeps_its_results(tmp_path: Path, name: str) -> None:
    """With the folder of the reports, while the journal is elsewhere: the run stops, and can be resumed."""
    path, reports = tmp_path / name, tmp_path / "reports"
    write(path, "v1")
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, reports, database=f"sqlite:///{tmp_path / 'journal.db'}")
        changing = world(sandbox, tmp_path, observer=Changes(lambda: shutil.rmtree(reports)))
        try:
            assert run(str(path), own, changing).exit_code == ExitCode.OK
        except JournalError:
            assert resume(None, own, {}, world(sandbox, tmp_path)).exit_code == ExitCode.OK
        with Journal.open(reports, own.database) as journal:
            run_id = journal.runs()[0].record.run_id
        assert {row["_status"] for row in results(reports, run_id)} == {"succeeded"}


def test_a_file_that_was_changed_in_mid_run_is_not_resumed_and_its_reports_exist(tmp_path: Path) -> None:
    with EmbeddedSandbox() as sandbox:
        half = half_a_run(sandbox, tmp_path)
        append(tmp_path / "rows.csv")
        with pytest.raises(SourceChanged):
            resume(None, settings(sandbox, tmp_path / "reports"), {}, world(sandbox, tmp_path))
        assert len(results(tmp_path / "reports", half.run_id)) == half.rows.read


@pytest.mark.parametrize("change", ["rewritten", "deleted"])
def test_a_broken_off_run_leaves_the_copy_for_its_reports(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: no report was written. `resume` refuses the changed file, but reports what was sent."""
    path = tmp_path / "a.csv"
    write(path, "v1")
    reports = tmp_path / "reports"
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, reports)
        with monkeypatch.context() as broken:
            broken.setattr("importer.pipeline.write_reports", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                run(str(path), own, world(sandbox, tmp_path))
        CHANGES[change](path)
        with pytest.raises((SourceChanged, SourceError)):
            resume(None, own, {}, world(sandbox, tmp_path))
        with Journal.open(reports) as journal:
            run_id = journal.runs()[0].record.run_id
        assert [row["Colour"] for row in results(reports, run_id)] == [f"v1 {row}" for row in range(2, ROWS + 2)]
        write(path, "v1")
        assert resume(None, own, {}, world(sandbox, tmp_path)).exit_code == ExitCode.OK
        assert not list((reports / SPOOL).iterdir())


def test_check_reports_no_problems_of_two_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes while it is checked is neither OK nor wrong: check it again."""
    path, output = tmp_path / "a.csv", tmp_path / "problems.csv"
    write(path, "v1")
    own = settings(None, tmp_path / "reports", output=str(output))
    with EmbeddedSandbox() as sandbox:
        where = world(sandbox, tmp_path)
        assert check(str(path), own, where).exit_code == ExitCode.OK
        for change in CHANGES.values():
            write(path, "v1")
            with monkeypatch.context() as changing:
                changing.setattr("importer.checker.check.check_resubmit", lambda *_, c=change: c(path))
                with pytest.raises(SourceChanged) as caught:
                    check(str(path), own, where)
            assert caught.value.exit_code == ExitCode.CHANGED
            assert not output.exists()


def test_a_file_that_is_only_touched_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, "v1")
    with open_unchanged(path) as source:
        write(path, "v1")
        path.chmod(0o600)
        assert sum(map(len, source.blocks())) == ROWS


def test_a_file_that_changes_while_it_is_copied_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is complete at the next try, it is read."""
    path = tmp_path / "a.csv"
    write(path, "v1")
    monkeypatch.setattr(private_copy, "_PAUSE", 0.0)
    copy_bytes = private_copy._copy_bytes
    left = [99]

    def changing(*args: object) -> None:
        copy_bytes(*args)  # type: ignore[arg-type]
        if left[0]:
            left[0] -= 1
            append(path)

    monkeypatch.setattr(private_copy, "_copy_bytes", changing)
    options = SourceOptions(copies=str(tmp_path / "copies"))
    with pytest.raises(SourceError):
        open_source(path, options)
    left[0] = 1
    with open_source(path, options) as source:
        assert source.size == path.stat().st_size
    assert not list((tmp_path / "copies").iterdir())


def test_a_full_disk_refuses_the_run_before_the_first_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    write(path, "v1")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with EmbeddedSandbox() as sandbox:
        with monkeypatch.context() as disk:
            disk.setattr(os, "copy_file_range", full)
            disk.setattr(os, "write", full)
            with pytest.raises(JournalError) as caught:
                run(str(path), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
        assert caught.value.exit_code == ExitCode.JOURNAL
        assert not sandbox.state.requests
    assert not list((tmp_path / "reports" / SPOOL).iterdir())


def test_a_file_system_that_cannot_copy_in_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    write(path, "v1")
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    with open_source(path, SourceOptions(copies=str(tmp_path / "copies"))) as source:
        assert source.file.read_bytes() == path.read_bytes()
        assert source.file.stat().st_mode & 0o777 == 0o600
        assert source.file.parent.stat().st_mode & 0o777 == 0o700


def test_files_in_folders_of_our_own_are_not_copied_again(tmp_path: Path) -> None:
    """Piped input, uploads and claims are private copies already. Reports that a person fixes are not."""
    with EmbeddedSandbox() as sandbox:
        own = settings(sandbox, tmp_path / "reports")
        seen: list[int] = []
        for place in (".web/uploads/1", "20261101-0000-a-1234"):
            path = tmp_path / "reports" / place / "a.csv"
            path.parent.mkdir(parents=True)
            write(path, "v1")
            observer = Changes(lambda: seen.append(len(list((tmp_path / "reports" / SPOOL).glob("*")))))
            assert run(str(path), own, world(sandbox, tmp_path, observer=observer)).exit_code == ExitCode.OK
        assert seen == [0, 1]


def test_a_copy_that_another_process_deletes_is_not_in_use(tmp_path: Path) -> None:
    """It may be gone between its listing and its opening."""
    assert not is_in_use(tmp_path / "gone")
    place = tmp_path / f"{'a' * 32}-1"
    place.mkdir()
    (place / "link.csv").symlink_to(tmp_path / "nowhere")
    assert not is_in_use(place) and not list(copies_of(tmp_path, "a" * 64))


def test_a_link_that_leads_in_a_circle_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "loop.csv"
    path.symlink_to(path)
    with EmbeddedSandbox() as sandbox, pytest.raises(SourceError):
        run(str(path), settings(sandbox, tmp_path / "reports"), world(sandbox, tmp_path))
