"""What `plan` predicts is what the run spends, budget by budget; where it cannot know, it says "at least"."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from extractors.extract import due_accounts
from extractors.plan import Line, plan
from extractors.platforms import instagram
from extractors.settings import Settings
from simulator import graph
from simulator.ledger import Call
from simulator.server import Simulator
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
PLATFORMS = ("linkedin", "twitter", "facebook", "instagram")


def predicted(environment: dict[str, str], *platforms: str, now: Any = ANCHOR, **asked: Any) -> dict[str, Line]:
    settings = Settings.from_environment({**environment, "PIPELINE_NOW": now.isoformat()})
    accounts = [account for platform in platforms for account in due_accounts(settings, platform)]
    return {line.budget: line for line in plan(settings, accounts, **asked)}


def budget_of(call: Call, simulator: Simulator) -> str:
    match call.platform:
        case "linkedin":
            return f"linkedin:{call.credential}:{call.path.split('/')[2]}"
        case "twitter":
            endpoint = "timeline" if call.path.endswith("/tweets") else "users"
            return f"twitter:{call.credential}:{endpoint}"
    return f"{call.platform}:{call.account}"


def spent(simulator: Simulator) -> Counter[str]:
    return Counter(budget_of(call, simulator) for call in simulator.calls)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_first_run_spends_at_least_what_was_predicted(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator
):
    lines = predicted(environment, platform)
    extract(platform)
    made = spent(simulator)
    assert made.keys() == lines.keys()
    for budget, line in lines.items():
        assert made[budget] >= line.calls if line.is_lower_bound else made[budget] == line.calls, budget
    assert any(line.is_lower_bound for line in lines.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_later_run_spends_exactly_what_was_predicted(
    platform: str, extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract(platform)
    pass_all(connection)
    by_posts = {"streams": ["profile", "posts", "post_metrics"], "since": date(202, 1, 1)}
    for asked in ({}, {"since": date(2026, 9, 20), "until": date(2026, 9, 30)}, by_posts):
        lines = predicted(environment, platform, **asked)
        assert not [line for line in lines.values() if line.is_lower_bound]
        simulator.clear_calls()
        results = extract(platform, **asked)
        assert not [result.error for result in results if result.error]
        calls = {budget: line.calls for budget, line in lines.items() if line.calls}
        assert dict(spent(simulator)) == calls, asked
        assert sum(result.calls for result in results) == sum(calls.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_prediction_climbs_the_ladder_with_the_run(
    platform: str, extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract(platform)
    pass_all(connection)
    # Nothing is published in between: what is new since the last run cannot be predicted.
    quiet = {
        key: tuple(post for post in posts if post.created_at <= ANCHOR) for key, posts in simulator.world.posts.items()
    }
    simulator.world = type(simulator.world)(
        **{name: getattr(simulator.world, name) for name in simulator.world.__slots__} | {"posts": quiet}
    )
    for days in (1, 8, 31):
        now = ANCHOR + timedelta(days=days)
        simulator.clock.set(now)
        lines = predicted(environment, platform, now=now)
        simulator.clear_calls()
        extract(platform, now=now)
        assert dict(spent(simulator)) == {budget: line.calls for budget, line in lines.items() if line.calls}, days
        connection.execute("update ops.cursors set watermark = watermark")


def test_a_read_whose_metrics_are_all_rejected_costs_no_call(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract("instagram")
    pass_all(connection)
    before = sum(line.calls for line in predicted(environment, "instagram").values())
    graph.policy(simulator.vault).retired |= set(instagram.REELS_METRICS)
    extract("instagram")
    pass_all(connection)
    lines = predicted(environment, "instagram")
    assert sum(line.calls for line in lines.values()) < before
    simulator.clear_calls()
    extract("instagram")
    assert dict(spent(simulator)) == {budget: line.calls for budget, line in lines.items()}
