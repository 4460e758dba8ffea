"""One task's share of the accounts: read side by side, a line each in the log, and one outcome for Airflow."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dags.airflow_settings import settings
from dags.asked import asked, is_backfill
from dags.later import clock
from dags.policy import outcome
from dags.schedules import waits_until
from extractors.crew import Crew, Done
from extractors.errors import PipelineError, RetryLater
from extractors.limiter import LONGEST_WAIT_SECONDS
from extractors.origins import urgent

log = logging.getLogger(__name__)
COUNTS = ("listed", "stored", "unchanged", "quarantined", "calls")


def read(
    platform: str, chunk: Mapping[str, Any], context: dict[str, Any], *, comes_again: bool = False
) -> dict[str, int]:
    """Read the accounts of a chunk and return sums.

    Raises what `policy` says of the errors; until then every account that could be read has been. An account that must
    wait is no error where the run reads it later; where the task itself `comes_again`, it is rescheduled.
    `context["outcome"]` is what the task is called in Airflow's UI afterwards.
    """
    accounts = [
        {"business_id": business, "platform": platform, "account_id": name} for business, name in chunk["accounts"]
    ]
    crew = Crew(
        settings=settings(),
        asked=asked(context),
        # Nobody sleeps in a worker's slot for longer than a call may wait.
        patience=LONGEST_WAIT_SECONDS,
        gives_way=partial(urgent, platform=platform) if is_backfill(context) else None,
    )
    sums, errors, unread = dict.fromkeys(COUNTS, 0), [], 0
    for done in crew.read(accounts):
        tell(done)
        sums |= {name: sums[name] + sum(getattr(each, name) for each in done.results) for name in COUNTS}
        errors += done.errors
        unread += bool(done.errors)
    context["outcome"] = label(chunk, unread, errors)
    if errors:
        until = waits_until(platform, context)
        left = [error for error in errors if comes_again or not (isinstance(error, RetryLater) and error.at <= until)]
        if left:
            raise outcome(left, what=f"{unread} of {len(accounts)} accounts not read: ", until=until)
    return {"accounts": len(accounts), **sums}


def tell(done: Done) -> None:
    """Log one line for an account, and one for each warning."""
    if done.errors:
        gravest = min(done.errors, key=lambda error: error.action == "wait")
        log.error("%s: %s: %s", done.name, gravest.action, " ".join(str(gravest).split()))
    else:
        sums = [sum(getattr(each, name) for each in done.results) for name in ("stored", "unchanged", "calls")]
        log.info("%s: %s stored, %s unchanged, %s calls", done.name, *sums)
    for line in dict.fromkeys(line for result in done.results for line in result.warnings):
        log.warning("%s: %s", done.name, line)


def label(chunk: Mapping[str, Any], unread: int, errors: list[PipelineError]) -> str:
    """Return what a chunk, or a group of accounts that had to wait, is called when it has ended or waits again."""
    accounts = len(chunk["accounts"])
    waits = [error.at for error in errors if isinstance(error, RetryLater) and error.at > datetime.now(UTC)]
    if "who" in chunk and waits:
        return f"wait until {clock(max(waits))}: {chunk['who']}"
    name = chunk["who"] if "who" in chunk else f"chunk {chunk['number']}"
    what = f"{name}: {accounts - unread} of {accounts} accounts read"
    return what + (f", the next call is allowed at {clock(min(waits))}" if waits else "")
