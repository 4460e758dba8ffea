"""What the published tables hold no case of: joined statistics, versions, sums, kinds of media, two connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.warehouse.conftest import Dbt, Environment, connect, read

pytestmark = pytest.mark.slow

Rows = list[dict[str, Any]]

SYNCED = {"_fivetran_synced": "2026-01-02T00:00:00"}
EARLIER = {"_fivetran_synced": "2026-01-01T00:00:00"}
UGC = {"author": "urn:li:organization:5", "lifecycle_state": "PUBLISHED", "created_time": "2026-01-01T00:00:00"}
#: Only what a case needs: a connector leaves out tables and columns that it never filled.
TABLES: dict[str, Rows] = {
    "linkedin.ugc_post_history": [
        {**UGC, **SYNCED, "id": "urn:li:ugcPost:1", "commentary": "old", "last_modified_time": "2026-01-01T00:00:00"},
        {**UGC, **EARLIER, "id": "urn:li:ugcPost:1", "commentary": "new", "last_modified_time": "2026-01-02T00:00:00"},
        {**UGC, **SYNCED, "id": "urn:li:share:2", "commentary": "named", "last_modified_time": "2026-01-01T00:00:00"},
    ],
    "linkedin.share_statistic": [
        {
            "_fivetran_id": "a",
            "_share_entity_urn": "urn:li:share:9",
            "impression_count": 10,
            "like_count": 1,
            **EARLIER,
        },
        {"_fivetran_id": "b", "_share_entity_urn": "urn:li:share:9", "impression_count": 30, "like_count": 3, **SYNCED},
        {"_fivetran_id": "c", "_share_entity_urn": "urn:li:share:2", "impression_count": 7, "like_count": 2, **SYNCED},
        {"_fivetran_id": "d", "_share_entity_urn": "urn:li:share:8", "impression_count": 5, "like_count": 4, **SYNCED},
        {"_fivetran_id": "e", "_share_entity_urn": None, "impression_count": 500, "like_count": 50, **SYNCED},
    ],
    "linkedin.ugc_post_share_statistic": [
        {"share_statistic_id": "a", "ugc_post_id": "urn:li:ugcPost:1", **EARLIER},
        {"share_statistic_id": "b", "ugc_post_id": "1", **SYNCED},
    ],
    "twitter.tweet": [
        {"id": 7, "account_id": "ad", "user_id": 70, "created_at": "2026-01-01T00:00:00", "favorite_count": 9, **SYNCED}
    ],
    "twitter.organic_tweet_report": [
        {"organic_tweet_id": 7, "date": "2026-01-01", "likes": 2, "clicks": 5, "url_clicks": 1, **SYNCED},
        {"organic_tweet_id": 7, "date": "2026-01-02", "likes": 3, "clicks": 6, "url_clicks": 1, **SYNCED},
        {"organic_tweet_id": 8, "date": "2026-01-02", "likes": 1, "clicks": 1, "url_clicks": 1, **SYNCED},
    ],
    "pages_one.post_history": [{"id": "1_1", "page_id": 1, "created_time": "2026-01-01T00:00:00", **SYNCED}],
    "pages_one.lifetime_post_metrics_total": [
        {"post_id": "1_1", "date": "2026-01-01", "post_impressions": 4, "post_reactions_love_total": 2, **SYNCED},
        {"post_id": "1_1", "date": "2026-01-02", "post_impressions": 6, "post_reactions_love_total": 3, **EARLIER},
        {"post_id": "1_2", "date": "2026-01-02", "post_impressions": 8, "post_reactions_love_total": 0, **SYNCED},
    ],
    "pages_two.post_history": [{"id": "2_1", "page_id": 2, "created_time": "2026-01-01T00:00:00", **SYNCED}],
    "instagram.media_history": [
        {"id": "reel", "user_id": 3, "media_type": "VIDEO", "created_time": "2026-01-01T00:00:00", **SYNCED},
        {"id": "album", "user_id": 3, "media_type": "CAROUSEL_ALBUM", "created_time": "2026-01-01T00:00:00", **SYNCED},
    ],
    "instagram.media_insights": [
        {"id": "reel", "reel_views": 40, "video_photo_views": 41, "like_count": 1, **SYNCED},
        {"id": "album", "carousel_album_views": 50, "video_photo_views": 51, "like_count": None, **SYNCED},
    ],
}
VARIABLES = {
    "fivetran": {
        "schemas": {
            "linkedin_pages": "linkedin",
            "twitter_organic": "twitter",
            "facebook_pages": ["pages_one", "pages_two"],
            "instagram_business": "instagram",
        },
        "business_id": 1,
        "accounts": [{"source_relation": "pages_two", "business_id": 2}, {"account_id": "ad", "business_id": 3}],
    }
}


def create(connection: psycopg.Connection[Any], name: str, rows: Rows) -> None:
    """Create a table of texts with the columns its rows have."""
    schema, table = name.split(".")
    columns = list({column: None for row in rows for column in row})
    connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    typed = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(column)) for column in columns)
    connection.execute(sql.SQL("create table {} ({})").format(sql.Identifier(schema, table), typed))
    for row in rows:
        values = [None if row.get(column) is None else str(row[column]) for column in columns]
        holes = sql.SQL(", ").join(sql.Placeholder() * len(columns))
        connection.execute(sql.SQL("insert into {} values ({})").format(sql.Identifier(schema, table), holes), values)


@pytest.fixture(scope="module")
def views(new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt) -> Environment:
    """A warehouse with the views over the hand-made tables."""
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        for name, rows in TABLES.items():
            create(connection, name, rows)
    wanted = [f"+int_fivetran__{name}" for name in ("rollup", "unmatched", "post_metrics", "posts")]
    dbt(environment, "run", "--select", *wanted, "--vars", json.dumps(VARIABLES))
    return environment


def test_the_strict_numbers_are_those_fivetran_s_models_join_and_add_up(views: Environment) -> None:
    rows = read(
        views,
        "select post_id, business_id, post_message, source_relation, clicks, impressions, likes, shares"
        " from intermediate.int_fivetran__rollup order by platform, post_id",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("1_1", 1, None, "pages_one", 0, 6, 0, None),
        (None, 1, None, "pages_one", 0, 8, 0, None),
        ("album", 1, None, "", None, 51, 0, None),
        ("reel", 1, None, "", None, 41, 1, None),
        ("1", 1, "new", "", 0, 30, 3, 0),
        ("2", 1, "named", "", 0, 0, 0, 0),
        ("7", 3, None, "", 11, 0, 5, 0),
    ]


def test_the_canonical_numbers_are_the_platforms_own(views: Environment) -> None:
    rows = read(
        views,
        "select platform, post_id, impressions, likes, clicks, observed_at::date::text as day"
        " from intermediate.int_fivetran__post_metrics order by platform, post_id, observed_at",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("facebook", "1_1", 6, 3, None, "2026-01-01"),
        ("facebook", "1_1", 4, 2, None, "2026-01-02"),
        ("instagram", "album", 50, None, None, "2026-01-02"),
        ("instagram", "reel", 40, 1, None, "2026-01-02"),
        ("linkedin", "urn:li:share:2", 7, 2, None, "2026-01-02"),
        ("linkedin", "urn:li:ugcPost:1", 10, 1, None, "2026-01-01"),
        ("linkedin", "urn:li:ugcPost:1", 30, 3, None, "2026-01-02"),
        ("twitter", "7", None, 9, 2, "2026-01-02"),
    ]


def test_what_has_no_partner_keeps_its_numbers(views: Environment) -> None:
    rows = read(
        views,
        "select business_id, platform, source_relation, kind, records, impressions, likes"
        " from intermediate.int_fivetran__unmatched order by platform, kind, business_id",
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "facebook", "pages_one", "metrics_without_post", 1, 8, None),
        (2, "facebook", "pages_two", "post_without_metrics", 1, None, None),
        (1, "linkedin", "", "statistics_without_post", 1, 5, 4),
        (1, "twitter", "", "metrics_without_post", 1, None, 1),
    ]
