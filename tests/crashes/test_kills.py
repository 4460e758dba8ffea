"""`kill -9` at every failpoint and at any time: nothing is lost, nothing is there twice; a naive loader is caught."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from local import postgres
from simulator.server import Simulator
from tests.crashes.harness import ANCHOR, Lane, Verdict, kill_at, kill_at_random, make_lane


def test_the_undisturbed_run_equals_the_world(lane: Lane, platforms: Simulator):
    account = platforms.world.account("facebook", lane.account["account_id"])
    assert account is not None
    posts = [post.post_id for post in platforms.world.listed(account, ANCHOR)]
    assert lane.reference is not None
    assert sorted(key for key, _ in lane.reference.rows.elements()) == sorted(posts)
    assert lane.reference.pages == 4


@pytest.mark.fault("C10", "D01", "D02")
def test_a_kill_before_or_after_any_statement_loses_and_doubles_nothing(
    lanes: list[Lane], explained: Callable[[Lane], None]
):
    points = len(lanes[0].points)
    assert points > 100, "four pages make more than a hundred failpoints"

    def every_second(at: int) -> list[tuple[str, Verdict]]:
        lane = lanes[at]
        numbers = range(1 + at, points + 1, len(lanes))
        return [(lane.points[number - 1], kill_at(lane, number)) for number in numbers]

    with ThreadPoolExecutor(len(lanes)) as pool:
        verdicts = [verdict for several in pool.map(every_second, range(len(lanes))) for verdict in several]
    assert len(verdicts) == points
    assert [each for each in verdicts if not each[1].is_exact] == []
    explained(lanes[0])


@pytest.mark.fault("C10")
def test_lists_cut_by_dates_and_batches_of_ids_survive_kills_as_well(
    other_lane: Lane, explained: Callable[[Lane], None]
):
    page = other_lane.landing[-1]
    around = range(page - 4, other_lane.behind(page, "after Transaction.__exit__") + 1)
    numbers = random.Random(5).sample(range(1, len(other_lane.points) + 1), 20)
    verdicts = [(other_lane.points[number - 1], kill_at(other_lane, number)) for number in (*around, *numbers)]
    assert [each for each in verdicts if not each[1].is_exact] == []
    explained(other_lane)


@pytest.mark.fault("C10", "C09")
def test_kills_at_random_times_lose_and_double_nothing(lane: Lane, explained: Callable[[Lane], None]):
    chance, killed = random.Random(3), 0
    while killed < 20:
        died, verdict = kill_at_random(lane, chance)
        assert verdict.is_exact, verdict
        killed += died
    explained(lane)


@pytest.mark.parametrize(
    ("loader", "gap"),
    [
        ("naive, rows first", "after Transaction.__exit__"),
        ("naive, cursor first", "after Cursor.execute update ops.extract_runs set page_cursor"),
    ],
)
def test_the_harness_catches_a_loader_that_commits_its_state_apart(
    server: postgres.Server, platforms: Simulator, loader: str, gap: str
):
    lane = make_lane(server, platforms, "crashes_" + loader.split()[1], loader)
    try:
        verdicts = [kill_at(lane, number) for number in lane.at(gap)]
    finally:
        lane.close()
    assert len(verdicts) == 4, "one gap per page"
    assert all(each.twice if loader == "naive, rows first" else each.lost for each in verdicts), verdicts
    assert not any(each.is_exact for each in verdicts)
