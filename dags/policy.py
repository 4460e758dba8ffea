"""The one mapping from our errors to what Airflow does next.

| our error | Airflow |
|---|---|
| Transient, WarehouseUnavailable, AlreadyRunning, LeaseLost | the task's own retries |
| RetryLater, within `LONGEST_WAIT` | gives the slot back and comes again at that instant |
| RetryLater, later than that | fails; the next scheduled run makes no call before that instant |
| every other PipelineError | fails at once: only a person can help, and the line says how |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
)

from extractors.errors import (
    AlreadyRunning,
    LeaseLost,
    PipelineError,
    RetryLater,
    Transient,
    WarehouseUnavailable,
)

RETRIED = (Transient, WarehouseUnavailable, AlreadyRunning, LeaseLost)
# X counts in windows of 15 minutes; a longer wait would hold back the accounts that are already read.
LONGEST_WAIT = timedelta(minutes=20)


def outcome(errors: Sequence[PipelineError], *, now: datetime | None = None) -> AirflowException:
    """Return the exception that tells Airflow what to do about the errors of one task; one line of text."""
    waits = [error.at for error in errors if isinstance(error, RetryLater)]
    if any(not isinstance(error, (*RETRIED, RetryLater)) for error in errors):
        return AirflowFailException(one_line(errors))
    if waits and max(waits) - (now or datetime.now(UTC)) <= LONGEST_WAIT:
        return AirflowRescheduleException(max(waits))  # type: ignore[no-untyped-call]  # Airflow's own is untyped
    if waits:
        return AirflowFailException(one_line(errors))
    return AirflowException(one_line(errors))


def one_line(errors: Sequence[PipelineError]) -> str:
    """Return the gravest error as one line, and how many more there were."""
    first = min(errors, key=lambda error: isinstance(error, (*RETRIED, RetryLater)))
    text = " ".join(str(first).split())
    return text if len(errors) == 1 else f"{text} (and {len(errors) - 1} more like it in this account's other streams)"


@contextmanager
def airflow_outcomes() -> Iterator[None]:
    """Turn a PipelineError raised inside into Airflow's exception for it; everything else passes unchanged."""
    try:
        yield
    except PipelineError as error:
        raise outcome([error]) from None
