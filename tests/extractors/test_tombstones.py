"""What a platform no longer has: missed twice by complete runs that passed, beside an account that is there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from simulator.model import Post
from simulator.server import Simulator
from tests.aftermath import assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
PLATFORMS = ("linkedin", "twitter", "facebook", "instagram")

DELETED = """
select record_key
from ops.known_posts as post
where (
    select count(*) from ops.extract_runs as run where run.run_id = any(post.missed_runs) and run.gate = 'passed'
) > 1
"""


def deleted(connection: Connection) -> set[str]:
    """What core takes as deleted; the same words as dbt's int_post_deletions."""
    return {row[0] for row in connection.execute(DELETED)}


def missed(connection: Connection) -> set[str]:
    return {row[0] for row in connection.execute("select record_key from ops.known_posts where missed_runs <> '{}'")}


def warnings(results: list[Any]) -> list[str]:
    return [line for result in results for line in result.warnings]


class Reader:
    """Reads the posts of one platform hour by hour."""

    def __init__(self, extract: Extract, connection: Connection, simulator: Simulator, platform: str) -> None:
        self.extract, self.connection, self.simulator, self.platform = extract, connection, simulator, platform
        self.now: datetime = ANCHOR - timedelta(hours=1)

    def read(self, gate: str = "passed", after: timedelta = timedelta(hours=1)) -> list[Any]:
        self.now += after
        self.simulator.clock.set(self.now)
        results = self.extract(self.platform, streams=["posts"], now=self.now)
        if gate == "passed":
            pass_all(self.connection)
        else:
            self.connection.execute("update ops.extract_runs set gate = %s where gate = 'pending'", (gate,))
        return results

    def young(self) -> list[Post]:
        """Posts of all accounts within the window, newest first."""
        since = ANCHOR - timedelta(days=27)
        accounts = [one for one in self.simulator.world.accounts if one.platform == self.platform]
        return [
            p
            for a in accounts
            for p in self.simulator.world.listed(a, ANCHOR)
            if p.created_at > since and p.kind == "own"
        ]


@pytest.fixture
def reader(extract: Extract, connection: Connection, simulator: Simulator, request: pytest.FixtureRequest) -> Reader:
    return Reader(extract, connection, simulator, getattr(request, "param", "facebook"))


@pytest.mark.fault("B08")
@pytest.mark.parametrize("reader", PLATFORMS, indirect=True)
def test_a_deleted_post_is_a_tombstone_after_two_runs_and_no_longer_when_it_is_back(
    reader: Reader, connection: Connection, simulator: Simulator, environment: dict[str, str]
):
    reader.read()
    world = simulator.world
    gone = reader.young()[1].post_id
    simulator.delete(reader.platform, gone)
    reader.read()
    assert missed(connection) == {gone}
    assert deleted(connection) == set()
    reader.read()
    assert deleted(connection) == {gone}
    at = connection.execute("select missed_at from ops.known_posts where record_key = %s", (gone,)).fetchone()
    assert at == (ANCHOR + timedelta(hours=1),)
    reader.read()
    runs = connection.execute("select cardinality(missed_runs) from ops.known_posts where record_key = %s", (gone,))
    assert runs.fetchone() == (2,), "a tombstone costs nothing more"
    simulator.world = world
    reader.read()
    assert missed(connection) == set()
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def test_runs_that_the_gate_held_back_confirm_nothing(reader: Reader, connection: Connection, simulator: Simulator):
    reader.read()
    gone = reader.young()[0].post_id
    simulator.delete("facebook", gone)
    for _ in range(3):
        reader.read(gate="quarantined")
    assert deleted(connection) == set()
    reader.read()
    assert deleted(connection) == set()
    reader.read()
    assert deleted(connection) == {gone}


@pytest.mark.parametrize("reader", PLATFORMS, indirect=True)
def test_a_list_that_is_suddenly_empty_deletes_nothing(reader: Reader, connection: Connection, simulator: Simulator):
    reader.read()
    for _ in range(3):
        simulator.faults.add(
            "empty_data",
            platform=reader.platform,
            path_contains={
                "linkedin": "q=author",
                "twitter": "/tweets?max",
                "facebook": "published_posts",
                "instagram": "/media?",
            }[reader.platform],
            times=9,
        )
        results = reader.read()
        simulator.faults.clear()
    assert missed(connection) == set()
    assert any("too many at once" in line for line in warnings(results))


def test_a_run_that_failed_on_its_way_deletes_nothing(reader: Reader, connection: Connection, simulator: Simulator):
    reader.read()
    for _ in range(3):
        simulator.faults.add("http_500", platform="facebook", path_contains="after=", times=99)
        reader.read(after=timedelta(days=2))
    simulator.faults.clear()
    assert missed(connection) == set()


@pytest.mark.parametrize("reader", PLATFORMS, indirect=True)
def test_the_only_posts_of_a_window_are_deleted_when_each_is_gone_by_itself(
    reader: Reader, connection: Connection, simulator: Simulator
):
    reader.read()
    mine = reader.young()[0].account
    everything = [
        post.post_id
        for post in simulator.world.listed(mine, ANCHOR)
        if post.kind != "retweet" and post.created_at > ANCHOR - timedelta(days=28, hours=1)
    ]
    batch = {"linkedin": 20, "twitter": 100, "facebook": 50, "instagram": 50}[reader.platform]
    simulator.delete(reader.platform, *everything)
    reader.read()
    simulator.clear_calls()
    assert sum(result.calls for result in reader.read()) == len(simulator.calls), "looks by id are booked as well"
    assert 0 < len(deleted(connection)) == min(batch, len(everything))
    assert deleted(connection) <= set(everything)


@pytest.mark.fault("B09")
def test_a_hidden_limit_deletes_nothing_even_when_every_post_is_said_not_to_exist(
    reader: Reader, connection: Connection, simulator: Simulator
):
    reader.read()
    for _ in range(3):
        simulator.faults.add("empty_data", platform="facebook", path_contains="published_posts", times=9)
        simulator.faults.add("object_deleted_33", platform="facebook", path_contains="fields=id%2Cname", times=99)
        reader.read()
        simulator.faults.clear()
    assert missed(connection) == set()


def test_posts_that_left_the_window_are_not_missed(reader: Reader, connection: Connection, simulator: Simulator):
    reader.read()
    reader.read(after=timedelta(days=6))
    reader.read()
    assert missed(connection) == set()


def test_an_old_deleted_post_is_found_by_the_ladder(reader: Reader, connection: Connection, simulator: Simulator):
    account = next(one for one in simulator.world.accounts if one.platform == "facebook")
    reader.read()
    gone = next(
        p.post_id for p in simulator.world.listed(account, ANCHOR) if p.created_at < ANCHOR - timedelta(days=60)
    )
    simulator.delete("facebook", gone)
    reader.read()
    assert missed(connection) == set(), "the window is 28 days"
    reader.read(after=timedelta(days=8))
    assert missed(connection) == {gone}
    reader.read(after=timedelta(days=8))
    assert deleted(connection) == {gone}
