"""The command line: words to settings, settings to the pipeline, its end to an exit code. Only here is printed."""

from __future__ import annotations

import errno
import glob
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO, TypeVar

import click
import msgspec

from importer._version import __version__
from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, CodeEntry, Next, own_codes
from importer.checker.check import check
from importer.checker.text import findings_text
from importer.errors import EXIT_MEANINGS, ExitCode, ImporterError, JournalError, SettingsError, worse
from importer.model import RunSummary, to_json
from importer.nightly.doctor import check_text, examine, worst_of
from importer.nightly.load import NightlyLoad
from importer.nightly.profile import check_profile
from importer.nightly.state import LoadReport
from importer.nightly.text import load_text
from importer.normaliser.mapping import sketch, to_toml
from importer.normaliser.samples import Looks
from importer.observer import Silent
from importer.pipeline import compare, report, resume, retry, run
from importer.reader import open_source
from importer.reporter import console_text
from importer.runs.compare import comparison_text
from importer.runs.listing import list_runs, runs_text
from importer.runs.purge import purge, purged_text
from importer.runs.record import PACE, source_options
from importer.runs.spool import spooled
from importer.runs.verify import verified_text, verify
from importer.sandbox import (
    FAULTS,
    MAGIC_TABLE,
    SHAPES,
    OptionsError,
    SandboxOptions,
    load_customers,
    load_fields,
    serve,
)
from importer.settings.options import OPTIONS, Settings, load, read_all, read_duration, with_reports
from importer.system.clock import stamp
from importer.system.streams import close_streams, drop_stdout, open_streams
from importer.system.text import typed_place, visible
from importer.telemetry.log import Log, open_log
from importer.telemetry.log_observer import Watch
from importer.telemetry.metrics import record_run, refuse_unwritable
from importer.telemetry.progress import Progress
from importer.world import Stopper, World

Command = Callable[..., Any]
_Read = TypeVar("_Read")

_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {EXIT_MEANINGS[code]}" for code in ExitCode)


def _options(command: str, without: Sequence[str] = ()) -> Callable[[Command], Command]:
    """Every option of the table that this command takes."""

    def decorate(function: Command) -> Command:
        for option in reversed(OPTIONS):
            if not option.taken_by(command) or option.name in without:
                continue
            text = f"{option.help} [default: {option.shown.replace('`', '')}]"
            if option.flag:
                function = click.option(f"--{option.name}", option.field, is_flag=True, default=None, help=text)(
                    function
                )
            else:
                function = click.option(f"--{option.name}", option.field, metavar=option.metavar, help=text)(function)
        return function

    return decorate


def _config(function: Command) -> Command:
    return click.option(
        "--config", metavar="FILE", help="the file of settings [default: importer.toml of this folder]"
    )(function)


def _looks(function: Command) -> Command:
    function = click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")(function)
    return click.option("--quiet", is_flag=True, help="no progress and no summary")(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=_EXIT_CODES)
@click.version_option(__version__, prog_name="importer")
def cli() -> None:
    """Puts spreadsheets of customer preferences into Capillary's loyalty platform and accounts for every row.

    \b
    Credentials come from the environment, a file or a command, never from an option:
      IMPORTER_USERNAME and IMPORTER_PASSWORD (Basic), or
      IMPORTER_CLIENT_KEY and IMPORTER_CLIENT_SECRET (OAuth);
      each also as …_FILE or …_COMMAND.
    """


# ---------------------------------------------------------------------------------------------------- the main job


