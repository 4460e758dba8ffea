"""Two processes on one account: at once, after each other, and one that was given up for dead and wakes again."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.crashes.harness import EXPIRE, Lane, Nursery, together, zombie


@pytest.mark.fault("C08")
def test_a_zombie_writes_nothing_once_another_took_over(lane: Lane, other: Nursery, explained: Callable[[Lane], None]):
    held = lane.at("before Cursor.execute select is_enabled from ops.accounts")
    frozen = [lane.opening, *(number for number in held if number > lane.opening), *lane.landing]
    assert len(frozen) > 8
    for number in frozen:
        seen = zombie(lane, other, number)
        assert seen.successor.is_complete, (lane.points[number - 1], seen)
        assert "LeaseLost" in seen.zombie.error, (lane.points[number - 1], seen)
        assert seen.verdict.is_exact, (lane.points[number - 1], seen)
    explained(lane)


@pytest.mark.fault("C08")
def test_a_zombie_that_wakes_while_its_successor_still_reads_writes_nothing(
    lane: Lane, other: Nursery, explained: Callable[[Lane], None]
):
    for number in (lane.landing[1], lane.landing[2] + 2):
        lane.reset()
        lane.nursery.start(lane.command(stop_at=[lane.opening, number]))
        assert lane.nursery.wait() is None
        lane.sql(EXPIRE)
        lane.nursery.go_on()
        assert lane.nursery.wait() is None
        lane.sql(EXPIRE)
        other.start(lane.command(stop_at=[lane.behind(lane.landing[0], "after Transaction.__exit__")]))
        assert other.wait() is None
        lane.nursery.go_on()
        woken = lane.nursery.wait()
        other.go_on()
        successor = other.wait()
        assert woken is not None
        assert "LeaseLost" in woken.error, (lane.points[number - 1], woken)
        assert successor is not None
        assert successor.is_complete
        assert lane.verdict().is_exact
    explained(lane)


# Where it notes the last versions of its records it holds them, until the server ends its idle transaction.
@pytest.mark.parametrize(
    "words",
    [
        "before Cursor.execute update ops.extract_runs set page",
        "after Cursor.execute update ops.extract_runs set page",
        "before Transaction.__exit__",
    ],
)
def test_a_process_frozen_with_a_lock_in_its_hand_does_no_harm(lane: Lane, other: Nursery, words: str):
    seen = zombie(lane, other, lane.at(words)[-1], patience=2.0)
    assert seen.verdict.is_exact, seen


def test_a_second_process_is_refused_while_the_lease_of_the_first_lives(lane: Lane, other: Nursery):
    lane.reset()
    lane.nursery.start(lane.command(stop_at=[lane.landing[0]]))
    assert lane.nursery.wait() is None
    other.start(lane.command())
    second = other.wait()
    lane.nursery.go_on()
    first = lane.nursery.wait()
    assert second is not None
    assert "AlreadyRunning" in second.error
    assert first is not None
    assert first.is_complete
    assert lane.verdict().is_exact


@pytest.mark.fault("C07")
def test_two_processes_at_once_bring_what_one_would(lane: Lane, other: Nursery):
    for _ in range(5):
        ended, verdict = together(lane, other)
        assert [each for each in ended if each.is_complete]
        assert all("AlreadyRunning" in each.error for each in ended if not each.is_complete), ended
        assert (verdict.lost, verdict.twice) == (0, 0)


@pytest.mark.fault("C07", "D03")
def test_eight_processes_at_once_bring_what_one_would(lane: Lane, explained: Callable[[Lane], None]):
    crowd = [Nursery() for _ in range(8)]
    try:
        lane.reset()
        for each in crowd:
            each.start(lane.command())
        ended = [each.wait() for each in crowd]
    finally:
        for each in crowd:
            each.close()
    done = [each for each in ended if each is not None]
    assert len(done) == 8
    assert any(each.is_complete for each in done)
    assert all("AlreadyRunning" in each.error for each in done if not each.is_complete), done
    assert lane.verdict().is_exact
    explained(lane)


def test_a_process_asked_to_end_is_no_worse_than_one_that_was_killed(lane: Lane):
    for share in (0.2, 0.4, 0.6, 0.8):
        lane.reset()
        ended = lane.run(signal=int(signal.SIGTERM), signal_after=share * lane.seconds)
        assert ended.is_complete or lane.finish().is_exact
        assert lane.verdict().is_exact
