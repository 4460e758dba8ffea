"""Counts that a platform takes back: a new version beside the old one, and the newest is what was told last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
LIKES = """
select (payload -> 'public_metrics' ->> 'like_count')::int
from raw.twitter__posts where record_key = %s order by observed_at
"""


@pytest.mark.fault("B18")
def test_a_count_that_falls_is_one_more_version_and_the_last_one_told(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):  # fmt: skip
    account = next(one for one in simulator.world.accounts if one.platform == "twitter")
    listed = simulator.world.listed(account, ANCHOR - timedelta(days=2))
    post = next(each for each in listed if each.kind == "own" and each.totals["likes"] > 9)
    told = replace(post, totals={**post.totals, "likes": post.totals["likes"] * 2}, likes_withdrawn=0)
    fair = simulator.world
    simulator.world = fair.after(told)
    extract("twitter", streams=["posts"])
    pass_all(connection)
    simulator.world = fair
    simulator.clock.advance(timedelta(hours=1))
    again = ANCHOR + timedelta(hours=1)
    extract("twitter", streams=["posts"], now=again)
    high, low = (row[0] for row in connection.execute(LIKES, (post.post_id,)))
    assert high > low, "what was told first stays beside it"
    assert_equal_warehouses(environment, undisturbed("twitter", at=(again,), streams=["posts"]), ["twitter__posts"])
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))
