"""Moments as text, and the time until a time of day. Milliseconds are UTC, since 1970."""

from __future__ import annotations

import datetime
import zoneinfo


def stamp(milliseconds: int) -> str:
    """UTC, ISO 8601, to the second."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def local_time(now_ms: int, time_zone: str = "") -> datetime.datetime:
    """The moment in a time zone, by default that of this machine."""
    moment = datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)
    return moment.astimezone(zoneinfo.ZoneInfo(time_zone) if time_zone else None)


def seconds_until(clock_time: str, now_ms: int, time_zone: str = "") -> float:
    """Seconds until the next `HH:MM` in a time zone, by default that of this machine."""
    now = local_time(now_ms, time_zone)
    if not time_zone:
        # Local time without an offset: the offset of now would be wrong after a change to or from summer time.
        now = now.replace(tzinfo=None)
    hour, minute = map(int, clock_time.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= now:
        then += datetime.timedelta(days=1)
    return then.timestamp() - now_ms / 1000
