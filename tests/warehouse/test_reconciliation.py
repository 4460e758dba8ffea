"""From the platform's list to the mart: every difference has its reason, and one without a reason publishes nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import (
    AS_OF,
    FACEBOOK,
    LINKEDIN,
    TWITTER,
    insights,
    land,
    linkedin_statistics,
    public_metrics,
    tweet,
)
from tests.warehouse.test_deletions_and_edits import know

pytestmark = pytest.mark.slow

#: Without the unit tests that the first build has passed.
BUILD = ("build", "--exclude-resource-type", "unit_test")
HOUR = timedelta(hours=1)
POSTED = "2026-11-19T08:30:00.000Z"

#: What the hand-made world holds that is in no mart, by stream; worked out from tests/warehouse/world.py by hand.
REASONS = {
    "facebook__account_daily": {"core_only": 1},
    "facebook__posts": {"unpublished": 1},
    "instagram__account_daily": {"core_only": 4},
    "instagram__posts": {"ad": 1, "story": 1},
    "linkedin__account_daily": {"core_only": 2},
    "linkedin__posts": {"dark_post": 1, "draft": 1, "undated": 1},
    "linkedin__profile": {"core_only": 2},
    "twitter__post_metrics": {"tells_nothing": 1},
    "twitter__posts": {"reply": 2, "repost": 1, "superseded": 1},
}


def words(reason: str | None) -> dict[str, float]:
    """Read `draft: 1, reply: 2`."""
    return {name: float(number) for name, number in re.findall(r"(\w+): (-?[0-9.]+)", reason or "")}


def audit_of(environment: Environment, run_id: object) -> dict[str, Any]:
    (row,) = read(environment, "select * from marts.reconciliation where run_id = %s", run_id)
    return row


def test_every_difference_of_the_world_has_the_reason_it_was_made_with(built: Environment) -> None:
    found: dict[str, dict[str, float]] = {}
    rows = read(built, "select * from marts.reconciliation")
    for row in rows:
        reasons = words(row["reason"])
        assert row["listed"] - row["unchanged"] - row["in_mart"] == row["difference"] == sum(reasons.values())
        assert row["unexplained"] == 0
        for name, number in reasons.items():
            stream = found.setdefault(row["stream"], {})
            stream[name] = stream.get(name, 0) + number
    assert found == REASONS
    runs = read(built, "select run_id, listed, stored from ops.extract_runs order by run_id")
    assert sorted((r["run_id"], r["listed"], r["stored"]) for r in rows) == [tuple(r.values()) for r in runs]


def test_control_totals_are_those_of_the_platform(built: Environment) -> None:
    totals = read(
        built, "select * from marts.reconciliation_totals where stream = 'twitter__posts' and metric = 'likes'"
    )
    # The reading of yesterday told 10 of post 101, today's 20 of it, 5 of 102 and 3 of 103.
    assert sorted((row["listed"], row["in_core"], row["in_mart"], row["difference"]) for row in totals) == [
        (10, 10, 20, -10),
        (28, 28, 28, 0),
    ]
    assert {row["reason"] for row in totals} == {None, "superseded: -10"}
    # The oracle: every like any platform told, straight from raw.
    told = read(
        built,
        "select sum((payload #>> '{totalShareStatistics,likeCount}')::numeric) as likes"
        " from raw.linkedin__post_metrics",
    )
    (mine,) = read(
        built, "select sum(listed) as likes from marts.reconciliation_totals"
        " where stream = 'linkedin__post_metrics' and metric = 'likes'",
    )  # fmt: skip
    assert mine["likes"] == told[0]["likes"]


def land_trouble(connection: psycopg.Connection[Any]) -> dict[str, object]:
    """Everything that keeps a record out of a mart and is no fault."""
    old = tweet("700", POSTED, "Helo", edit_history_tweet_ids=["700"], public_metrics=public_metrics(9, 5, 0, 0, 0, 0))
    new = tweet(
        "701", POSTED, "Hello", edit_history_tweet_ids=["700", "701"], public_metrics=public_metrics(3, 2, 0, 0, 0, 0)
    )
    likes = {"102": tweet("102", "2022-01-05T08:30:00.000Z", public_metrics=public_metrics(1, 9, 9, 9, 9, 9))}
    runs: dict[str, object] = {
        "held": land(connection, TWITTER, "posts", likes, at=AS_OF + HOUR, gate="quarantined"),
        "waiting": land(connection, TWITTER, "posts", likes, at=AS_OF + 2 * HOUR, gate="pending"),
        "editions": land(connection, TWITTER, "posts", {"700": old, "701": new}, at=AS_OF + 3 * HOUR),
        "orphans": land(
            connection, LINKEDIN, "post_metrics",
            {"urn:li:share:1": linkedin_statistics(impressionCount=9, likeCount=32),
             "urn:li:share:99": linkedin_statistics(impressionCount=50, likeCount=4)}, at=AS_OF + HOUR,
        ),
        "comments": land(connection, FACEBOOK, "comments", {"1_1_9": {"message": "Hi"}}),
        "aside": land(connection, FACEBOOK, "posts", {"1_7": facebook_post(7)}, at=AS_OF + HOUR),
        "erased": land(connection, TWITTER, "profile", {"2244994945:user:2026-11-10": {}}, at=AS_OF - 300 * HOUR),
    }  # fmt: skip
    connection.execute("delete from raw.twitter__profile where run_id = %s", (runs["erased"],))
    connection.execute("update ops.accounts set is_enabled = false where platform = 'twitter'")
    # Three more were listed: one was set aside, two could not be read.
    connection.execute("update ops.extract_runs set listed = 4, quarantined = 3 where run_id = %s", (runs["aside"],))
    connection.execute(
        "insert into ops.quarantine (run_id, last_run_id, last_seen_at, business_id, platform, account_id, stream,"
        " record_key, reason, detail, body, observed_at) values (%s, %s, now(), 1, 'facebook', %s, 'facebook__posts',"
        " '1_8', 'SetAside', 'likes below zero', '', now())",
        (runs["aside"], runs["aside"], FACEBOOK.account_id),
    )
    return runs


def facebook_post(likes: int) -> dict[str, object]:
    return {
        "created_time": "2026-11-19T08:30:00+0000",
        "is_published": True,
        "reactions": {"data": [], "summary": {"total_count": likes}},
        "insights": insights(post_media_view=70),
    }


def test_a_troubled_day_is_published_with_its_reasons_and_only_its_runs_are_audited(
    copy: Environment, dbt: Dbt
) -> None:
    with connect(copy) as connection:
        runs = land_trouble(connection)
    dbt(copy, *BUILD)
    expected = {
        "held": {"held_by_gate": 1},
        "waiting": {"awaiting_gate": 1},
        "editions": {"edited": 1},
        "orphans": {"orphan_statistics": 1},
        "comments": {"not_modelled": 1},
        "aside": {"set_aside": 1, "unreadable": 2},
        "erased": {"erased": 1},
    }
    for name, reasons in expected.items():
        row = audit_of(copy, runs[name])
        assert words(row["reason"]) == reasons, name
        assert (row["difference"], row["unexplained"]) == (sum(reasons.values()), 0), name
    assert (audit_of(copy, runs["held"])["staged"], audit_of(copy, runs["held"])["in_core"]) == (0, 0)
    assert audit_of(copy, runs["comments"])["in_core"] is None
    (orphans,) = read(
        copy, "select * from marts.reconciliation_totals where run_id = %s and metric = 'likes'", runs["orphans"]
    )
    assert (orphans["listed"], orphans["in_core"], orphans["in_mart"], orphans["reason"]) == (
        36, 36, 32, "orphan_statistics: 4",
    )  # fmt: skip

    # A run that is let through later is audited again; no other is.
    audits = read(copy, "select run_id, audited_at from marts.reconciliation")
    with connect(copy) as connection:
        connection.execute("update ops.extract_runs set gate = 'passed' where run_id = %s", (runs["waiting"],))
    dbt(copy, *BUILD)
    again = {row["run_id"]: row["audited_at"] for row in read(copy, "select * from marts.reconciliation")}
    assert {row["run_id"] for row in audits if again[row["run_id"]] != row["audited_at"]} == {runs["waiting"]}
    assert audit_of(copy, runs["waiting"])["difference"] == 0


@pytest.mark.fault("E11")
def test_statistics_of_a_post_nobody_has_seen_are_told_of_and_join_the_post_when_it_comes(
    copy: Environment, dbt: Dbt
) -> None:
    with connect(copy) as connection:
        statistics = {"urn:li:share:99": linkedin_statistics(impressionCount=50, likeCount=4)}
        run = land(connection, LINKEDIN, "post_metrics", statistics, at=AS_OF + HOUR)
        dbt(copy, *BUILD)
        assert words(audit_of(copy, run)["reason"]) == {"orphan_statistics": 1}
        assert read(copy, "select 1 from marts.post_performance where post_id = 'urn:li:share:99'") == []
        milliseconds = int(AS_OF.timestamp() * 1000)
        post = {"lifecycleState": "PUBLISHED", "publishedAt": milliseconds, "commentary": "late",
                "distribution": {"feedDistribution": "MAIN_FEED"}}  # fmt: skip
        land(connection, LINKEDIN, "posts", {"urn:li:share:99": post}, at=AS_OF + 2 * HOUR)
        dbt(copy, *BUILD)
    (row,) = read(copy, "select likes, impressions from marts.post_performance where post_id = 'urn:li:share:99'")
    assert (row["likes"], row["impressions"]) == (4, 50)


def published(environment: Environment) -> list[list[dict[str, Any]]]:
    return [
        read(environment, f"select * from marts.{mart} order by business_id, platform, 4, 5")
        for mart in ("post_performance", "analytics_summaries", "reconciliation")
    ]


def test_a_post_that_core_lost_stops_the_publication_until_it_is_back(copy: Environment, dbt: Dbt) -> None:
    before = published(copy)
    with connect(copy) as connection:
        know(connection, TWITTER, "103")
        connection.execute("delete from core.dim_posts where post_id = '103'")
    done = dbt(copy, *BUILD, ok=False)
    assert "every_known_post_is_in_core" in done.stdout
    assert "publish: nothing was published and the last publication stands" in done.stdout
    assert published(copy) == before
    dbt(copy, "run", "--full-refresh", "--select", "dim_posts")
    dbt(copy, *BUILD)
    assert published(copy)[0] == before[0]


def test_a_reading_that_core_lost_stops_the_publication_and_is_looked_for_again(copy: Environment, dbt: Dbt) -> None:
    before = published(copy)
    with connect(copy) as connection:
        reading = {"1_7": facebook_post(7)}
        run = land(connection, FACEBOOK, "posts", reading, at=AS_OF + HOUR)
        dbt(copy, "run", "--select", "staging", "intermediate", "core", "--exclude", "fct_run_audits", "fct_run_totals")
        connection.execute("delete from core.fct_post_snapshots where post_id = '1_7'")
    done = dbt(copy, *BUILD, ok=False)
    assert "is_closed_reconciliation_totals" in done.stdout
    assert published(copy) == before
    (row,) = read(copy, "select * from core.fct_run_totals where run_id = %s and metric = 'likes'", run)
    assert (row["listed"], row["in_core"], row["unexplained"]) == (7, 0, 1)
    assert row["reasons"].keys() == {"missing_in_core"}
    dbt(copy, "run", "--full-refresh", "--select", "fct_post_snapshots")
    dbt(copy, *BUILD)
    (row,) = read(copy, "select * from marts.reconciliation_totals where run_id = %s and metric = 'likes'", run)
    assert (row["listed"], row["in_mart"], row["reason"]) == (7, 7, None)
