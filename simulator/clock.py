"""The simulator's clock: frozen until somebody moves it, or running."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the simulated time. A frozen clock moves only by `advance` and `set`; a running one also by itself."""

    def __init__(self, now: datetime, *, running: bool = False) -> None:
        self._lock = threading.Lock()
        self._running = running
        self._set_at = datetime.now(UTC)
        self._base = _aware(now)

    def now(self) -> datetime:
        """The simulated instant, UTC."""
        with self._lock:
            return self._now()

    def advance(self, by: timedelta) -> datetime:
        """Move forward (or back), and say what time it is then."""
        with self._lock:
            self._restart(self._now() + by)
            return self._base

    def set(self, at: datetime) -> datetime:
        """Move to an instant (aware), and say what time it is then."""
        with self._lock:
            self._restart(_aware(at))
            return self._base

    def _now(self) -> datetime:
        return self._base + (datetime.now(UTC) - self._set_at) if self._running else self._base

    def _restart(self, at: datetime) -> None:
        self._set_at, self._base = datetime.now(UTC), at


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"the clock needs an offset, got {at.isoformat()}")
    return at.astimezone(UTC)
