"""The end of a fault case: everything is read once more, well, and compared with a run that nothing disturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
import pytest

from simulator.server import Simulator
from tests.aftermath import assert_survived
from tests.extractors.conftest import ANCHOR, Extract

#: What the gate does with good runs, also with several of one stream.
PASS = """
with passed as (update ops.extract_runs set gate = 'passed' where gate = 'pending' returning *)
insert into ops.cursors (business_id, platform, account_id, stream, watermark, run_id)
select distinct on (business_id, platform, account_id, stream)
    business_id, platform, account_id, stream, window_until, run_id
from passed
where state = 'complete'
order by business_id, platform, account_id, stream, window_until desc
on conflict (business_id, platform, account_id, stream) do update set
    watermark = greatest(cursors.watermark, excluded.watermark), run_id = excluded.run_id
"""
#: Before every post of the world.
ALWAYS = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Survival:
    """Reads streams of one platform, and ends a case with the three assertions."""

    extract: Extract
    environment: dict[str, str]
    simulator: Simulator
    undisturbed: Callable[..., dict[str, str]]
    connection: psycopg.Connection[Any]
    capfd: pytest.CaptureFixture[str]

    def read(self, platform: str, now: datetime = ANCHOR, **asked: Any) -> list[str]:
        """Read, let the gate pass what landed, and return the classes of what failed."""
        self.simulator.clock.set(max(now, self.simulator.clock.now()))
        results = self.extract(platform, now=now, **asked)
        self.connection.execute(PASS)
        return [type(each.error).__name__ for each in results if each.error]

    def heals(self, platform: str, *streams: str, now: datetime = ANCHOR, since: date | None = ALWAYS) -> None:
        """The fault is over: everything is read, also what is old, and the three assertions hold."""
        assert self.read(platform, now, streams=streams, since=since) == []
        self.equals(platform, *streams, at=(now,), since=since)

    def equals(self, platform: str, *streams: str, at: tuple[datetime, ...] = (ANCHOR,), **asked: Any) -> None:
        """What is there now equals what an undisturbed run stores at these instants, and the rest of the three."""
        calm = self.undisturbed(platform, at=at, streams=streams, **asked)
        names = [f"{platform}__{stream}" for stream in streams]
        assert_survived(self.environment, calm, self.simulator, *self.capfd.readouterr(), names=names)


@pytest.fixture
def survival(
    extract: Extract, environment: dict[str, str], simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]], connection: psycopg.Connection[Any],
    capfd: pytest.CaptureFixture[str],
) -> Survival:  # fmt: skip
    return Survival(extract, environment, simulator, undisturbed, connection, capfd)
