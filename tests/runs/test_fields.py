"""Columns that the organisation does not know: asked for once before a run, refused, ignored or sent."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

import importer
from importer.checker.check import check
from importer.errors import Busy, ExitCode, SourceError
from importer.journal import Journal
from importer.model import RunSummary
from importer.pipeline import resume, retry, run
from importer.runs import fields
from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.options import PreferenceField
from importer.settings.values import read_rate
from tests.support.runs import Listener, environment, results, settings, statuses, stopped_after, world
from tests.support.sending import fresh

KNOWN = ("Favourite Colour", "Size")
COLUMNS = ("Mobile", "Favourite Colour", "Customer Name", "Spent", "size")


def write(path: Path, columns: Sequence[str] = COLUMNS, rows: int = 3) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            [[f"91818{row + 1:07}", *[f"{column} {row}" for column in columns[1:]]] for row in range(rows)]
        )
    return str(path)


class Shop:
    """An organisation with two preferences, and a sheet that sets others too."""

    def __init__(self, sandbox: EmbeddedSandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.reports = folder / "reports"
        self.source = write(folder / "rows.csv")

    def run(self, source: str = "", **given: Any) -> RunSummary:
        self.world = world(self.sandbox, self.folder)
        return run(source or self.source, settings(self.sandbox, self.reports, **given), self.world)

    @property
    def posts(self) -> int:
        return self.sandbox.state.calls["POST customer/preferences"]

    @property
    def questions(self) -> int:
        return self.sandbox.state.calls["custom_fields"]

    def runs(self) -> int:
        with Journal.open(self.reports) as journal:
            return len(journal.runs())


def shop_of(folder: Path, **options: Any) -> Iterator[Shop]:
    known = tuple(PreferenceField(name=name) for name in KNOWN)
    with EmbeddedSandbox(SandboxOptions(**{"fields": known, "unknown_fields": "error", **options})) as sandbox:
        yield Shop(sandbox, folder)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield from shop_of(tmp_path)


def test_unknown_columns_refuse_the_file_before_it_is_sent(shop: Shop) -> None:
    """Exit code 8, the unknown names, the nearest known ones and the ways on. No run is in the way of the next one."""
    with pytest.raises(SourceError) as refused:
        shop.run()
    assert (shop.questions, shop.posts, shop.runs()) == (1, 0, 0)
    text = str(refused.value)
    assert all(word in text for word in ("“Customer Name”", "“Spent”", "--unknown-columns ignore or send", "rows.csv"))
    assert "importer map" in text
    assert "“Favourite Colour”" not in text and "“size”" not in text
    assert "--" not in refused.value.on_page
    with pytest.raises(SourceError, match="nearest: “Favourite Colour”"):
        shop.run(write(shop.folder / "near.csv", ("Mobile", "Favorite Color", "Size")))


def test_a_file_whose_columns_are_known_is_sent(shop: Shop) -> None:
    """One question, which is not among the run's requests. Case is the organisation's."""
    summary = shop.run(write(shop.folder / "good.csv", ("Mobile", "favourite colour", "Size")))
    assert (summary.exit_code, statuses(summary), summary.requests.sent) == (0, {"succeeded": 3}, 1)
    assert (shop.questions, shop.posts) == (1, 1)
    assert set(shop.sandbox.state.accepted[0][1]) == set(KNOWN)
    assert summary.notes == ()


def test_the_note_on_what_is_not_sent_names_columns(shop: Shop) -> None:
    """Columns without a name have a note that says where they are."""
    summary = shop.run(write(shop.folder / "nameless.csv", ("Mobile", "", "Size", "")))
    assert any("without a name" in note and "D" in note for note in summary.notes)
    assert not any("“”" in note for note in summary.notes)


def test_unknown_columns_can_be_ignored(shop: Shop) -> None:
    """The other columns are sent, and a note names those that were not. A retry does not ask again."""
    summary = shop.run(unknown_columns="ignore")
    assert statuses(summary) == {"succeeded": 3}
    assert {name for _, sent in shop.sandbox.state.accepted for name in sent} == set(KNOWN)
    note = next(note for note in summary.notes if note.startswith("Ignored"))
    assert "“Customer Name”" in note and "“Spent”" in note
    assert [row["Spent"] for row in results(shop.reports, summary.run_id)] == ["Spent 0", "Spent 1", "Spent 2"]
    retry(summary.run_id, settings(shop.sandbox, shop.reports), {}, world(shop.sandbox, shop.folder))
    assert shop.questions == 1


def test_a_file_without_a_known_preference_is_refused_even_so(shop: Shop) -> None:
    """Nothing would be left to send."""
    source = write(shop.folder / "none.csv", ("Mobile", "Spend"))
    with pytest.raises(SourceError, match="“Spend”"):
        shop.run(source, unknown_columns="ignore")
    assert shop.posts == 0


def test_unknown_columns_can_be_sent(shop: Shop) -> None:
    """As they are, without a question."""
    summary = shop.run(unknown_columns="send")
    assert statuses(summary) == {"failed": 3}
    assert {code.code for code in summary.codes} == {"1017"}
    assert (shop.questions, shop.posts) == (0, 1)


def test_a_mapping_file_is_judged_too(shop: Shop) -> None:
    """Its columns and its constants; one that ignores or renames the columns is accepted."""
    mapping = shop.folder / "m.toml"
    lines = '[columns]\n"Mobile" = "mobile"\n"Favourite Colour" = { preference = "Size" }\n'
    mapping.write_text(lines + '[constants]\n"Town" = "Pune"\n')
    with pytest.raises(SourceError, match="“Town”") as refused:
        shop.run(mapping=str(mapping))
    assert str(mapping) in refused.value.advice
    assert statuses(shop.run(mapping=str(mapping), unknown_columns="ignore")) == {"succeeded": 3}
    mapping.write_text(lines)
    assert statuses(shop.run(mapping=str(mapping))) == {"succeeded": 3}
    assert shop.sandbox.state.accepted[-1][1] == {"Size": "Favourite Colour 2"}


def test_rows_of_a_long_sheet_that_name_no_known_preference_are_rejected(shop: Shop) -> None:
    """The other rows of the customer are sent. A resumed run and its reports say the same."""
    source = shop.folder / "long.csv"
    lines = [f"91818{row + 1:07},{name},x" for row in range(3) for name in ("size", "Colour of choice")]
    source.write_text("\n".join(["Mobile,Preference name,Preference value", *lines]))
    summary = shop.run(str(source))
    assert statuses(summary) == {"succeeded": 3, "rejected": 3}
    assert {code.code for code in summary.codes} == {"preference_unknown"}
    assert shop.sandbox.state.accepted[0][1] == {"Size": "x"}
    found = check(str(source), settings(shop.sandbox, shop.reports, online=True), world(shop.sandbox, shop.folder))
    assert (found.exit_code, found.rejected_rows, found.refused) == (ExitCode.ROWS, 3, "")
    assert statuses(shop.run(str(source), unknown_columns="send")) == {"failed": 6}


def test_a_resumed_run_keeps_its_columns(shop: Shop) -> None:
    """They were decided when it began: nothing is asked, and the same columns are sent."""
    source = write(shop.folder / "many.csv", rows=60)
    own = settings(shop.sandbox, shop.reports, unknown_columns="ignore")
    run(source, own, stopped_after(20, shop.sandbox, shop.folder))
    with pytest.raises(Busy):
        shop.run(source)
    assert shop.questions == 1
    summary = resume(None, settings(shop.sandbox, shop.reports), {}, world(shop.sandbox, shop.folder))
    assert (statuses(summary), shop.questions) == ({"succeeded": 60}, 1)
    assert {name for _, sent in shop.sandbox.state.accepted for name in sent} == set(KNOWN)


def test_a_restart_that_is_refused_leaves_the_unfinished_run(shop: Shop) -> None:
    """It can still be resumed."""
    source = write(shop.folder / "many.csv", rows=60)
    run(
        source,
        settings(shop.sandbox, shop.reports, unknown_columns="ignore"),
        stopped_after(20, shop.sandbox, shop.folder),
    )
    with pytest.raises(SourceError):
        shop.run(source, restart=True)
    summary = resume(None, settings(shop.sandbox, shop.reports), {}, world(shop.sandbox, shop.folder))
    assert statuses(summary) == {"succeeded": 60}


def test_an_organisation_without_preferences_restricts_nothing(tmp_path: Path) -> None:
    """A note says that the names were not checked."""
    for shop in shop_of(tmp_path, fields=None):
        summary = shop.run()
        assert statuses(summary) == {"succeeded": 3}
        assert [note for note in summary.notes if "not checked" in note]


class Gate(httpx.AsyncBaseTransport):
    """The network to the sandbox, where the question for the fields gets another answer."""

    def __init__(self, sandbox: EmbeddedSandbox, answer: Any) -> None:
        self._inner = httpx.ASGITransport(sandbox.app)
        self._answer = answer
        self.questions = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "customfields" in request.url.path:
            self.questions += 1
            if isinstance(self._answer, Exception):
                raise self._answer
            if callable(self._answer):
                return await self._answer()
            status, body = self._answer
            return fresh(httpx.Response(status, content=body))
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize(
    "answer",
    [
        (403, b""),
        (404, b"<html>"),
        (500, b""),
        (503, b"<html>"),
        (200, b"<html>not json"),
        (200, b"{}"),
        (200, b'{"response": {"status": {"code": 1044, "success": "false", "message": "no permission"}}}'),
        (302, b""),
        (401, b""),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_question_without_an_answer_stops_nothing(shop: Shop, answer: Any) -> None:
    """Asked once, a note, and the rows are sent as they are."""
    gate = Gate(shop.sandbox, answer)
    own = settings(shop.sandbox, shop.reports)
    summary = run(shop.source, own, world(shop.sandbox, shop.folder, transport=gate))
    assert statuses(summary) == {"failed": 3}
    assert (gate.questions, shop.posts) == (1, 1)
    (note,) = [note for note in summary.notes if "not checked" in note]
    assert "--" not in note


def test_a_question_that_hangs_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After seconds, not after the two minutes that a batch may take."""

    async def never() -> httpx.Response:
        await asyncio.sleep(3600)
        raise AssertionError

    monkeypatch.setattr(fields, "PATIENCE", 0.05)
    gate = Gate(shop.sandbox, never)
    began = time.monotonic()
    summary = run(shop.source, settings(shop.sandbox, shop.reports), world(shop.sandbox, shop.folder, transport=gate))
    assert time.monotonic() - began < 60
    assert (summary.rows.failed, gate.questions) == (3, 1)


