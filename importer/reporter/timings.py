"""Response times and failed requests of a run, counted in one pass and bounded memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from importer.capillary.codes import REQUEST_CODES, Next
from importer.journal import Attempt
from importer.system.clock import stamp
from importer.system.text import counted

_SLOWEST, _EXAMPLES, _MOST_KINDS = 10, 5, 50
#: Durations are counted in steps of a logarithmic scale: 12 for each factor of ten, exact within 21 %.
_STEPS_PER_TENFOLD = 12


class Slow(msgspec.Struct, frozen=True):
    """A slow answer."""

    elapsed_ms: int
    at: str
    customers: int
    http_status: int
    code: str
    request_id: str


class Timings:
    """Statistics of attempts."""

    def __init__(self, attempts: Iterable[Attempt] = (), on_trouble: Callable[[int], None] = lambda _: None) -> None:
        """`on_trouble`: called with the time of each request that brought no result for any row."""
        self.count = 0
        self._total = 0
        self._longest: list[tuple[int, int, Attempt]] = []
        self._steps: Counter[int] = Counter()
        self._kinds: Counter[tuple[int, str]] = Counter()
        self._examples: dict[tuple[int, str], list[Slow]] = {}
        for attempt in attempts:
            self._see(attempt)
            if _is_trouble(attempt):
                on_trouble(attempt.at)

    def _see(self, attempt: Attempt) -> None:
        self.count += 1
        self._total += attempt.elapsed_ms
        self._steps[_step(attempt.elapsed_ms)] += 1
        entry = (attempt.elapsed_ms, -attempt.number, attempt)
        if len(self._longest) < _SLOWEST:
            heapq.heappush(self._longest, entry)
        else:
            heapq.heappushpop(self._longest, entry)
        kind = (attempt.http_status, attempt.code)
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            kind = (0, "further codes")
        self._kinds[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if _is_trouble(attempt) and len(examples) < _EXAMPLES:
            examples.append(_slow(attempt))

    @property
    def slowest(self) -> list[Slow]:
        return [_slow(attempt) for _, _, attempt in sorted(self._longest, reverse=True)]

    def share(self, part: float) -> int:
        """Return the milliseconds within which this share of the answers arrived, rounded up to a step."""
        seen = 0
        for step in sorted(self._steps):
            seen += self._steps[step]
            if seen >= part * self.count:
                return min(round(10 ** (step / _STEPS_PER_TENFOLD)), self.slowest[0].elapsed_ms)
        return 0

    def facts(self) -> dict[str, str]:
        """Return rows for summary.html."""
        if not self.count:
            return {}
        half, most = (_seconds(self.share(part)) for part in (0.5, 0.95))
        found = {"Response time": f"50 % within {half}, 95 % within {most}"}
        for number, slow in enumerate(self.slowest[:3]):
            name = ("Slowest answer", "Second slowest", "Third slowest")[number]
            words = [_seconds(slow.elapsed_ms), slow.at, counted(slow.customers, "customer")]
            words.append(f"HTTP {slow.http_status}" if slow.http_status else "no answer")
            words += [f"request id {slow.request_id}"] if slow.request_id else []
            found[name] = ", ".join(words)
        return found

    def document(self) -> dict[str, Any]:
        """Return all statistics, for programs."""
        return {
            "requests": self.count,
            "mean_ms": round(self._total / self.count) if self.count else 0,
            "within_ms": {f"{round(part * 100)} %": self.share(part) for part in (0.5, 0.9, 0.95, 0.99)},
            "slowest": self.slowest,
            "answers": [
                {"http_status": status, "code": code, "requests": rows, "examples": self._examples[status, code]}
                for (status, code), rows in sorted(self._kinds.items(), key=lambda item: (-item[1], item[0]))
            ],
        }


def _slow(attempt: Attempt) -> Slow:
    return Slow(
        attempt.elapsed_ms,
        stamp(attempt.at),
        attempt.customers,
        attempt.http_status,
        attempt.code,
        attempt.request_id,
    )


def _is_trouble(attempt: Attempt) -> bool:
    """Whether the answer is not of the kind that has an item per customer."""
    entry = REQUEST_CODES.get(attempt.code)
    return entry is None or entry.klass is not Next.ITEMS


def _step(milliseconds: int) -> int:
    """Return the step of a duration; 10 ** (step / _STEPS_PER_TENFOLD) is its upper end."""
    step = 0
    while 10 ** (step / _STEPS_PER_TENFOLD) < milliseconds:
        step += 1
    return step


def _seconds(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 10_000 else f"{milliseconds / 1000:,.0f} s"
