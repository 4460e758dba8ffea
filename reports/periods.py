"""The periods a report is about, as people write them: 2026-11-21, 2026-W47, 2026-11."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from extractors.errors import ConfigurationError

KINDS = ("day", "week", "month")
FORMS: Mapping[str, str] = MappingProxyType({"day": "YYYY-MM-DD", "week": "YYYY-Www", "month": "YYYY-MM"})
EXAMPLES: Mapping[str, str] = MappingProxyType({"day": "2026-11-21", "week": "2026-W47", "month": "2026-11"})
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "day": "([0-9]{4})-([0-9]{2})-([0-9]{2})",
        "week": "([0-9]{4})-W([0-9]{2})",
        "month": "([0-9]{4})-([0-9]{2})",
    }
)


@dataclass(frozen=True, slots=True)
class Period:
    """A day, an ISO week or a month of a business's own calendar, from `first_day` up to before `day_after`."""

    kind: str
    first_day: date
    day_after: date

    def __str__(self) -> str:
        """Return the period as people write it; also its name in paths."""
        if self.kind == "week":
            year, week, _ = self.first_day.isocalendar()
            return f"{year:04}-W{week:02}"
        return self.first_day.isoformat()[: 10 if self.kind == "day" else 7]


def period_of(kind: str, day: date) -> Period:
    """Return the period of this kind that holds a day."""
    if kind == "week":
        first = day - timedelta(days=day.weekday())
        return Period(kind, first, first + timedelta(days=7))
    if kind == "month":
        first = day.replace(day=1)
        return Period(kind, first, (first + timedelta(days=31)).replace(day=1))
    return Period(kind, day, day + timedelta(days=1))


def parse_period(kind: str, text: str) -> Period:
    """Read a period of one kind. Raises ConfigurationError for another kind, or a date no calendar has."""
    match = re.fullmatch(PATTERNS[kind], text)
    if match is None:
        other = [name for name in KINDS if re.fullmatch(PATTERNS[name], text)]
        reason = f"a {other[0]}, and this report is by {kind}" if other else f"not written like {FORMS[kind]}"
        raise ConfigurationError(f"the period {text!r} is {reason}", f"write it like {EXAMPLES[kind]}")
    try:
        return period_of(kind, _first_day(kind, [int(part) for part in match.groups()]))
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"the period {text!r} is on no calendar", f"write a {kind} that exists, like {EXAMPLES[kind]}"
        ) from None


def latest_complete_period(kind: str, now: datetime, timezone: str) -> Period:
    """Return the last period that has ended in this time zone. `now` is aware."""
    running = period_of(kind, now.astimezone(ZoneInfo(timezone)).date())
    return period_of(kind, running.first_day - timedelta(days=1))


def _first_day(kind: str, numbers: list[int]) -> date:
    if kind == "week":
        return date.fromisocalendar(numbers[0], numbers[1], 1)
    return date(numbers[0], numbers[1], numbers[2] if kind == "day" else 1)
