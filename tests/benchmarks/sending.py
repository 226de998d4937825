"""The sending side measured: throughput beside a bare loop of httpx, and the rate held over a minute.

    python tests/benchmarks/sending.py throughput [rows]     (goals: a third of the bare loop's customers a second; the
                                                              journal takes at most a tenth of the run's CPU)
    python tests/benchmarks/sending.py profile [rows]        (one run under cProfile)
    python tests/benchmarks/sending.py rate [seconds]        (600/minute and 50/second, one process and two: 98 % used)

The sandbox runs in its own process. Ends with 1 when a goal is missed.
"""

from __future__ import annotations

import asyncio
import bisect
import cProfile
import functools
import gc
import multiprocessing
import os
import pstats
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROWS, CONCURRENCY, BATCH = 200_000, 8, 100
GOAL, USED, JOURNAL = 0.33, 0.98, 0.10
#: Comparisons, of which the median counts.
TRIES = 3


def write_sheet(path: Path, rows: int) -> None:
    rnd = random.Random(20261124)
    with path.open("w", encoding="utf-8") as file:
        file.write("mobile,email,Favorite Color,Favorite Brand\n")
        for number in range(rows):
            mobile = 917_000_000_000 + (number * 7919) % 2_999_999_999
            # No mobile that looks as if a program had rounded it.
            mobile += mobile % 100_000 == 0
            file.write(f"{mobile},c{number}@example.com,{rnd.choice(['Blue', 'Red'])},Puma\n")


def _serve(pipe: Any, options: dict[str, Any]) -> None:
    from importer.sandbox import EmbeddedSandbox, SandboxOptions

    # It keeps all that arrives: a look for garbage would stop its clock for 20 ms, and two requests arrive at once.
    gc.disable()
    with EmbeddedSandbox(SandboxOptions(**options)) as sandbox:
        pipe.send(sandbox.base_url)
        while pipe.recv() == "requests":
            pipe.send(([record.at for record in sandbox.state.requests], sandbox.state.throttled))


@contextmanager
def sandbox(**options: Any) -> Iterator[tuple[str, Callable[[], tuple[list[float], int]]]]:
    """The sandbox in its own process: its address, and when requests arrived."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, options), daemon=True)
    process.start()

    def requests() -> tuple[list[float], int]:
        ours.send("requests")
        return ours.recv()  # type: ignore[no-any-return]

    try:
        yield ours.recv(), requests
    finally:
        ours.send("stop")
        process.join(10)


def environ(folder: Path) -> dict[str, str]:
    return {
        "IMPORTER_USERNAME": "sandbox-till",
        "IMPORTER_PASSWORD": "sandbox",
        "XDG_STATE_HOME": str(folder),
        "HOME": str(folder),
    }


# ---------------------------------------------------------------------------------------------------- throughput


def bare(base_url: str, rows: int) -> float:
    """Seconds that a loop of `httpx.AsyncClient.post` takes for ready-made bytes, answers read and not looked at."""
    import httpx

    from importer.capillary.credentials import Basic
    from importer.capillary.wire import encode_body, encode_customer
    from importer.model import Customer

    def entry(row: int) -> bytes:
        fields = (("Favorite Color", "Blue"), ("Favorite Brand", "Puma"))
        return encode_customer(Customer(row, f"9198{row:08}", f"c{row}@example.com", custom_fields=fields))

    bodies = [encode_body(map(entry, range(first, first + BATCH))) for first in range(0, rows, BATCH)]
    headers = {"Authorization": Basic("sandbox-till", "sandbox").header, "Content-Type": "application/json"}

    async def main() -> float:
        limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
        async with httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits) as http:

            async def work(waiting: Iterator[bytes]) -> None:
                for body in waiting:
                    response = await http.post("/v1.1/customer/preferences?format=json", content=body)
                    assert response.status_code == 200

            waiting = iter(bodies)
            began = time.perf_counter()
            await asyncio.gather(*(work(waiting) for _ in range(CONCURRENCY)))
            return time.perf_counter() - began

    return asyncio.run(main())


def ours(base_url: str, sheet: Path, folder: Path, rate: str = "1000000/second", **more: Any) -> tuple[float, Any]:
    """Seconds of a whole run: read, normalise, send, reconcile, journal, report."""
    from importer.pipeline import run
    from importer.settings.options import Settings
    from importer.settings.values import read_rate
    from importer.world import World

    settings = Settings(
        base_url=base_url,
        rate=read_rate(rate),
        batch_size=BATCH,
        reports_dir=str(folder / "reports"),
        **({"concurrency": CONCURRENCY} | more),
    )
    began = time.perf_counter()
    summary = run(str(sheet), settings, World(environ(folder)))
    return time.perf_counter() - began, summary


class Stages:
    """CPU seconds spent inside the functions of each stage, by wrapping them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*args: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*args, **named)
            finally:
                self.seconds[stage] += time.thread_time() - began

        setattr(owner, name, timed)

    def install(self) -> None:
        import importer.capillary.client
        import importer.pipeline
        import importer.runs.report
        from importer.chunker.batches import Chunker
        from importer.chunker.lanes import Lanes
        from importer.chunker.pacer import Pacer
        from importer.journal import Journal
        from importer.normaliser.normaliser import Normaliser
        from importer.sender.feed import SheetFeed
        from importer.sender.settlement import Settlement

        inner = SheetFeed.portions

        def portions(feed: SheetFeed) -> Iterator[Any]:
            found = inner(feed)
            while True:
                began = time.thread_time()
                portion = next(found, None)
                self.seconds["read and normalise"] += time.thread_time() - began
                if portion is None:
                    return
                yield portion

        SheetFeed.portions = portions  # type: ignore[assignment]
        self.wrap(Normaliser, "__call__", "  of it: normalise")
        self.wrap(Lanes, "add", "lanes")
        self.wrap(Lanes, "done", "lanes")
        self.wrap(Chunker, "make", "encode")
        self.wrap(Pacer, "slot", "pace")
        self.wrap(Pacer, "may_leave", "pace")
        self.wrap(importer.capillary.client, "decode_answer", "decode")
        self.wrap(importer.pipeline, "decide", "reconcile")
        self.wrap(Journal, "write", "journal")
        self.wrap(Settlement, "settle", "settle")
        self.wrap(importer.runs.report, "write_files", "report")


