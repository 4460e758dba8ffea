"""Ending in good order: SIGTERM and SIGINT let every account finish its page, and then the process ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from extractors.errors import Stopped

#: Seconds that pages under way may take once the end was asked for; deploys commonly kill after 30.
GRACE_SECONDS = 15.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Stop:
    """Whether the work is to end, and who asked for it: a signal's name."""

    asked_by: str | None = None

    def error(self, who: str) -> Stopped:
        """Return the error of somebody who ends because the end was asked for."""
        return Stopped(
            f"{who}: the run was asked to end ({self.asked_by})", "the next run goes on at the page this one reached"
        )

    def check(self, who: str) -> None:
        """Raise Stopped when the end was asked for."""
        if self.asked_by is not None:
            raise self.error(who)


@contextmanager
def on_signals(stop: Stop) -> Iterator[Stop]:
    """Ask for the end on SIGTERM and SIGINT; the second signal does what it did before. In other threads a no-op."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, _frame: FrameType | None) -> None:
        # Nothing but a note: whoever was interrupted here may hold any lock.
        stop.asked_by = signal.Signals(number).name
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