@cli.command("run", epilog=_EXIT_CODES)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@_options("run")
@_config
@_looks
def run_command(sources: tuple[str, ...], config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """The main job: read SOURCE, send, reconcile, report.

    SOURCE is a file (CSV, Excel …), a pattern such as 'inbox/*.xlsx', or - for standard input. Several make a run each;
    the exit code is the worst of theirs.
    """
    settings = _settings(given, config)
    files = _expanded(sources)
    _spare(files, settings)
    with _world(quiet, settings) as world, _documents(as_json, len(files) > 1) as show:
        worst = 0
        for source in files:
            with spooled(source, Path(settings.reports_dir)) as (path, was_spooled):
                work = _measured(settings, world, lambda: run(path, settings, world, spooled=was_spooled))
                code = _each(len(files) > 1, work, show, None if quiet else settings)
            worst = worse(worst, code)
            if world.stopper.asked:
                break
    sys.exit(worst)


@cli.command("resume", epilog=_EXIT_CODES)
@click.argument("run_id", required=False, metavar="[RUN]")
@_options("resume")
@_config
@_looks
def resume_command(run_id: str | None, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Go on with a run that did not finish (the last one, if not named).

    Rows that have an outcome are not sent again. The run keeps its settings; pace and stop may be given anew.
    """
    settings = _settings(given, config)
    with _world(quiet, settings) as world:
        work = _measured(settings, world, lambda: resume(run_id, settings, _pace(given, settings), world))
        with _documents(as_json, False) as show:
            code = _each(False, work, show, None if quiet else settings)
    sys.exit(code)


@cli.command("retry", epilog=_EXIT_CODES)
@click.argument("run_id", metavar="RUN")
@_options("retry")
@_config
@_looks
def retry_command(run_id: str, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """A new run with only the rows of RUN that failed, are unknown or unprocessed."""
    settings = _settings(given, config)
    with _world(quiet, settings) as world:
        work = _measured(settings, world, lambda: retry(run_id, settings, _pace(given, settings), world))
        with _documents(as_json, False) as show:
            code = _each(False, work, show, None if quiet else settings)
    sys.exit(code)


@cli.command("report")
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--open", "open_it", is_flag=True, help="open the summary")
@click.option("--bundle", is_flag=True, help="also write bundle.zip for the vendor's support, everything in it masked")
@click.option("--against", metavar="RUN2", help="compare with another run: rows fixed, still failing, newly failing")
@_options("report")
@_config
@_looks
def report_command(
    run_id: str | None,
    open_it: bool,
    bundle: bool,
    against: str | None,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **given: str | None,
) -> None:
    """Write the reports of RUN (the last one, if not named) again, from the journal and the source.

    With --against nothing is written: two runs are compared, the earlier with the later.
    """
    settings = _settings(given, config)
    if against is not None:
        if bundle or open_it:
            raise click.UsageError("--against compares only; leave out --bundle and --open.")
        comparison = compare(run_id, against, settings, _plain_world())
        _print(to_json(comparison) if as_json else comparison_text(comparison))
        return
    summary = report(run_id, settings, _plain_world(), bundle=bundle)
    if as_json:
        _print(to_json(summary))
    elif not quiet:
        _show(summary, settings)
    if open_it:
        click.launch(summary.reports.get("summary.html", summary.reports["results.csv"]))


@cli.command("check", epilog=_EXIT_CODES)
@click.argument("sources", nargs=-1, metavar="SOURCE…")
@_options("check")
@_config
@_looks
def check_command(
    sources: tuple[str, ...], config: str | None, as_json: bool, quiet: bool, **given: str | None
) -> None:
    """Everything but sending: problems by row and column, what would be sent, requests, time at the rate.

    Without SOURCE, but with --profile: the settings of that profile, every mistake of their file with its line.
    """
    if not sources:
        _check_profile(given, config, as_json)
    settings = _settings(given, config)
    files = _expanded(sources)
    worst = 0
    with _documents(as_json, len(files) > 1) as show:
        for source in files:
            with spooled(source, Path(settings.reports_dir), keep=False) as (path, _):
                try:
                    findings = check(path, settings, _plain_world())
                except ImporterError as error:
                    if len(files) == 1:
                        raise
                    _say(error)
                    worst = worse(worst, error.exit_code)
                    continue
            if show is not None:
                show(findings)
            elif not quiet:
                _print(findings_text(findings))
            worst = worse(worst, findings.exit_code)
    sys.exit(worst)


def _check_profile(given: dict[str, str | None], config: str | None, as_json: bool) -> NoReturn:
    if not (given.get("profile") or os.environ.get("IMPORTER_PROFILE")):
        raise SettingsError("There is nothing to check.", "Name a SOURCE, or a --profile of importer.toml.")
    _, mistakes = check_profile(_typed(given), os.environ, Path(config) if config else None)
    if as_json:
        _print(to_json({"mistakes": mistakes}))
    else:
        for mistake in mistakes:
            _print(f"{mistake}\n")
        if not mistakes:
            _print("The settings are well. `importer doctor` also tries credentials and places.\n")
    sys.exit(ExitCode.SETTINGS if mistakes else ExitCode.OK)


# ---------------------------------------------------------------------------------------------------- by night


@cli.command("nightly", epilog=_EXIT_CODES)
@_options("nightly")
@_config
@click.option("--watch/--once", "stays", default=False, help="stay and look every minute, or look once [default: once]")
@_looks
def nightly_command(stays: bool, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Take every complete file of the inbox: run it, move it to done or failed, put its reports into the outbox.

    What an earlier night left open is gone on with first. A second nightly of the same profile ends with 11. The exit
    code is the worst of the files'; an expected file that is missing past its time counts as 8.
    """
    file = Path(config) if config else None
    settings, mistakes = check_profile(_typed(given), os.environ, file)
    if settings is None:
        settings = read_all(_typed(given), os.environ, file).rest()
    if mistakes and not (settings.nightly.notices or settings.metrics_file):
        raise SettingsError("\n".join(mistakes), "Correct it and try again.")
    json_lines = settings.log_format == "json" or not (settings.log_format or sys.stderr.isatty())
    plain = msgspec.structs.replace(settings, log_format="", log_file="", metrics_file="")
    with _world(True, plain, json_lines and not quiet) as world:
        night = NightlyLoad(
            settings, world, _night_log(settings, None if quiet else sys.stderr, world, mistakes), mistakes=mistakes
        )

        def show(found: LoadReport) -> None:
            if as_json:
                _print(to_json(found))
            elif not quiet:
                _print(load_text(found))

        if stays and not mistakes:
            sys.exit(night.watch(show))
        found = night.once()
        show(found)
    sys.exit(found.exit_code)


@cli.command("doctor", epilog=_EXIT_CODES)
@_options("doctor")
@_config
@click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")
def doctor_command(config: str | None, as_json: bool, **given: str | None) -> None:
    """Look at settings, credentials, rate, clock, disk, journal and places: each well, or with what to do."""
    lines = []
    for line in examine(_typed(given), Path(config) if config else None, _plain_world()):
        lines.append(line)
        if not as_json:
            _print(check_text(line))
    if as_json:
        _print(to_json(lines))
    sys.exit(worst_of(lines))


@cli.command("map")
@click.argument("source", metavar="SOURCE")
@_options("map")
@_config
@click.option("--output", "-o", metavar="FILE", help="write the mapping there [default: standard output]")
def map_command(source: str, config: str | None, output: str | None, **given: str | None) -> None:
    """Propose a mapping for SOURCE and write it as TOML, ready to be edited and passed with --mapping."""
    settings = _settings(given, config)
    world = _plain_world()
    password = world.environ.get("IMPORTER_SOURCE_PASSWORD")
    with (
        spooled(source, Path(settings.reports_dir), keep=False) as (path, _),
        open_source(path, source_options(settings, password)) as opened,
    ):
        mapping = sketch(opened.columns)
        looks = Looks(mapping)
        for block in opened.blocks():
            looks.add(block)
        text = to_toml(mapping, looks.looks(), source=opened.name)
    if output is None:
        _print(text.encode())  # as it would be in a file
        return
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SettingsError(f"{output} is there already.", "Choose another --output, or remove it first.") from None
    except OSError as error:
        if error.errno in _DISK_TROUBLE:
            raise
        raise SettingsError(f"--output {output!r} cannot be written ({error.strerror}).", "Choose another.") from None
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    click.echo(f"Wrote {output}. Edit it, then: importer check {source} --mapping {output}", err=True)


# ---------------------------------------------------------------------------------------------------- looking


@cli.command("runs")
@_options("runs")
@_config
@click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")
def runs_command(config: str | None, as_json: bool, **given: str | None) -> None:
    """The runs, newest first, with counts."""
    found = list_runs(_settings(given, config))
    _print(to_json(found) if as_json else runs_text(found))


@cli.command("verify", epilog=_EXIT_CODES)
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="only so many rows, the same ones each time")
@_options("verify")
@_config
@_looks
def verify_command(
    run_id: str | None, sample: int | None, config: str | None, as_json: bool, quiet: bool, **given: str | None
) -> None:
    """Read the preferences of RUN (the last one, if not named) back from the server and compare.

    A request for each customer, paced like sending. Values stand in the report only.
    """
    settings = _settings(given, config)
    with _world(quiet, settings) as world:
        verified = verify(run_id, settings, _pace(given, settings), world, sample)
    if as_json:
        _print(to_json(verified))
    elif not quiet:
        _print(verified_text(verified))
    sys.exit(verified.exit_code)


@cli.command("purge")
@click.option("--older-than", required=True, metavar="TIME", help="runs that ended so long ago, such as 90d")
@_options("purge")
@_config
@click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")
def purge_command(older_than: str, config: str | None, as_json: bool, **given: str | None) -> None:
    """Delete what old runs know of persons: reports, spooled input, uploads, outcomes of rows. The counts stay."""
    try:
        seconds = read_duration(older_than)
    except ValueError as error:
        raise SettingsError(f"--older-than: {older_than!r} is not {error}.", "Such as 90d.") from None
    purged = purge(_settings(given, config), seconds, _plain_world())
    _print(to_json(purged) if as_json else purged_text(purged))


@cli.command("codes")
@click.option("--json", "as_json", is_flag=True, help="print one JSON document on stdout")
def codes_command(as_json: bool) -> None:
    """The code catalogue: what each code means, what happens next, and what to do about it."""
    entries = [*ITEM_CODES.values(), *RUN_CODES.values(), *own_codes().values()]
    if as_json:
        _print(to_json({"items": entries, "requests": list(REQUEST_CODES.values())}))
        return
    for title, table in (
        ("Codes of a customer (item_status)", ITEM_CODES.values()),
        ("Codes of a request (response.status, or HTTP)", REQUEST_CODES.values()),
        ("Our words for rows without a usable answer", RUN_CODES.values()),
        ("Our reasons for rejecting a row", own_codes().values()),
    ):
        _print(f"{title}\n\n")
        for entry in table:
            _print(f"{_code_line(entry)}\n")
        _print("\n")


def _code_line(entry: CodeEntry) -> str:
    happens = "" if entry.klass in (Next.ROW, Next.REJECTED) else f" [{entry.klass}]"
    head = click.wrap_text(f"{entry.meaning}{happens}", 78, f"  {entry.code:<8} ", " " * 11)
    return head + "\n" + click.wrap_text(entry.advice, 78, " " * 11, " " * 11)


@cli.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="where to listen")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), metavar="PORT")
@click.option("--database", metavar="FILE", help="keep the state in this file [default: in memory]")
@click.option("--customers", metavar="FILE", help="the identifiers of those who exist, one a line [default: everybody]")
@click.option("--fields", metavar="FILE", help="the preferences that are defined [default: any]")
@click.option("--shape", default="", metavar="WORDS", help="shape of the answers, see --list")
@click.option("--rate-limit", metavar="N/UNIT", help="429 beyond so many requests of a key [default: none]")
@click.option("--retry-after", default="", metavar="TEXT", help="Retry-After of a 429: seconds, a date, or auto")
@click.option("--batch-limit", type=click.IntRange(1), metavar="N", help="1060 above so many customers")
@click.option("--latency", multiple=True, type=click.FloatRange(0), metavar="SECONDS", help="how long an answer takes")
@click.option("--fault", "faults", multiple=True, metavar="LINE", help="a fault by request, such as 3:503, see --list")
@click.option("--list", "list_them", is_flag=True, help="print the magic identifiers, shapes and faults")
def sandbox_command(host: str, port: int, list_them: bool, **given: Any) -> None:
    """Serve the stand-in for the API until stopped (user sandbox-till, password sandbox)."""
    if list_them:
        _list_magic()
        return
    try:
        given["customers"] = _read("--customers", load_customers, given["customers"])
        given["fields"] = _read("--fields", load_fields, given["fields"])
        serve(
            SandboxOptions(**given),
            host,
            port,
            lambda url: click.echo(
                f"Serving on {url} (user sandbox-till, password sandbox). Ctrl-C stops it.", err=True
            ),
        )
    except OptionsError as error:
        raise SettingsError(f"{error}.", "`importer sandbox --list` tells what is possible.") from None
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be had ({error.strerror}).", "Choose another --port.") from None


