"""What `plan` predicts is what the run spends, budget by budget; where it cannot know, it says "at least"."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from extractors.extract import RunResult, due_accounts
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
    lines = {line.budget: line for line in plan(settings, accounts, **asked)}
    # A call has several budgets: those of the day, the month and the app count it once more.
    return {name: line for name, line in lines.items() if not name.endswith((":day", ":month")) and name[:5] != "meta:"}


def budget_of(call: Call, simulator: Simulator) -> str:
    own = {one.account_id for one in simulator.world.accounts}
    match call.platform:
        case "linkedin":
            endpoint = call.path.split("/")[2]
            is_own = endpoint not in ("organizations", "networkSizes") or any(one in call.path for one in own)
            return f"linkedin:{call.credential}:{endpoint if is_own else 'competitors'}"
        case "twitter":
            endpoints = {"tweets": "timeline", "users": "users", "by": "users_by", "recent": "search_recent"}
            return f"twitter:{call.credential}:{endpoints[call.path.rsplit('/', 1)[-1]]}"
    if call.account in own:
        return f"{call.platform}:{call.account}"
    # A competitor's page is read for the first account of the business.
    credential = simulator.world.credentials[str(call.credential)]
    return f"{call.platform}:{min(one for platform, one in credential.accounts if platform == call.platform)}"


def assert_kept(lines: dict[str, Line], simulator: Simulator, what: object) -> None:
    """Each budget was spent as predicted, or more where the prediction says "at least"; calls and their weights."""
    made, charged = spent(simulator)
    assert made.keys() <= lines.keys(), what
    for budget, line in lines.items():
        for found, said in ((made[budget], line.calls), (charged[budget], line.charged)):
            assert found >= said if line.is_lower_bound else found == said, (what, budget)


def spent(simulator: Simulator) -> tuple[Counter[str], Counter[str]]:
    """Calls per budget, and what the platform counted them as: Meta's app is charged once per part of a batch."""
    made, charged = Counter[str](), Counter[str]()
    for call in simulator.calls:
        budget = budget_of(call, simulator)
        made[budget] += 1
        charged[budget] += sum(each.calls for each in call.charges if each.budget == "meta:app") or 1
    return made, charged


def booked(connection: Connection, results: list[RunResult]) -> int:
    """What the ledger of these runs says the platform counted."""
    runs = [result.run_id for result in results]
    row = connection.execute("select sum(charged) from ops.extract_runs where run_id = any(%s::uuid[])", (runs,))
    return int(row.fetchall()[0][0])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_first_run_spends_at_least_what_was_predicted(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator
):
    lines = predicted(environment, platform)
    extract(platform)
    assert_kept(lines, simulator, platform)
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
        assert not all(line.is_lower_bound for line in lines.values()) or platform in ("facebook", "instagram")
        simulator.clear_calls()
        results = extract(platform, **asked)
        assert not [result.error for result in results if result.error]
        assert_kept(lines, simulator, asked)
        assert sum(result.calls for result in results) == len(simulator.calls)
        assert booked(connection, results) == spent(simulator)[1].total()


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
        assert_kept(lines, simulator, days)
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
    assert_kept(lines, simulator, "without reels")
