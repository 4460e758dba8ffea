"""Calendar days as the platforms cut them: UTC for LinkedIn and X, Pacific for Facebook and Instagram."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
DAY = timedelta(days=1)


def pacific_day(at: datetime) -> date:
    """The Pacific calendar day an instant falls on."""
    return at.astimezone(PACIFIC).date()


def pacific_start(day: date) -> datetime:
    """The instant (UTC) at which a Pacific day begins: 07:00 or 08:00 UTC, by daylight saving."""
    return datetime.combine(day, time(), tzinfo=PACIFIC).astimezone(UTC)


def pacific_end(day: date) -> datetime:
    """The instant (UTC) at which a Pacific day ends, which Meta sends as `end_time`."""
    return pacific_start(day + DAY)


def utc_start(day: date) -> datetime:
    """The instant at which a UTC day begins."""
    return datetime.combine(day, time(), tzinfo=UTC)


def platform_day(platform: str, at: datetime) -> date:
    """The day an instant falls on, as `platform` counts days."""
    return pacific_day(at) if platform in ("facebook", "instagram") else at.astimezone(UTC).date()


def days_within(since: datetime, until: datetime) -> list[date]:
    """The days whose noon UTC lies in [since, until).

    Which midnight Meta means by `since` is not documented; noon lies inside the day for UTC, Pacific and every zone
    between.
    """
    day = since.astimezone(UTC).date()
    found = []
    while (noon := utc_start(day) + timedelta(hours=12)) < until:
        if noon >= since:
            found.append(day)
        day += DAY
    return found


def milliseconds(at: datetime) -> int:
    """Epoch milliseconds, LinkedIn's clock."""
    return round(at.timestamp() * 1000)


def from_milliseconds(value: int) -> datetime:
    """The instant of an epoch in milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)


def x_time(at: datetime) -> str:
    """X's spelling: `2026-10-05T08:30:00.000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def meta_time(at: datetime) -> str:
    """Meta's spelling: `2026-10-05T08:30:00+0000`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
