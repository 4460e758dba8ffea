"""What can go wrong between two sockets, through the engine: what lands equals the world."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from extractors.errors import ContractBroken, PipelineError, Refused, RetryLater
from extractors.http import ATTEMPTS
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.conftest import Extract
from tests.extractors.sockets import ANCHOR

Connection = psycopg.Connection[Any]


def landed(connection: Connection, platform: str) -> list[tuple[str, str]]:
    return connection.execute(f"select account_id, record_key from raw.{platform}__posts order by 1, 2").fetchall()


def oracle(world: World, platform: str) -> list[tuple[str, str]]:
    posts = world.expected_posts([ANCHOR])
    return sorted((post["account_id"], post["post_id"]) for post in posts if post["platform"] == platform)


@pytest.mark.parametrize("name", ["http_500", "http_503", "http_504", "html_error_page", "connection_reset"])
def test_three_hiccups_in_a_row_lose_and_double_nothing(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, name: str
):
    simulator.faults.add(name, platform="facebook", path_contains="published_posts", times=3)
    results = extract("facebook", streams=["posts"])
    assert {result.state for result in results} == {"complete"}
    assert landed(connection, "facebook") == oracle(world, "facebook")
    assert connection.execute("select sum(retries) from ops.extract_runs").fetchone() == (3,)


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("redirect", {}, Refused),
        ("gzip_bomb", {"bytes": 40_000_000}, Refused),
        ("unknown_encoding", {}, Refused),
        ("empty_body", {"body": "null"}, ContractBroken),
        ("empty_body", {"body": "[]"}, ContractBroken),
        ("empty_body", {"body": "{}"}, ContractBroken),
        ("rate_limited", {"headers": {"Retry-After": "3600"}}, RetryLater),
    ],
)
def test_an_answer_that_is_refused_ends_one_account_and_the_next_run_has_it_all(
    extract: Extract,
    connection: Connection,
    simulator: Simulator,
    world: World,
    name: str,
    options: dict[str, Any],
    kind: type[PipelineError],
):
    simulator.faults.add(name, platform="facebook", path_contains="published_posts", times=1, **options)
    failed = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert [type(result.error) for result in failed] == [kind]
    assert connection.execute("select count(*) from ops.extract_runs where state = 'failed'").fetchone() == (1,)
    assert {result.state for result in extract("facebook", streams=["posts"], force=True)} == {"complete"}
    assert landed(connection, "facebook") == oracle(world, "facebook")


def test_an_empty_answer_is_never_no_posts(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    simulator.faults.add("empty_body", platform="facebook", path_contains="published_posts", times=ATTEMPTS)
    results = extract("facebook", streams=["posts"])
    assert len([result for result in results if result.error]) == 1
    extract("facebook", streams=["posts"])
    assert landed(connection, "facebook") == oracle(world, "facebook")