def _read(option: str, load: Callable[[str], _Read], path: str | None) -> _Read | None:
    """A file that the stand-in is told by, if it is."""
    try:
        return load(path) if path else None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsError(f"{option} {path} cannot be read ({why}).", "Check the path.") from None


def _list_magic() -> None:
    """What the stand-in can be asked for: by identifiers in the data, by the shape of answers, by request."""
    _print("Identifiers that bring an outcome about (e-mail, external id, mobile):\n\n")
    for entry in MAGIC_TABLE:
        _print(f"  {entry.email:<30} {entry.external_id:<18} {entry.mobile}\n")
        _print(click.wrap_text(entry.effect, 78, " " * 4, " " * 4) + "\n")
    _print("\nWords for --shape, joined by commas:\n\n")
    for word, text in SHAPES.items():
        _print(click.wrap_text(text, 78, f"  {word:<18} ", " " * 21) + "\n")
    _print("\nFaults by request, --fault REQUESTS:KIND[-after][:setting=value], REQUESTS as 3, 3-5, 3- or */20:\n\n")
    for kind, (text, _) in FAULTS.items():
        _print(click.wrap_text(text, 78, f"  {kind:<18} ", " " * 21) + "\n")


#: What is said of one run, not of all that the page begins.
_OF_ONE_RUN = ("mapping", "sheet", "encoding", "delimiter", "header-row", "limit", "skip-rows", "restart", "resubmit")


