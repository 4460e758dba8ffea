"""Rate limits as each platform counts them. They run on real time: a client waits in real time too."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

X_WINDOW = 900
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Allowances, generous unless a test says otherwise.

    LinkedIn: calls per credential, endpoint and UTC day. X: calls per credential and endpoint in 15 minutes (None: the
    documented 900). Meta: calls per account in 24 hours, and per app in an hour.
    """

    linkedin_day: int = 100_000
    x_window: int = 900
    meta_account_day: int = 50_000
    meta_app_hour: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Where a budget stands after a call: `reset` is the unix second at which its window ends."""

    used: int
    limit: int
    reset: int

    @property
    def remaining(self) -> int:
        """Calls left in the window."""
        return max(0, self.limit - self.used)

    @property
    def exceeded(self) -> bool:
        """Whether this call was one too many."""
        return self.used > self.limit

    @property
    def percent(self) -> int:
        """Share of the allowance that is spent, rounded up."""
        return -(-100 * self.used // max(1, self.limit))


class Meter:
    """Counts calls in fixed windows of real time."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._used: dict[tuple[str, int], int] = defaultdict(int)

    def spend(self, budget: str, *, limit: int, window: int, calls: int = 1) -> Usage:
        """Count calls against a budget and say where it stands."""
        slot = int(self._wall()) // window
        with self._lock:
            self._used[budget, slot] += calls
            return Usage(used=self._used[budget, slot], limit=limit, reset=(slot + 1) * window)

    def now(self) -> datetime:
        """The real time."""
        return datetime.fromtimestamp(self._wall(), tz=UTC)

    def unix(self) -> int:
        """The real time in unix seconds."""
        return int(self._wall())
