"""When each platform is read, and until when a run may wait for a limit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from croniter import croniter  # type: ignore[import-untyped]  # Airflow's own reader of cron expressions; it ships no types

from dags.asked import days

DAILY = "0 3 * * *"
SCHEDULES = {"twitter": "0 * * * *"}
# What no schedule does again is waited for a day: longer than the longest window of a limit.
LONGEST_WAIT = timedelta(days=1)
# What a run takes besides its waits.
LONGEST_WORK = timedelta(hours=6)


def schedule(platform: str) -> str:
    """Return the cron expression of the platform's extraction."""
    return SCHEDULES.get(platform, DAILY)


def waits_until(platform: str, context: Mapping[str, Any]) -> datetime:
    """Return until when a run may wait for a limit: later, the platform's next scheduled run does the work anyway.

    That run has no range of days; a run with one may wait a day.
    """
    began = context["dag_run"].start_date or datetime.now(UTC)
    if days(context) != (None, None):
        return began + LONGEST_WAIT
    return next_run(schedule(platform), began)


def next_run(expression: str, after: datetime) -> datetime:
    """Return when a schedule comes next."""
    found: datetime = croniter(expression, after.astimezone(UTC)).get_next(datetime)
    return found


def run_timeout(platform: str) -> timedelta:
    """Return how long a run may take: it may wait until the next one, and has to work besides."""
    first = next_run(schedule(platform), datetime(2026, 1, 1, tzinfo=UTC))
    return next_run(schedule(platform), first) - first + LONGEST_WORK
