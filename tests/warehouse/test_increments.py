"""What a build takes in, and that taking it in piece by piece makes no difference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import (
    AS_OF,
    FACEBOOK,
    INSTAGRAM,
    LINKEDIN,
    TWITTER,
    gains,
    insights,
    instagram_media,
    land,
    public_metrics,
    tweet,
)

pytestmark = pytest.mark.slow

#: All up to core, without the unit tests that the first build has passed.
BUILD_CORE = ("build", "--select", "staging", "intermediate", "core", "--exclude-resource-type", "unit_test")

#: The same without its audits, for steps on the way to a build that has them.
RUN_CORE = ("run", "--select", "staging", "intermediate", "core")

LATER = AS_OF + timedelta(hours=2)
EARLIER = AS_OF - timedelta(hours=2)
#: What belongs to the build and not to the data.
TABLES = {
    "dim_businesses": "*",
    "dim_accounts": "*",
    "dim_posts": "*",
    "fct_posts": "*",
    "fct_post_snapshots": "*",
    "fct_post_daily": "*",
    "fct_engagement_daily": "*",
    "fct_post_restatements": "*",
    "fct_account_restatements": "*",
    "fct_stories": "*",
    "fct_looks": "*",
    "fct_post_velocity": "*",
    "fct_account_daily": "*",
    "fct_audience_demographics": "*",
    "fct_stream_freshness": "*",
    "loaded_runs": "table_name, run_id",
}


def core_of(environment: Environment) -> dict[str, list[str]]:
    """Every row of core as text, in order; a table that is not there has no entry."""
    present = {row["name"] for row in read(environment, "select relname::text as name from pg_class")}
    return {
        table: [
            row["row"]
            for row in read(
                environment,
                f"select (to_jsonb(q) - 'changed_at')::text as row from (select {what} from core.{table}) q order by 1",
            )
        ]
        for table, what in TABLES.items()
        if table in present
    }


def test_a_quarantined_run_is_invisible_and_increments_equal_a_full_refresh(copy: Environment, dbt: Dbt) -> None:
    with connect(copy) as connection:
        before = core_of(copy)
        quarantined = [
            land(
                connection,
                INSTAGRAM,
                "posts",
                {"i9": instagram_media("2026-11-20T10:00:00+0000", insights=insights(views=1))},
                at=LATER,
                gate="quarantined",
            ),
            land(
                connection,
                TWITTER,
                "posts",
                {"101": tweet("101", "2026-11-15T08:30:00.000Z", public_metrics=public_metrics(1, 1, 1, 1, 1, 1))},
                at=LATER,
                gate="pending",
            ),
        ]
        dbt(copy, *RUN_CORE)
        for stream, run_id in zip(("instagram__posts", "twitter__posts"), quarantined, strict=True):
            assert read(copy, f"select 1 from raw.{stream} where run_id = %s", run_id)
            assert not read(copy, f"select 1 from staging.stg_{stream} where run_id = %s", run_id)
        after = core_of(copy)
        # Freshness is about runs, and says so.
        assert after.pop("fct_stream_freshness") != before.pop("fct_stream_freshness")
        assert after == before

        # Now they pass, and others arrive: newer, out of order, restating a day, filling a gap, dropping a value.
        connection.execute("update ops.extract_runs set gate = 'passed' where run_id = any(%s)", (quarantined,))
        land_late_arrivals(connection)
    dbt(copy, *BUILD_CORE)
    incremental = core_of(copy)
    assert incremental["fct_posts"] != before["fct_posts"]
    dbt(copy, *BUILD_CORE, "--full-refresh")
    assert core_of(copy) == incremental


def land_late_arrivals(connection: Any) -> None:
    """Every kind of arrival that could tell a careless increment from a full refresh."""
    posted = "2026-11-15T08:30:00.000Z"
    metrics = public_metrics(150, 15, 2, 3, 0, 1)
    land(connection, TWITTER, "posts", {"101": tweet("101", posted, "#Between", public_metrics=metrics)}, at=EARLIER)
    land(
        connection,
        TWITTER,
        "posts",
        {"101": tweet("101", posted, "#First", public_metrics=metrics)},
        at=EARLIER - timedelta(9),
    )
    # An older version alone, of a post whose newest one is already in.
    land(connection, TWITTER, "posts", {"103": tweet("103", "2026-11-14T08:30:00.000Z", "#Older")}, at=EARLIER)
    clicks = {"101": {"id": "101", "organic_metrics": {"url_link_clicks": 9}}}
    land(connection, TWITTER, "post_metrics", clicks, at=LATER + timedelta(hours=1))
    land(
        connection,
        TWITTER,
        "profile",
        {
            f"{TWITTER.account_id}:user:2026-11-19": {
                "username": "renamed_and_back",
                "public_metrics": {"followers_count": 510},
            }
        },
        at=AS_OF - timedelta(days=2),
    )
    start = AS_OF.replace(day=19, hour=0, minute=0)
    key = f"{LINKEDIN.account_id}:follower_gains:2026-11-19"
    land(connection, LINKEDIN, "account_daily", {key: gains(start, -7, 0)}, at=LATER)
    land(connection, LINKEDIN, "account_daily", {key: gains(start, 100, 0)}, at=EARLIER)
    seniorities = [{"seniority": "urn:li:seniority:1", "followerCounts": {"organicFollowerCount": 1}}]
    older = {f"{LINKEDIN.account_id}:follower_statistics:2026-11-21": {"followerCountsBySeniority": seniorities}}
    land(connection, LINKEDIN, "audience", older, at=EARLIER)
    countries = f"{FACEBOOK.account_id}:page_follows_country:2026-11-21"
    land(connection, FACEBOOK, "audience", {countries: {"value": {"DE": 150, "CH": 2}}}, at=LATER)
    land(connection, FACEBOOK, "audience", {countries: {"value": {"FR": 1}}}, at=EARLIER)
    land(
        connection, INSTAGRAM, "profile", {f"{INSTAGRAM.account_id}:account:2026-11-22": {"username": "new"}}, at=LATER
    )
    connection.execute("update ops.businesses set timezone = 'Asia/Kathmandu' where business_id = 1")


def test_a_number_too_strange_is_null_and_breaks_nothing(copy: Environment, dbt: Dbt) -> None:
    strange: dict[str, object] = {
        "n1": "NaN", "n2": "1e999999", "n3": {"value": 1}, "n4": [1, 2], "n5": True, "n6": "", "n7": "12 posts",
        "n8": 10**40, "n9": "-3.5",
    }  # fmt: skip
    with connect(copy) as connection:
        land(
            connection,
            INSTAGRAM,
            "posts",
            {
                key: instagram_media("2026-11-20T10:00:00+0000", insights=insights(views=value))
                for key, value in strange.items()
            },
        )
    dbt(copy, *BUILD_CORE)
    rows = read(copy, "select post_id, impressions from core.fct_posts where post_id like 'n_'")
    known = {row["post_id"]: row["impressions"] for row in rows if row["impressions"] is not None}
    assert {key: str(value) for key, value in known.items()} == {"n8": str(10**40), "n9": "-3.5"}
    assert len(rows) == len(strange)
