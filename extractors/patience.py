"""A transaction that met another session's lock is tried again a little later; then its run gives way until later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure, UniqueViolation
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from extractors.errors import RetryLater

Result = TypeVar("Result")

#: The first try and three more, with full jitter between them; each waits as long as the session's lock_timeout.
ATTEMPTS = 4
PAUSE = timedelta(minutes=2)
# All of them undo the whole transaction, so that trying again is safe.
# A record's version of the same microsecond, written by another session meanwhile, is the last version next time.
CONTENDED = (LockNotAvailable, DeadlockDetected, SerializationFailure, UniqueViolation)


def patiently(action: Callable[[], Result], who: str) -> Result:
    """Do one transaction, again if another session's lock was in its way. Raises RetryLater when it stays there."""
    retrying = Retrying(
        retry=retry_if_exception_type(CONTENDED),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.25, max=5),
        reraise=True,
    )
    try:
        return retrying(action)
    except CONTENDED as error:
        raise RetryLater(
            f"{who}: another session held a lock through {ATTEMPTS} tries ({type(error).__name__}); "
            "pg_stat_activity and pg_locks name it",
            datetime.now(UTC) + PAUSE,
        ) from None
