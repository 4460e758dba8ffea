"""The marts of a hand-made world, number by number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

Rows = Callable[..., list[dict[str, Any]]]

pytestmark = pytest.mark.slow

METRICS = (
    "impressions", "reach", "views", "clicks", "likes", "reactions", "comments", "shares", "reposts", "quotes", "saves",
    "video_views", "watch_time_seconds",
)  # fmt: skip

#: (platform, post_id): content type and the metrics in the order of METRICS; None where nobody says.
EXPECTED_POSTS: dict[tuple[str, str], tuple[object, ...]] = {
    ("linkedin", "urn:li:share:1"): ("link", 2610, 1874, None, 52, 31, 31, 8, 6, None, None, None, None, None),
    ("linkedin", "urn:li:share:2"): ("text", 0, None, None, 4, -1, -1, 0, 0, None, None, None, None, None),
    ("linkedin", "urn:li:ugcPost:3"): ("video", *[None] * 13),
    ("linkedin", "urn:li:share:4"): ("text", None, None, None, None, 7, 7, None, None, None, None, None, None, None),
    ("linkedin", "urn:li:share:5"): ("text", *[None] * 13),
    ("linkedin", "urn:li:share:6"): ("text", *[None] * 13),
    ("twitter", "101"): ("video", 200, None, None, 7, 20, 20, 3, 5, 4, 1, 8, 6211, None),
    ("twitter", "102"): ("text", None, None, None, None, 5, 5, 0, 0, 0, 0, 0, None, None),
    ("twitter", "103"): ("text", 410, None, None, None, 3, 3, None, 3, 2, 1, None, None, None),
    ("twitter", "104"): ("link", *[None] * 13),
    ("twitter", "105"): ("carousel", *[None] * 13),
    ("twitter", "106"): ("poll", *[None] * 13),
    ("facebook", "1_1"): ("carousel", 2210, 1544, 2210, 92, 57, 57, 9, 4, None, None, None, None, None),
    ("facebook", "1_2"): ("reel", None, None, None, None, 3, 3, 0, 0, None, None, None, 300, Decimal("45.5")),
    ("facebook", "1_3"): ("link", *[None] * 13),
    ("instagram", "i1"): ("carousel", 2105, 1410, 2105, None, 85, 85, 7, 3, None, None, 31, None, None),
    ("instagram", "i2"): (
        *("reel", 9120, None, 9120, None, 230, 230, 14, 0, None, None, None, 9120),
        Decimal("47678.166"),
    ),
    ("instagram", "i3"): ("image", None, None, None, None, 12, 12, 0, None, None, None, None, None, None),
}


def test_every_organic_post_and_nothing_else_is_in_post_performance(reader: Rows) -> None:
    rows = reader("select * from marts.post_performance where business_id = 1")
    told = {
        (row["platform"], row["post_id"]): (row["content_type"], *(row[metric] for metric in METRICS)) for row in rows
    }
    assert told == EXPECTED_POSTS


def test_what_is_no_post_says_why(reader: Rows) -> None:
    rows = reader("select post_id, excluded_because from core.dim_posts where excluded_because is not null")
    assert {row["post_id"]: row["excluded_because"] for row in rows} == {
        "urn:li:share:7": "dark post",
        "urn:li:share:8": "draft",
        "urn:li:share:9": "undated",
        "107": "reply",
        "108": "reply",
        "109": "repost",
        "1_4": "unpublished",
        "i4": "ad",
        "i5": "story",
    }


def test_texts_are_as_people_read_them(reader: Rows) -> None:
    rows = reader("select post_id, text, hashtags from marts.post_performance")
    texts = {row["post_id"]: (row["text"], row["hashtags"]) for row in rows}
    assert texts["urn:li:share:1"] == ("Our #AI report (again) #data #ai", ["ai", "data"])
    assert texts["101"] == ("Our lab & more #Data #data https://example.com/x", ["data"])
    assert texts["1_1"] == ("Open day #openday #München", ["openday", "münchen"])
    assert texts["1_2"] == (None, [])


@pytest.mark.fault("D08")
def test_local_times_follow_the_clock_changes_of_berlin(reader: Rows) -> None:
    rows = reader("select post_id, published_at_local from marts.post_performance where platform = 'linkedin'")
    assert {row["post_id"]: row["published_at_local"] for row in rows} == {
        "urn:li:share:1": datetime(2026, 11, 20, 23, 59, 59),  # noqa: DTZ001  a local time has no zone
        "urn:li:share:2": datetime(2026, 11, 21, 0, 0),  # noqa: DTZ001
        "urn:li:ugcPost:3": datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001
        "urn:li:share:4": datetime(2026, 10, 25, 2, 30),  # noqa: DTZ001
        "urn:li:share:5": datetime(2026, 3, 29, 1, 59, 59),  # noqa: DTZ001
        "urn:li:share:6": datetime(2026, 3, 29, 3, 0),  # noqa: DTZ001
    }


@pytest.mark.fault("E03")
def test_rates_are_percentages_and_null_over_zero(reader: Rows) -> None:
    row = reader("select * from marts.post_performance where post_id = 'urn:li:share:1'")[0]
    assert row["engagement"] == 45
    assert row["engagement_rate"] == pytest.approx(Decimal(4500) / 2610)
    assert row["engagement_rate_by_reach"] == pytest.approx(Decimal(4500) / 1874)
    assert row["engagement_rate_by_followers"] == pytest.approx(Decimal(4500) / 990)
    assert row["click_through_rate"] == pytest.approx(Decimal(5200) / 2610)
    assert row["virality_rate"] == pytest.approx(Decimal(600) / 2610)
    zero = reader("select * from marts.post_performance where post_id = 'urn:li:share:2'")[0]
    assert (zero["engagement"], zero["engagement_rate"], zero["click_through_rate"]) == (-1, None, None)


def test_followers_at_publish_need_history(reader: Rows) -> None:
    rows = reader(
        "select post_id, followers_at_publish as known from marts.post_performance where platform = 'twitter'"
    )
    assert {row["post_id"]: row["known"] for row in rows} == {
        "101": 480, "102": None, "103": 480, "104": 480, "105": None, "106": None,
    }  # fmt: skip


def test_snapshots_keep_the_whole_history_of_a_post(reader: Rows) -> None:
    rows = reader(
        "select impressions, likes, clicks from core.fct_post_snapshots where post_id = '101' order by observed_at"
    )
    assert [tuple(row.values()) for row in rows] == [(100, 10, None), (100, 10, 7), (200, 20, 7)]


def test_growth_takes_each_platforms_own_words(reader: Rows) -> None:
    rows = reader("select platform, day, followers_count, gained, lost, net from marts.audience_growth order by 1, 2")
    assert [tuple(row.values()) for row in rows] == [
        ("facebook", date(2026, 11, 18), 270, None, None, None),
        ("facebook", date(2026, 11, 19), 273, 5, 2, 3),
        ("facebook", date(2026, 11, 21), 275, None, None, None),
        ("instagram", date(2026, 11, 19), None, 17, 20, -3),
        ("instagram", date(2026, 11, 21), 4551, None, None, None),
        ("linkedin", date(2026, 11, 18), None, None, None, 40),
        ("linkedin", date(2026, 11, 19), None, None, None, -4),
        ("linkedin", date(2026, 11, 20), 990, None, None, None),
        ("linkedin", date(2026, 11, 21), 1000, None, None, None),
        ("twitter", date(2026, 11, 13), 480, None, None, None),
        ("twitter", date(2026, 11, 20), 500, None, None, None),
        ("twitter", date(2026, 11, 21), 497, None, None, -3),
    ]


def test_demographics_have_codes_labels_and_shares(reader: Rows) -> None:
    rows = reader("select platform, dimension, value, label, followers, share from marts.audience_demographics")
    assert {tuple(row.values()) for row in rows} == {
        ("facebook", "country", "DE", "Germany", 141, 94),
        ("facebook", "country", "AT", "Austria", 5, Decimal("3.3333333333333333")),
        ("facebook", "country", "XX", "XX", 4, Decimal("2.6666666666666667")),
        ("instagram", "age_gender", "18-24,F", "18-24, female", 61, 61),
        ("instagram", "age_gender", "25-34,M", "25-34, male", 39, 39),
        ("instagram", "gender", "F", "Female", 75, 75),
        ("instagram", "gender", "M", "Male", 25, 25),
        ("linkedin", "company_size", "SIZE_10001_OR_MORE", "More than 10,000 employees", 21, 100),
        ("linkedin", "country", "urn:li:geo:101282230", "Germany", 90, 100),
        ("linkedin", "seniority", "urn:li:seniority:4", "Senior", 60, 75),
        ("linkedin", "seniority", "urn:li:seniority:99", "urn:li:seniority:99", 20, 25),
    }


def test_best_hours_are_in_the_time_zone_of_each_business(reader: Rows) -> None:
    rows = reader(
        "select hour, posts, avg_engagement, is_best from marts.best_hours where business_id = 2 order by hour"
    )
    assert [tuple(row.values()) for row in rows] == [(15, 1, 8, True), (22, 1, 5, False), (23, 1, 8, False)]
    days = reader("select weekday, posts, is_best from marts.best_days where business_id = 2 order by weekday")
    assert [tuple(row.values()) for row in days] == [(2, 2, False), (3, 1, True)]


def test_summaries_add_up_to_all(reader: Rows) -> None:
    rows = reader(
        "select platform, posts, impressions, engagement, rated_engagement, rated_impressions, followers_count,"
        " is_partial from marts.analytics_summaries"
        " where business_id = 1 and period = 'month' and period_start = '2026-11-01'"
    )
    assert {row["platform"]: tuple(row.values())[1:] for row in rows} == {
        "all": (11, 16655, 490, 487, 16655, 6323, True),
        "facebook": (2, 2210, 73, 70, 2210, 275, True),
        "instagram": (2, 11225, 339, 339, 11225, 4551, True),
        "linkedin": (2, 2610, 44, 44, 2610, 1000, True),
        "twitter": (5, 610, 34, 34, 610, 497, True),
    }


def test_a_window_without_posts_is_a_row_of_none(reader: Rows) -> None:
    rows = reader(
        "select platform, posts, engagement, previous_posts, previous_engagement from marts.engagement_overview"
        " where business_id = 1 and window_days = 7"
    )
    assert {row["platform"]: tuple(row.values())[1:] for row in rows} == {
        "all": (5, 411, 4, 6),
        "facebook": (0, None, None, None),
        "instagram": (2, 339, None, None),
        "linkedin": (2, 44, None, None),
        "twitter": (1, 28, 4, 6),
    }


def test_freshness_knows_streams_that_never_ran(reader: Rows) -> None:
    rows = reader("select stream, last_success_at, is_stale from marts.data_freshness where business_id = 2")
    names = "profile posts post_metrics account_daily audience stories comments competitors"
    assert {row["stream"] for row in rows} == {f"instagram__{name}" for name in names.split()}
    assert all(row["is_stale"] for row in rows if row["last_success_at"] is None)
    assert [row["stream"] for row in rows if row["last_success_at"]] == ["instagram__posts"]