@cli.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="where to listen")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), metavar="PORT")
@click.option(
    "--users-file", metavar="FILE", help="who may sign in [default: IMPORTER_WEB_USERS_FILE; else nobody has to]"
)
@click.option("--add-user", metavar="NAME", help="add a user to the users file (asks for the password), and end")
@click.option(
    "--role", default="uploader", show_default=True, metavar="ROLE", help="of --add-user: uploader, operator, viewer"
)
@click.option("--proxy-header", metavar="HEADER", help="a trusted proxy names here who is signed in [default: none]")
@click.option(
    "--proxy-address", "proxy_addresses", multiple=True, metavar="IP", help="that proxy [default: this machine]"
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="a name by which browsers reach the page")
@click.option("--https", is_flag=True, help="browsers come over HTTPS, which a proxy speaks")
@click.option("--tls-certificate", metavar="FILE", help="speak HTTPS with this certificate")
@click.option("--tls-key", metavar="FILE", help="and this key")
@click.option("--max-upload", default="512M", show_default=True, metavar="SIZE", help="the largest file taken")
@_options("run", without=_OF_ONE_RUN)
@_config
def serve_command(config: str | None, **given: Any) -> None:
    """Serve the page for people who upload, until stopped.

    Drop a file, see what would happen, start, watch, fetch the report. Options of `run` hold for every run of the page.
    """
    # Only now: what the page is made of comes with the extra `web`, and not everybody installs that.
    try:
        serve_page = importlib.import_module("importer.web.command").serve_page
    except ModuleNotFoundError as error:
        raise SettingsError(f"The page needs {error.name}.", "pip install 'capillary-importer[web]'") from None
    own = {name: given.pop(name) for name in _OF_THE_PAGE}
    serve_page(lambda: _settings(given, config), own, os.environ, lambda text: click.echo(text, err=True))


