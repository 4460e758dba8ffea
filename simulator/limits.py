"""Rate limits as each platform counts them. They run on real time: a client waits in real time too."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

X_WINDOW = 900
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """At most `calls` in any `seconds`, wherever they begin."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Allowances, generous unless a test says otherwise.

    LinkedIn: calls per credential, endpoint and UTC day, and in a short rolling window that nobody publishes (None:
    none); `linkedin_development`: an app of that tier, which gets no batch.

    X: calls per credential and endpoint in 15 minutes (None: the documented 900). Meta: calls per account in 24
    hours, and per app in a rolling hour.
    """

    linkedin_day: int = 100_000
    linkedin_short: Rolling | None = None
    linkedin_development: bool = False
    x_window: int = 900
    meta_account_day: int = 50_000
    meta_app: Rolling = Rolling(calls=100_000, seconds=HOUR_SECONDS)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one request cost one budget: `calls` at `instant` by the meter's clock, `used` with them, of `limit`.

    `is_over`: that was too much, so the request was refused and the window does not hold it.
    """

    budget: str
    calls: int
    instant: float
    used: int
    limit: int
    is_over: bool


class Meter:
    """Counts calls in windows of real time: fixed ones, and rolling ones to the microsecond."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._used: dict[tuple[str, int], int] = defaultdict(int)
        self._rolling: dict[str, deque[tuple[float, int]]] = defaultdict(deque)

    def spend(self, budget: str, *, limit: int, window: int, calls: int = 1) -> Usage:
        """Count calls against a budget and say where it stands."""
        slot = int(self._wall()) // window
        with self._lock:
            self._used[budget, slot] += calls
            return Usage(used=self._used[budget, slot], limit=limit, reset=(slot + 1) * window)

    def roll(self, budget: str, allowance: Rolling, *, calls: int = 1) -> Usage:
        """Count calls against a rolling window and say where it stands; what is refused is not in the window."""
        with self._lock:
            now, held = self._wall(), self._rolling[budget]
            while held and held[0][0] <= now - allowance.seconds:
                held.popleft()
            used = sum(each for _, each in held) + calls
            if used <= allowance.calls:
                held.append((now, calls))
            oldest = held[0][0] if held else now
            return Usage(used=used, limit=allowance.calls, reset=int(oldest + allowance.seconds) + 1)

    def now(self) -> datetime:
        """The real time."""
        return datetime.fromtimestamp(self._wall(), tz=UTC)

    def unix(self) -> int:
        """The real time in unix seconds."""
        return int(self._wall())

    def instant(self) -> float:
        """The real time in seconds, as exact as the clock is."""
        return self._wall()


class Spending(Protocol):
    """What a platform's front door needs of a meter."""

    def spend(self, budget: str, *, limit: int, window: int, calls: int = 1) -> Usage:
        """Count calls in a fixed window."""

    def roll(self, budget: str, allowance: Rolling, *, calls: int = 1) -> Usage:
        """Count calls in a rolling window."""

    def unix(self) -> int:
        """The real time in unix seconds."""


@dataclass(slots=True)
class Bill:
    """One request's charges: each goes to the meter, and is kept for the ledger."""

    meter: Meter
    charges: list[Charge] = field(default_factory=list)

    def spend(self, budget: str, *, limit: int, window: int, calls: int = 1) -> Usage:
        """Count calls in a fixed window."""
        return self._noted(budget, calls, self.meter.spend(budget, limit=limit, window=window, calls=calls))

    def roll(self, budget: str, allowance: Rolling, *, calls: int = 1) -> Usage:
        """Count calls in a rolling window."""
        return self._noted(budget, calls, self.meter.roll(budget, allowance, calls=calls))

    def unix(self) -> int:
        """The real time in unix seconds."""
        return self.meter.unix()

    def _noted(self, budget: str, calls: int, usage: Usage) -> Usage:
        self.charges.append(
            Charge(
                budget=budget,
                calls=calls,
                instant=self.meter.instant(),
                used=usage.used,
                limit=usage.limit,
                is_over=usage.exceeded,
            )
        )
        return usage
