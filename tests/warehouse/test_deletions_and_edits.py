"""Posts that are gone, back again, or edited: what core makes of the ledger, and that any order gives the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF, TWITTER, Account, land, public_metrics, tweet
from tests.warehouse.test_increments import BUILD_CORE, RUN_CORE, core_of

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
POSTS = """
select dim.post_id, dim.text, fct.likes, fct.impressions, fct.is_deleted
from core.dim_posts as dim inner join core.fct_posts as fct using (post_key)
where dim.post_id in ('700', '701')
"""


def know(connection: psycopg.Connection[Any], account: Account, post_id: str, *missed_by: object) -> None:
    """What the extractors write down: a known post, and the runs that missed it."""
    connection.execute(
        "insert into ops.known_posts"
        " (business_id, platform, account_id, record_key, published_at, missed_at, missed_runs)"
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict (business_id, platform, account_id, record_key)"
        " do update set missed_at = excluded.missed_at, missed_runs = excluded.missed_runs",
        (account.business_id, account.platform, account.account_id, post_id, AS_OF - timedelta(days=2),
         AS_OF + HOUR if missed_by else None, list(missed_by)),
    )  # fmt: skip


def deletion_of(environment: Environment, post_id: str) -> tuple[Any, Any]:
    (row,) = read(
        environment,
        "select dim.deleted_at, fct.is_deleted from core.dim_posts as dim join core.fct_posts as fct using (post_key)"
        " where dim.post_id = %s",
        post_id,
    )
    return row["deleted_at"], row["is_deleted"]


@pytest.mark.fault("B08")
def test_two_passed_runs_make_a_deletion_and_a_listing_takes_it_back(copy: Environment, dbt: Dbt) -> None:
    with connect(copy) as connection:
        land(connection, TWITTER, "posts", {"900": tweet("900", "2026-11-19T08:30:00.000Z")})
        runs = [land(connection, TWITTER, "posts", {}, at=AS_OF + n * HOUR) for n in (1, 2)]
        held = land(connection, TWITTER, "posts", {}, at=AS_OF + 3 * HOUR, gate="quarantined")
        know(connection, TWITTER, "900", runs[0], held)
        dbt(copy, *RUN_CORE)
        assert deletion_of(copy, "900") == (None, False)
        know(connection, TWITTER, "900", *runs)
        dbt(copy, *RUN_CORE)
        assert deletion_of(copy, "900") == (AS_OF + HOUR, True)
        before = core_of(copy)
        dbt(copy, *RUN_CORE)
        assert core_of(copy) == before
        know(connection, TWITTER, "900")
        dbt(copy, *BUILD_CORE)
        assert deletion_of(copy, "900") == (None, False)


@pytest.mark.parametrize("is_late", [False, True], ids=["in order", "the older version arrives late"])
def test_an_edited_post_is_one_post_and_its_newest_version_counts(copy: Environment, dbt: Dbt, is_late: bool) -> None:
    old = tweet("700", "2026-11-19T08:30:00.000Z", "Helo", edit_history_tweet_ids=["700"],
                public_metrics=public_metrics(100, 5, 0, 0, 0, 0))  # fmt: skip
    new = tweet("701", "2026-11-19T08:40:00.000Z", "Hello", edit_history_tweet_ids=["700", "701"],
                public_metrics=public_metrics(30, 2, 0, 0, 0, 0))  # fmt: skip
    with connect(copy) as connection:
        count = len(read(copy, "select 1 from core.fct_posts"))
        versions = [("700", old, AS_OF - HOUR), ("701", new, AS_OF)]
        for post_id, payload, at in reversed(versions) if is_late else versions:
            land(connection, TWITTER, "posts", {post_id: payload}, at=at)
            dbt(copy, *RUN_CORE)
    rows = read(copy, POSTS)
    assert rows == [{"post_id": "701", "text": "Hello", "likes": 2, "impressions": 30, "is_deleted": False}]
    assert len(read(copy, "select 1 from core.fct_posts")) == count + 1
    assert len(read(copy, "select distinct post_key from core.fct_post_snapshots where post_id in ('700', '701')")) == 1
    assert len(read(copy, "select 1 from core.fct_post_snapshots where post_id in ('700', '701')")) == 2
    before = core_of(copy)
    dbt(copy, *BUILD_CORE, "--full-refresh")
    assert core_of(copy) == before