_OF_THE_PAGE = (
    *("host", "port", "users_file", "add_user", "role", "proxy_header", "proxy_addresses", "names", "https"),
    *("tls_certificate", "tls_key", "max_upload"),
)


# ---------------------------------------------------------------------------------------------------- their parts


def _settings(given: dict[str, Any], config: str | None) -> Settings:
    return with_reports(load(_typed(given), os.environ, Path(config) if config else None))


def _typed(given: dict[str, Any]) -> dict[str, str | None]:
    """What was typed, as texts."""
    return {name: ("true" if value is True else value) for name, value in given.items() if value is not None}


def _log(settings: Settings, stream: TextIO | None, world: World) -> Log:
    return open_log(stream=stream, form=settings.log_format, file=settings.log_file, wall=world.wall)


def _night_log(settings: Settings, stream: TextIO | None, world: World, mistakes: Sequence[str]) -> Log:
    try:
        return _log(settings, stream, world)
    except SettingsError:
        if not mistakes:
            raise
        # It is one of the mistakes, which are to be told all the same.
        return _log(msgspec.structs.replace(settings, log_file=""), stream, world)


def _measured(settings: Settings, world: World, work: Callable[[], RunSummary]) -> Callable[[], RunSummary]:
    """The run, with its end in the log and its figures written."""

    def measured() -> RunSummary:
        watch = world.observer if isinstance(world.observer, Watch) else None
        try:
            summary = work()
        except ImporterError as error:
            if watch is not None:
                watch.failed(error)
            raise
        paused = watch.paused_seconds if watch is not None else 0.0
        if watch is not None:
            watch.ended(summary)
        wrong = record_run(settings.metrics_file, settings.profile, summary, paused, world.wall(), world.environ)
        if wrong:
            click.echo(f"importer: {wrong}", err=True)
        return summary

    return measured


