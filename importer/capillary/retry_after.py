"""How long an answer asks the client to wait, by its headers. Pure."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping


def asked_to_wait(headers: Mapping[str, str], http_status: int) -> float | None:
    """Seconds to wait by Retry-After (seconds, or a date compared with the answer's own Date), or by the RateLimit
    headers when no request remains. None where the answer does not say. Not yet clamped."""
    if value := headers.get("Retry-After", "").strip():
        try:
            seconds = float(value)
        except ValueError:
            return _until(value, headers.get("Date", ""))
        return None if math.isnan(seconds) else seconds
    for prefix in ("RateLimit", "X-RateLimit"):
        remaining = headers.get(f"{prefix}-Remaining", "").strip()
        reset = headers.get(f"{prefix}-Reset", "").strip()
        if reset and (http_status == 429 or remaining == "0"):
            try:
                seconds = float(reset)
            except ValueError:
                return None
            if math.isnan(seconds):
                return None
            # Some servers send the moment (Unix time) instead of the seconds until then.
            if seconds > 1_000_000_000:
                now = _stamp(headers.get("Date", ""))
                return None if now is None else max(seconds - now, 0.0)
            return seconds
    return None


def _until(date: str, now: str) -> float | None:
    then, present = _stamp(date), _stamp(now)
    return None if then is None or present is None else max(then - present, 0.0)


def _stamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