def test_bad_credentials_cost_two_requests_with_the_question(shop: Shop) -> None:
    """The question and the first batch; the run is recorded and can be resumed. With OAuth it is the token, twice."""
    environ = {**environment(shop.sandbox, shop.folder), "IMPORTER_PASSWORD": "wrong"}
    summary = run(shop.source, settings(shop.sandbox, shop.reports), world(shop.sandbox, shop.folder, environ=environ))
    assert (summary.exit_code, statuses(summary)) == (ExitCode.REFUSED, {"unprocessed": 3})
    assert shop.sandbox.state.calls.total() == 2
    again = resume(
        None, settings(shop.sandbox, shop.reports, unknown_columns="send"), {}, world(shop.sandbox, shop.folder)
    )
    assert again.run_id == summary.run_id
    shop.sandbox.state.calls.clear()
    environ = {"IMPORTER_CLIENT_KEY": shop.sandbox.client_key, "IMPORTER_CLIENT_SECRET": "wrong"}
    environ |= {"HOME": str(shop.folder), "XDG_STATE_HOME": str(shop.folder / "state")}
    other = write(shop.folder / "other.csv")
    summary = run(other, settings(shop.sandbox, shop.reports), world(shop.sandbox, shop.folder, environ=environ))
    assert summary.exit_code == ExitCode.REFUSED
    assert shop.sandbox.state.calls == {"token": 2}


