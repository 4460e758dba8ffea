"""What a DAG run asks the engine for: its name in the ledger, its days, and whether it is in no hurry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from extractors.extract import Asked
from extractors.ledger import Origin
from extractors.schedule import days_of


def is_backfill(context: Mapping[str, Any]) -> bool:
    """Whether Airflow's own backfill made the run."""
    return bool(context["dag_run"].run_type == "backfill")


def origin(context: Mapping[str, Any]) -> Origin:
    """Return the run's name in the ledger. Runs of a backfill that mean the same days are one and the same.

    The attempt is how many tries a person has added by clearing the task; Airflow's own retries are within one.
    """
    run, task = context["dag_run"], context["ti"]
    since, until = days(context)
    name = f"backfill/{since}/{until}" if is_backfill(context) else run.run_id
    return Origin(key=f"{run.dag_id}/{name}", attempt=max(0, task.max_tries - (context["task"].retries or 0)))


def days(context: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """Return the first and the last day to read, in each business's calendar; None: as the ledger says.

    A backfill reads the days of its data interval, which is an instant where the schedule is a plain cron expression;
    every other run reads since where it ended last time, unless the parameter `since` says otherwise.
    """
    run = context["dag_run"]
    if is_backfill(context) and run.data_interval_start is not None:
        return days_of(run.data_interval_start, run.data_interval_end)
    since = context["params"].get("since")
    return (date.fromisoformat(since) if since else None), None


def asked(context: Mapping[str, Any]) -> Asked:
    """Return what the engine is to read of each account; the schedule alone may leave old posts for later."""
    since, until = days(context)
    is_scheduled = context["dag_run"].run_type == "scheduled"
    return Asked(since=since, until=until, origin=origin(context), is_scheduled=is_scheduled)