def throughput(rows: int) -> bool:
    stages = Stages()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "sheet.csv"
        write_sheet(sheet, rows)
        write_sheet(folder / "warm.csv", BATCH)
        with sandbox() as (base_url, _):
            # Imports at the first use do not count as the cost of a row.
            ours(base_url, folder / "warm.csv", folder)
        pairs = []
        for attempt in range(TRIES + 1):
            with sandbox() as (base_url, _):
                before = time.process_time()
                seconds = bare(base_url, rows)
                bare_cpu = time.process_time() - before
            with sandbox() as (base_url, _):
                (folder / f"try{attempt}").mkdir()
                if attempt == TRIES:
                    stages.install()
                before = time.process_time()
                own, summary = ours(base_url, sheet, folder / f"try{attempt}")
                cpu = time.process_time() - before
                assert summary.rows.succeeded == rows, summary
            pairs.append(seconds / own)
            print(
                f"bare loop {rows / seconds:,.0f} customers/s ({bare_cpu / rows * 1e6:.1f} µs of CPU a row); "
                f"ours {rows / own:,.0f} ({cpu / rows * 1e6:.1f} µs of CPU a row): {seconds / own:.0%}"
            )
    known = sum(s for stage, s in stages.seconds.items() if not stage.startswith(" "))
    stages.seconds["the rest (httpx, asyncio, sender)"] = cpu - known
    for stage, spent in stages.seconds.items():
        print(f"  {stage:<36} {spent / rows * 1e6:6.2f} µs a row")
    share_of_loop = statistics.median(pairs[:TRIES])  # the last one was slowed by the measuring of stages
    share = stages.seconds["journal"] / cpu
    print(f"{share_of_loop:.0%} of the bare loop; the goal is {GOAL:.0%}")
    print(f"the journal takes {share:.1%} of the run's CPU; the goal is at most {JOURNAL:.0%}")
    return share_of_loop >= GOAL and share <= JOURNAL


def profile(rows: int) -> bool:
    with tempfile.TemporaryDirectory() as name, sandbox() as (base_url, _):
        folder = Path(name)
        write_sheet(folder / "sheet.csv", rows)
        profiler = cProfile.Profile()
        profiler.enable()
        own, _ = ours(base_url, folder / "sheet.csv", folder)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
        print(f"{own / rows * 1e6:.1f} µs a row under the profiler")
    return True


# ---------------------------------------------------------------------------------------------------- the rate


def most_in_a_window(left: list[float], window: float) -> int:
    return max(bisect.bisect_left(left, at + window) - index for index, at in enumerate(left))


def _run_for(base_url: str, folder: str, name: str, rate: str, seconds: float) -> None:
    place = Path(folder)
    # 200 ms an answer: 50 a second need ten in flight, and some to spare.
    ours(base_url, place / f"{name}.csv", place, rate, max_duration=seconds, concurrency=16)


def rate_of(rate: str, seconds: float, processes: int) -> bool:
    """Never more than the rate in any window, 98 % of it used, no 429 though the server's limit is the same."""
    count, unit = int(rate.split("/")[0]), {"second": 1.0, "minute": 60.0}[rate.split("/")[1]]
    with (
        tempfile.TemporaryDirectory() as name,
        sandbox(latency=(0.2,), rate_limit=rate) as (base_url, requests),
    ):
        for number in range(processes):
            write_sheet(Path(name) / f"{number}.csv", int(count / unit * seconds * 1.3 / processes + 50) * BATCH)
        spawn = multiprocessing.get_context("spawn")
        running = [
            spawn.Process(target=_run_for, args=(base_url, name, str(number), rate, seconds + 3.0))
            for number in range(processes)
        ]
        for process in running:
            process.start()
        for process in running:
            process.join()
        arrived, throttled = requests()
    # The first seconds are the start of the processes, the last their end.
    begin = arrived[0] + 1.0
    inside = [at for at in arrived if begin <= at < begin + seconds]
    used = len(inside) / (count / unit * seconds)
    most = most_in_a_window(arrived, unit)
    second = most_in_a_window(arrived, 1.0)
    print(
        f"{rate} for {seconds:.0f} s, {processes} process{'es' * (processes > 1)}: {used:.1%} used, "
        f"at most {most} in any {unit:.0f} s, {second} in any second, {throttled} answers 429"
    )
    return used >= USED and most <= count and throttled == 0


def rates(seconds: float) -> bool:
    found = [rate_of(rate, seconds, processes) for rate in ("600/minute", "50/second") for processes in (1, 2)]
    return all(found)


if __name__ == "__main__":
    word = sys.argv[1] if len(sys.argv) > 1 else "throughput"
    number = float(sys.argv[2]) if len(sys.argv) > 2 else None
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} from elsewhere, Python {sys.version.split()[0]}")
    if word == "rate":
        good = rates(number or 60.0)
    elif word == "profile":
        good = profile(int(number or 50_000))
    else:
        good = throughput(int(number or ROWS))
    sys.exit(0 if good else 1)
