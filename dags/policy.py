"""The one mapping from our errors to what Airflow does next.

| our error | Airflow |
|---|---|
| Transient, WarehouseUnavailable, AlreadyRunning, LeaseLost, Stopped | the task's own retries |
| RetryLater, up to the instant that the task may wait for | gives the slot back and comes again then |
| RetryLater, later than that | fails; the next scheduled run makes no call before that instant |
| every other PipelineError | fails at once: only a person can help, and the line says how |

A task that reads many accounts does first what helps any of them: it comes again at the named instant, or is retried;
what it comes again for is only what is not settled. It fails when nothing is left that another try could mend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
)

from extractors.errors import PASSING, PipelineError, RetryLater


def outcome(errors: Sequence[PipelineError], *, what: str = "", until: datetime | None = None) -> AirflowException:
    """Return the exception that tells Airflow what to do about the errors of one task; one line, `what` before it.

    `until`: the last instant that the task may come again at; None if it does not wait for limits.
    """
    waits = [error.at for error in errors if isinstance(error, RetryLater) and until is not None and error.at <= until]
    if waits:
        return AirflowRescheduleException(max(waits))  # type: ignore[no-untyped-call]  # Airflow's own is untyped
    line = what + one_line(errors)
    return AirflowException(line) if any(isinstance(error, PASSING) for error in errors) else AirflowFailException(line)


def one_line(errors: Sequence[PipelineError]) -> str:
    """Return the gravest error as one line, and how many more there were."""
    first = min(errors, key=lambda error: isinstance(error, (*PASSING, RetryLater)))
    text = f"{first.action}: {' '.join(str(first).split())}"
    return text if len(errors) == 1 else f"{text} (and {len(errors) - 1} more)"


@contextmanager
def airflow_outcomes() -> Iterator[None]:
    """Turn a PipelineError raised inside into Airflow's exception for it; everything else passes unchanged."""
    try:
        yield
    except PipelineError as error:
        raise outcome([error]) from None
