"""The state of a running sandbox: settings, store and logs. Tests inspect it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Literal

import msgspec

from importer.sandbox.access import Authenticator, Clock, RateWindow
from importer.sandbox.faults import Fault, parse_script
from importer.sandbox.judge import Judge
from importer.sandbox.options import SandboxOptions
from importer.sandbox.shapes import Shaper
from importer.sandbox.store import Accepted, Account, SandboxStore

Identifier = Literal["mobile", "email", "external_id", "user_id"]
_PREFIXES: dict[Identifier, str] = {"mobile": "m:", "email": "e:", "external_id": "x:", "user_id": "u:"}


class RequestRecord(msgspec.Struct):
    """A POST of preferences as it arrived and as it was answered. Times are of the monotonic clock.

    `size`: customers in it, 0 when it could not be read. `http_status` 0: not answered (yet, or by a fault).
    `code`: the code that the body's status carries.
    """

    number: int
    at: float
    request_id: str
    size: int = 0
    body_sha256: str = ""
    http_status: int = 0
    code: str = ""
    fault: str = ""
    overlaps: int = 0
    ended_at: float = 0.0


class SandboxState:
    """`calls` counts every call by what it is for (`POST customer/preferences`, `token` …), refused ones too.

    `overlaps`: customers that were sent while another request with one of their identifiers was being worked on;
    `account_overlaps`: likewise, but only the stored account shows that it is one customer. Both were answered 521.
    `repeats`: requests that named one identifier in more than one customer. `in_flight_most`: most requests at once.
    """

    def __init__(self, options: SandboxOptions, clock: Clock = time.monotonic) -> None:
        self.options = options
        self.clock = clock
        self.shaper = Shaper(options.shape)
        self.judge = Judge(options, self.shaper.success_code)
        self.access = Authenticator(options, clock)
        self.faults: tuple[Fault, ...] = parse_script(options.faults)
        self.store = SandboxStore(options.database)
        self.requests: list[RequestRecord] = []
        self.calls: Counter[str] = Counter()
        self.overlaps = 0
        self.account_overlaps = 0
        self.repeats = 0
        self.throttled = 0
        self.in_flight = 0
        self.in_flight_most = 0
        #: Identifier or account -> number of the request that is writing it.
        self.busy: dict[str | int, int] = {}
        self._windows: dict[str, RateWindow] = {}
        self._latencies = 0
        self._closed = False
        if options.rate_limit is not None:
            RateWindow(options.rate_limit)

    @property
    def accepted(self) -> list[Accepted]:
        """(identifiers as sent, preferences stored) of every customer that was accepted, in order."""
        return self.store.accepted()

    @property
    def accounts(self) -> list[Account]:
        """Every customer that has been written, with identifiers and preferences."""
        return self.store.accounts()

    def preferences_of(
        self,
        *,
        mobile: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        user_id: str | None = None,
    ) -> dict[str, str]:
        """What a customer's preferences are, by any identifier. Empty for one that was never written."""
        given: dict[Identifier, str | None] = {
            "mobile": mobile,
            "email": email,
            "external_id": external_id,
            "user_id": user_id,
        }
        for kind, value in given.items():
            if value is not None:
                found = self.find(kind, value)
                return {} if found is None else dict(found[1].fields)
        raise TypeError("name one identifier")

    def find(self, kind: Identifier, value: str) -> tuple[int, Account] | None:
        if kind == "mobile":
            value = self.judge.mobile(value)
        elif kind == "email":
            value = value.lower()
        return self.store.account(_PREFIXES[kind] + value)

    def expire_tokens(self) -> None:
        """Ends every OAuth token that was given out."""
        self.access.expire_tokens()

    def window_of(self, key: str) -> RateWindow | None:
        if self.options.rate_limit is None:
            return None
        return self._windows.setdefault(key, RateWindow(self.options.rate_limit, self.clock))

    def fault_of(self, number: int) -> Fault | None:
        for fault in self.faults:
            if fault.fits(number):
                return fault
        return None

    def next_latency(self) -> float:
        latencies = self.options.latency
        if not latencies:
            return 0.0
        latency = latencies[self._latencies % len(latencies)]
        self._latencies += 1
        return latency

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.store.close()
