"""Instagram tells nothing of media from before the account became a business account: all else lands, with one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from extractors.extract import RunResult
from tests.aftermath import assert_ledger_explains
from tests.extractors.conftest import ANCHOR, Survival
from tests.extractors.tampering import posts_of, tampered

Connection = psycopg.Connection[Any]
REFUSAL = {
    "error": {
        "message": "Invalid parameter",
        "type": "OAuthException",
        "code": 100,
        "error_subcode": 2108006,
        "is_transient": False,
        "error_user_title": "Media posted before business account conversion",
    }
}


def read(case: Survival, stream: str, change: Callable[[str, Any], Any]) -> list[RunResult]:
    with tampered(case.simulator.base_urls["instagram"], change) as url:
        return case.extract("instagram", streams=[stream], base_urls={"instagram": url})


def lines(results: list[RunResult]) -> list[str]:
    return [line for result in results for line in result.warnings]


@pytest.mark.fault("B37", "B23")
def test_a_list_that_reaches_back_before_the_conversion_lands_whole(survival: Survival, connection: Connection):
    account = next(one for one in survival.simulator.world.accounts if one.platform == "instagram")
    posts = survival.simulator.world.listed(account, ANCHOR)
    border = posts[len(posts) // 2].payload["timestamp"]

    def converted(path: str, body: Any) -> Any:
        is_old = any(post.get("timestamp", "9") <= border for post in posts_of(body))
        return REFUSAL if account.account_id in path and "insights.metric" in path and is_old else body

    results = read(survival, "posts", converted)
    assert {result.state for result in results} == {"complete"}
    mine = next(result for result in results if result.account_id == account.account_id)
    assert (mine.listed, mine.quarantined) == (len(posts), 0)
    assert mine.calls <= 16, "a border is found by halving"
    (line,) = lines(results)
    assert "from here back without insights" in line
    has_insights = (
        "select payload ? 'insights', payload ->> 'timestamp' <= %s, count(*) from raw.instagram__posts "
        "where account_id = %s group by 1, 2 order by 2"
    )
    found = connection.execute(has_insights, (border, account.account_id)).fetchall()
    old = sum(post.payload["timestamp"] <= border for post in posts)
    assert found == [(True, False, len(posts) - old), (False, True, old)]
    assert connection.execute("select count(*) from ops.metric_capabilities").fetchone() == (0,)
    survival.heals("instagram", "posts")


@pytest.mark.fault("B37", "B23")
@pytest.mark.parametrize("whose", ["one", "all"])
def test_reels_from_before_the_conversion_cost_themselves_alone(survival: Survival, connection: Connection, whose: str):
    assert survival.read("instagram", streams=["posts"]) == []
    refused = {"code": 400, "headers": [], "body": json.dumps(REFUSAL)}

    def converted(_path: str, body: Any) -> Any:
        return ([refused, *body[1:]] if whose == "one" else [refused] * len(body)) if isinstance(body, list) else body

    results = read(survival, "post_metrics", converted)
    assert {result.state for result in results} == {"complete"}
    assert all("without insights" in line and "conversion" in line for line in lines(results))
    assert len(lines(results)) == len(results)
    assert connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)
    marked = "select count(*) from ops.known_posts where missed_runs <> '{}'"
    assert connection.execute(marked).fetchone() == (0,), "they are there"
    assert_ledger_explains(survival.environment)
    survival.heals("instagram", "posts", "post_metrics")