def test_question_and_rows_share_a_token(shop: Shop) -> None:
    """With OAuth the question costs no second one."""
    environ = {"IMPORTER_CLIENT_KEY": shop.sandbox.client_key, "IMPORTER_CLIENT_SECRET": shop.sandbox.client_secret}
    environ |= {"HOME": str(shop.folder), "XDG_STATE_HOME": str(shop.folder / "state")}
    own = settings(shop.sandbox, shop.reports, unknown_columns="ignore")
    assert run(shop.source, own, world(shop.sandbox, shop.folder, environ=environ)).exit_code == 0
    assert shop.sandbox.state.calls == {"token": 1, "custom_fields": 1, "POST customer/preferences": 1}


def test_the_question_counts_towards_the_rate(tmp_path: Path) -> None:
    """Question and batches together never exceed what the server permits. At a few requests an hour it is not asked:
    the run would wait for minutes."""
    at = [0.0]

    async def sleep(seconds: float) -> None:
        at[0] += seconds

    def at_rate(shop: Shop, source: str, rate: str) -> RunSummary:
        own = settings(shop.sandbox, shop.reports, rate=read_rate(rate), batch_size=2, concurrency=1)
        return run(source, own, world(shop.sandbox, shop.folder, clock=lambda: at[0], sleep=sleep))

    for shop in shop_of(tmp_path, rate_limit="20/second"):
        # One clock for both, which only a wait sets forward.
        shop.sandbox.state.clock = lambda: at[0]
        summary = at_rate(shop, write(shop.folder / "many.csv", ("Mobile", "Size"), 60), "20/second")
        assert (summary.rows.succeeded, summary.requests.throttled, shop.questions) == (60, 0, 1)
        assert 1.5 <= at[0] < 2.0
        summary = at_rate(shop, shop.source, "2/minute")
        assert (summary.rows.failed, shop.questions) == (3, 1)
        assert [note for note in summary.notes if "2/minute" in note]