def _pace(given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """What was typed anew for a run that goes on."""
    return {name: getattr(settings, name) for name in PACE if given.get(name) is not None}


#: What asks a run to stop, by somebody's wish; and SIGHUP, where there is such a thing: its terminal was closed.
_SENT = (signal.SIGINT, signal.SIGTERM)
_STOPS = (*_SENT, *(signal.Signals[name] for name in ("SIGHUP",) if name in signal.Signals.__members__))


class _world:  # noqa: N801 - used like a function
    """The real world, with signals that stop the run well; the second one leaves at once."""

    def __init__(self, quiet: bool, settings: Settings, json_lines: bool = False) -> None:
        self._json_lines = json_lines or settings.log_format == "json"
        refuse_unwritable(settings.metrics_file)
        beside = Silent() if quiet or settings.log_format else Progress(sys.stderr)
        self._world = World(os.environ, beside, stopper=Stopper())
        if settings.log_format or settings.log_file or settings.metrics_file:
            stream = sys.stderr if settings.log_format else None
            self._world.observer = Watch(_log(settings, stream, self._world), beside)

    def __enter__(self) -> World:
        # A closed terminal that is to be ignored (`nohup`) is. A shell's `&` has SIGINT ignored as well, but for the
        # keyboard's sake: whoever sends one to a run in the background means it.
        heard = [number for number in _STOPS if number in _SENT or signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._asked) for number in heard}
        return self._world

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        again = self._world.stopper.asked
        if again and number not in _SENT:
            # Kernel and shell both tell of one terminal that was closed.
            return
        if again or not self._world.stopper.ask():
            os._exit(ExitCode.INTERRUPTED)
        text = "Stopping: what is in flight may land (10 s at most). Ctrl-C again leaves at once."
        said = f"\n{text}\n".encode()
        if self._json_lines:
            # Whoever reads the log takes each line apart; the log itself must not be written to from a signal.
            event = {"at": stamp(self._world.wall()), "text": text, "event": "stopping", "level": "info"}
            said = msgspec.json.encode(event) + b"\n"
        with suppress(OSError):
            # Perhaps nobody is there any more.
            os.write(2, said)


