"""The database goes away in the middle of a run: what was committed is there, what was not is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local import postgres
from simulator.server import Simulator
from tests.crashes.harness import Lane, make_lane, stop_database_at


@pytest.mark.fault("C02", "C03")
def test_an_immediate_stop_of_the_database_loses_and_doubles_nothing(
    tmp_path: Path, platforms: Simulator, explained: Callable[[Lane], None]
):
    durable = postgres.start(tmp_path)
    try:
        lane = make_lane(durable, platforms, "crashes_stops")
        pages = lane.landing
        # Rows sent, the answer not read; before the commit; behind the commit.
        sent = lane.behind(pages[1], "before Copy.__exit__")
        committing = lane.behind(pages[2], "before Transaction.__exit__")
        for number in (sent, committing, committing + 1):
            ended, verdict = stop_database_at(lane, tmp_path, durable, number)
            assert not ended.is_complete, ended
            assert verdict.is_exact, (lane.points[number - 1], verdict)
        explained(lane)
        lane.close()
    finally:
        postgres.remove(tmp_path)


@pytest.mark.fault("C01", "C02")
def test_a_connection_lost_on_any_page_loses_and_doubles_nothing(lane: Lane, explained: Callable[[Lane], None]):
    ends = [lane.behind(page, "before Transaction.__exit__") for page in lane.landing]
    numbers = [number for page, end in zip(lane.landing, ends, strict=True) for number in range(page - 1, end + 1, 2)]
    assert len(numbers) == 32, "four pages"
    for number in numbers:
        lane.reset()
        lane.nursery.start(lane.command(stop_at=[number]))
        assert lane.nursery.wait() is None
        lane.sql(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        lane.nursery.go_on()
        ended = lane.nursery.wait()
        assert ended is not None
        assert not ended.is_complete
        assert lane.finish().is_exact, (lane.points[number - 1], ended)
    explained(lane)