def test_a_429_to_the_question_pauses_the_rows(shop: Shop) -> None:
    """One pause for all, as long as the server asks for."""

    async def slow_down() -> httpx.Response:
        return fresh(httpx.Response(429, headers={"Retry-After": "1"}))

    gate = Gate(shop.sandbox, slow_down)
    began = time.monotonic()
    run(shop.source, settings(shop.sandbox, shop.reports), world(shop.sandbox, shop.folder, transport=gate))
    assert time.monotonic() - began >= 1
    assert (gate.questions, shop.posts) == (1, 1)


def test_the_online_check_says_the_same(shop: Shop) -> None:
    """Exit code 8 with the words of the run, and every other finding. Without --online nothing is asked."""
    own = settings(shop.sandbox, shop.reports, online=True)
    found = check(shop.source, own, world(shop.sandbox, shop.folder))
    with pytest.raises(SourceError) as refused:
        shop.run()
    assert (found.exit_code, found.refused) == (ExitCode.SOURCE, str(refused.value))
    assert [field.preference for field in found.fields] == ["Customer Name", "Spent"]
    assert found.rows == 3
    for how, code in (("ignore", 0), ("send", 0)):
        own = settings(shop.sandbox, shop.reports, online=True, unknown_columns=how)
        assert check(shop.source, own, world(shop.sandbox, shop.folder)).exit_code == code
    asked = shop.questions
    assert check(shop.source, settings(shop.sandbox, shop.reports), world(shop.sandbox, shop.folder)).exit_code == 0
    assert shop.questions == asked


def test_a_data_frame_is_judged_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library raises what the command line prints."""
    for name, value in environment(shop.sandbox, shop.folder).items():
        monkeypatch.setenv(name, value)
    frame = pd.DataFrame({"Mobile": ["918180000001"], "Size": ["M"], "Spend": ["1"]})
    given: dict[str, Any] = {"base_url": shop.sandbox.base_url, "reports_dir": shop.reports}
    with pytest.raises(importer.ImporterError) as refused:
        importer.run(frame, **given)
    assert refused.value.exit_code == 8 and "DataFrame" in str(refused.value)
    assert importer.run(frame, unknown_columns="ignore", **given).exit_code == 0


def test_notes_reach_the_observer(tmp_path: Path) -> None:
    """Terminal, log and page show them when the run begins."""
    for shop in shop_of(tmp_path, fields=()):
        shop.run()
        assert isinstance(shop.world.observer, Listener)
        assert [text for text in shop.world.observer.said if "not checked" in text]