def _plain_world() -> World:
    return World(os.environ)


def _expanded(sources: Sequence[str]) -> list[str]:
    """Patterns become the files they match, in name order; one that matches nothing is kept, to be told as missing."""
    found: list[str] = []
    for source in sources:
        has_pattern = any(c in source for c in "*?[") and not Path(source).exists()
        found += (sorted(glob.glob(source)) or [source]) if has_pattern else [source]  # noqa: PTH207 - `**` and absolute patterns
    return found


def _spare(sources: Sequence[str], settings: Settings) -> None:
    """No sheet is written over by what a run says of itself. Raises `SettingsError`."""
    for option, path in (("--log-file", settings.log_file), ("--metrics-file", settings.metrics_file)):
        if path and Path(path).exists() and any(Path(one).exists() and Path(path).samefile(one) for one in sources):
            raise SettingsError(f"{option} {path} is the source itself.", "Choose another.")


@contextmanager
def _documents(as_json: bool, several: bool) -> Iterator[Callable[[object], None] | None]:
    """What --json prints: always one document; of several sources a list, without those that brought none."""
    found: list[object] = []
    try:
        yield found.append if as_json else None
    finally:
        if as_json and several:
            _print(to_json(found))
        elif found:
            _print(to_json(found[0]))


def _each(
    several: bool, work: Callable[[], RunSummary], show: Callable[[object], None] | None, settings: Settings | None
) -> int:
    """One run: its summary shown (to a person if there are settings), its exit code. Among several, an error ends its
    own run only."""
    try:
        summary = work()
    except ImporterError as error:
        if not several:
            raise
        _say(error)
        return error.exit_code
    if show is not None:
        show(summary)
    elif settings is not None:
        _show(summary, settings)
    return summary.exit_code


def _show(summary: RunSummary, settings: Settings) -> None:
    _print(console_text(summary, typed_place(settings.reports_dir, settings.database)))


def _print(text: str | bytes) -> None:
    """Data to stdout. Where nobody reads on (`| head`) it is dropped: a run's exit code tells what became of it."""
    try:
        click.echo(text if isinstance(text, bytes) else visible(text), nl=False)
    except BrokenPipeError:
        drop_stdout()


def _say(error: ImporterError) -> None:
    click.echo(visible(f"importer: {error}"), err=True)


#: What a full, broken or read-only disk says, wherever it is met.
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command `importer`."""
    os.umask(0o077)
    open_streams()
    try:
        _main(arguments)
    finally:
        close_streams()


def _main(arguments: Sequence[str] | None) -> NoReturn:
    try:
        cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except ImporterError as error:
        _say(error)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.SETTINGS)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os._exit(ExitCode.OK)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
            advice = "Make room or repair the disk, then type `importer resume`."
            _say(JournalError(f"The disk failed: {error.strerror}.", advice))
            sys.exit(ExitCode.JOURNAL)
        # The text of an exception may hold a cell: the place is told, the values are not.
        kind, _, trace = sys.exc_info()
        where = traceback.extract_tb(trace)[-1]
        name = kind.__name__ if kind else "Exception"
        click.echo(
            f"importer: an error of ours: {name} in {Path(where.filename).name}, line {where.lineno}. "
            "Please report it with the command you typed; `importer resume` goes on with a run.",
            err=True,
        )
        sys.exit(ExitCode.OURS)
    sys.exit(ExitCode.OK)
