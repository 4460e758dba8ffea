"""LinkedIn's Development tier refuses every BATCH_GET: the same records come one by one, nothing asked in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from extractors.errors import PermissionLost
from extractors.extract import due_accounts
from extractors.plan import plan
from extractors.settings import Settings
from simulator.limits import Limits
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
STREAMS = ["posts", "post_metrics", "post_reactions"]
VERDICTS = "select distinct stream, read, metric, state, retry_after from ops.metric_capabilities"


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    """The four platforms; our app on LinkedIn is of the Development tier."""
    with Simulator(world, now=ANCHOR, limits=Limits(linkedin_development=True)) as running:
        yield running


def batches(simulator: Simulator) -> int:
    return sum("ids" in call.query for call in simulator.calls)


def singles(simulator: Simulator) -> int:
    return sum(call.path.startswith("/rest/socialMetadata/") for call in simulator.calls)


def test_an_app_without_batches_gets_the_same_records_one_by_one(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):
    results = extract("linkedin", streams=STREAMS)
    assert [result.error for result in results if result.error] == []
    accounts = len({result.account_id for result in results})
    warned = [line for result in results for line in result.warnings if "batches are refused" in line]
    assert len(warned) == batches(simulator) == accounts, "each account finds out once, and says so once"
    learned = [("linkedin__post_reactions", "social_metadata", "BATCH", "rejected", ANCHOR + timedelta(days=7))]
    assert connection.execute(VERDICTS).fetchall() == learned
    assert_equal_warehouses(environment, undisturbed("linkedin", streams=STREAMS), ["linkedin__post_reactions"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def test_what_was_learned_is_predicted_kept_for_a_week_and_taken_back_in_standard_tier(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract("linkedin", streams=STREAMS)
    pass_all(connection)
    asked = {"streams": ["post_reactions"], "since": (ANCHOR - timedelta(days=300)).date()}
    settings = Settings.from_environment({**environment, "PIPELINE_NOW": ANCHOR.isoformat()})
    lines = plan(settings, due_accounts(settings, "linkedin"), **asked)
    predicted = sum(line.calls for line in lines if line.budget.endswith(":socialMetadata"))
    simulator.clear_calls()
    results = extract("linkedin", **asked)
    assert [line for result in results for line in result.warnings] == []
    assert batches(simulator) == 0
    assert singles(simulator) == predicted > 0

    simulator.limits = Limits()
    simulator.clear_calls()
    simulator.clock.set(ANCHOR + timedelta(days=8))
    extract("linkedin", now=ANCHOR + timedelta(days=8), **asked)
    assert singles(simulator) == 0
    assert batches(simulator) > 0
    assert {row[3] for row in connection.execute(VERDICTS)} == {"restored"}


@pytest.mark.fault("B05")
def test_a_lost_permission_is_not_taken_for_a_refused_batch(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    simulator.limits = Limits()
    extract("linkedin", streams=["posts", "post_metrics"])
    simulator.faults.add("permission_lost", platform="linkedin", path_contains="/rest/socialMetadata", times=99)
    results = extract("linkedin", streams=["post_reactions"])
    assert {type(result.error) for result in results} == {PermissionLost}
    assert len([call for call in simulator.calls if "socialMetadata" in call.path]) == 2 * len(results)
    assert connection.execute(VERDICTS).fetchall() == []
    assert_ledger_explains(environment, failed={"linkedin__post_reactions": "PermissionLost"})
    assert_no_secret(environment, tokens(simulator))


def test_many_missing_posts_are_looked_up_one_by_one_and_found_deleted(
    extract: Extract, connection: Connection, simulator: Simulator
):
    extract("linkedin", streams=["posts"])
    pass_all(connection)
    mine = next(each for each in simulator.world.accounts if each.platform == "linkedin")
    recent = [post for post in simulator.world.listed(mine, ANCHOR) if post.created_at > ANCHOR - timedelta(days=28)]
    simulator.delete("linkedin", *(post.post_id for post in recent))
    for _ in range(2):
        extract("linkedin", streams=["posts"])
        pass_all(connection)
    looked_at = [call for call in simulator.calls if call.path.startswith("/rest/posts/")]
    assert len(looked_at) >= min(20, len(recent)), "a run looks at as many as it would in a batch"
    deleted = connection.execute("select record_key from ops.known_posts where cardinality(missed_runs) > 1").fetchall()
    assert {row[0] for row in deleted} <= {post.post_id for post in recent}
    assert len(deleted) == min(20, len(recent))
