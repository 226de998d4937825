"""How long an answer asks the client to wait, by its headers. Pure."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

#: Larger numbers are moments (Unix time), not the seconds until then.
_A_MOMENT = 1_000_000_000
#: Such moments in milliseconds or less are larger than this one in seconds.
_NOT_SECONDS = 100_000_000_000
#: `X-RateLimit-Reset` has no standard: some servers send seconds, others milliseconds. Up to so many it is seconds.
_SURELY_SECONDS = 60.0
#: A moment that is further away than an hour is not the end of a window: one of the two clocks is wrong.
_LONGEST_WINDOW = 3600.0


def asked_to_wait(headers: Mapping[str, str], http_status: int) -> float | None:
    """Seconds to wait by Retry-After (seconds, or a date compared with the answer's own Date), or by the RateLimit
    headers when no request remains. None where the answer does not say. Not yet clamped."""
    if value := headers.get("Retry-After", "").strip():
        try:
            seconds = float(value)
        except ValueError:
            return _until(value, headers.get("Date", ""))
        return None if math.isnan(seconds) else seconds
    for prefix in ("RateLimit", "X-RateLimit", "X-Rate-Limit"):
        remaining = headers.get(f"{prefix}-Remaining", "").strip()
        reset = headers.get(f"{prefix}-Reset", "").strip()
        if reset and (http_status == 429 or remaining == "0"):
            return _until_reset(reset, headers.get("Date", ""), prefix == "RateLimit", throttled=http_status == 429)
    return None


def _until_reset(reset: str, date: str, standard: bool, *, throttled: bool) -> float | None:
    """Seconds until the window of a rate ends. `standard`: the header is in seconds. `throttled`: with a 429."""
    try:
        value = float(reset)
    except ValueError:
        return _of_a_window(_until(reset, date))
    if not math.isfinite(value):
        return None
    if value > _A_MOMENT:
        while value > _NOT_SECONDS:
            value /= 1000
        now = _stamp(date)
        return None if now is None else _of_a_window(max(value - now, 0.0))
    if standard or value <= _SURELY_SECONDS:
        return value
    # Milliseconds or seconds. Taken for milliseconds; where that is too soon a 429 follows, whose pauses grow.
    return None if throttled else value / 1000


def _of_a_window(seconds: float | None) -> float | None:
    return None if seconds is None or seconds > _LONGEST_WINDOW else seconds


def _until(date: str, now: str) -> float | None:
    then, present = _stamp(date), _stamp(now)
    return None if then is None or present is None else max(then - present, 0.0)


def _stamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
