"""Which days a dated list is asked for, and in which calls; pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from extractors.spec import Window


def first_day(window: Window, today: date, *, asked: date | None, read_until: date | None) -> date:
    """Return the first day to read: the one asked for, else a look back from the last read, else the history.

    Never before what the platform still offers.
    """
    oldest = today - timedelta(days=window.oldest)
    if asked is not None:
        return max(asked, oldest)
    if read_until is None:
        return max(today - timedelta(days=window.history), oldest)
    return max(min(read_until, today) - timedelta(days=window.lookback), oldest)


def calls(window: Window, now: datetime, *, since: date, until: date | None) -> list[tuple[datetime, datetime]]:
    """Cut the days `since` to `until` (exclusive; the last ready day by default) into spans of one call each.

    Edges are midnights of the platform's calendar, so a day of 23 or 25 hours stays one day.
    """
    today = now.astimezone(window.calendar).date()
    ready = today - timedelta(days=window.lag)
    end = min(until, ready) if until else ready
    spans = []
    start = since
    while start < end:
        stop = min(start + timedelta(days=window.days), end)
        spans.append((_midnight(start, window, limit=_midnight(stop, window)), _midnight(stop, window)))
        start = stop
    return spans


def _midnight(day: date, window: Window, limit: datetime | None = None) -> datetime:
    """Midnight of the calendar; with a limit, never more than the longest span before it (a 25-hour day inside)."""
    midnight = datetime.combine(day, time(), window.calendar)
    if limit is None or window.days == 1:
        return midnight
    return datetime.fromtimestamp(max(midnight.timestamp(), limit.timestamp() - window.days * 86_400), window.calendar)
