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


def moment_text(milliseconds: int, time_zone: str = "") -> str:
    """Return a moment for people, `24 Nov 2026, 02:00 UTC`, in a time zone, by default that of this machine."""
    at = local_time(milliseconds, time_zone)
    return f"{at:%d %b %Y, %H:%M} {zone_of(at)}"


def time_text(milliseconds: int, time_zone: str = "") -> str:
    """Return a time of day for people, `02:00 UTC+05:30`."""
    at = local_time(milliseconds, time_zone)
    return f"{at:%H:%M} {zone_of(at)}"


def zone_of(at: datetime.datetime) -> str:
    """`UTC+05:30`: unlike IST, the same for every reader."""
    offset = at.strftime("%z")
    return "UTC" if offset in ("+0000", "-0000") else f"UTC{offset[:3]}:{offset[3:5]}"


def milliseconds_of(text: str) -> int:
    """Return the moment of a `stamp`."""
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


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
