"""Five hundred real posts of a brand's page, through dbt, against pandas: after restatements, deletions and a bad run.

The figures are those of Moro, Rita and Vala, "Predicting social media performance metrics" (2016), CC BY 4.0. The file
tells month, weekday and hour of a post, no day: posts are spread over the weeks of their month. Its categories become
three businesses in three time zones, so that rows of one file meet every rule of the marts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.conftest import SHARED
from tests.pipeline import oracle
from tests.pipeline.compare import assert_same
from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import Account, insights, land
from tests.warehouse.test_deletions_and_edits import know

FILE = SHARED / "data" / "facebook_moro" / "dataset_Facebook.csv"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not FILE.exists(), reason="the shared data is not here")]

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIMEZONES = {1: "Europe/Lisbon", 2: "America/New_York", 3: "Asia/Kolkata"}
PAGES = {business: Account(business, "facebook", f"90{business}") for business in TIMEZONES}
ATTACHMENTS = {
    "Photo": ("image", {"media_type": "photo", "type": "photo"}),
    "Link": ("link", {"media_type": "link", "type": "share"}),
    "Video": ("video", {"media_type": "video", "type": "video_inline"}),
    "Status": ("text", None),
}
#: Which rows of the file are restated later, deleted, and only in the run that did not pass.
RESTATED, DELETED, BAD = 7, 50, 61


def posts_of_the_file() -> pd.DataFrame:
    """The file's rows as the marts must show them in the end."""
    found = pd.read_csv(FILE, lineterminator="\r")
    frame = pd.DataFrame({"post_id": [f"moro_{number}" for number in range(len(found))]})
    frame["business_id"] = found["Category"].astype(int)
    frame["platform"] = "facebook"
    frame["account_id"] = [PAGES[business].account_id for business in frame["business_id"]]
    frame["published_at"] = [
        _published(number, *map(int, parts))
        for number, parts in enumerate(zip(found["Post Month"], found["Post Weekday"], found["Post Hour"], strict=True))
    ]
    frame["type"] = found["Type"]
    frame["content_type"] = [ATTACHMENTS[kind][0] for kind in found["Type"]]
    # One tag by type, one for every third post, spelt as people do.
    frame["text"] = [f"News #{kind}" + (" #MORO" if n % 3 == 0 else "") for n, kind in enumerate(found["Type"])]
    frame["hashtags"] = [
        [kind.lower()] + (["moro"] if number % 3 == 0 else []) for number, kind in enumerate(found["Type"])
    ]
    for metric in oracle.METRICS:
        frame[metric] = float("nan")
    frame["impressions"] = frame["views"] = found["Lifetime Post Total Impressions"]
    frame["reach"] = found["Lifetime Post Total Reach"]
    frame["clicks"] = found["Lifetime Post Consumptions"]
    # The file leaves a few counts empty: the platform's way to leave out `shares` is none, of likes it is "unknown".
    frame["likes"] = frame["reactions"] = found["like"]
    frame["comments"] = found["comment"]
    frame["shares"] = found["share"].fillna(0)
    frame["is_deleted"] = frame.index % DELETED == 0
    return frame


def _published(number: int, month: int, weekday: int, hour: int) -> datetime:
    """A day of that weekday (1 is Sunday in the file) in that month; January is December 2025, December November."""
    first = date(2025, 12, 1) if month == 1 else date(2026, month - 1, 1)
    days = (weekday + 5 - first.weekday()) % 7 + 7 * (number % 4)
    day = first + timedelta(days=days)
    return datetime(day.year, day.month, day.day, hour, number % 60, tzinfo=UTC)


def as_sent(post: pd.Series, share: float = 1.0) -> dict[str, Any]:
    """The row as the Graph API sends a post, at a share of its final counts."""

    def count(name: str) -> int | None:
        return None if pd.isna(post[name]) else int(post[name] * share)

    summaries = {
        name: {"summary": {"total_count": count(metric)}}
        for name, metric in (("reactions", "likes"), ("comments", "comments"))
        if count(metric) is not None
    }
    attachment = ATTACHMENTS[post["type"]][1]
    return {
        "created_time": post["published_at"].strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "message": post["text"],
        "permalink_url": f"https://www.facebook.com/{post['post_id']}",
        "is_published": True,
        **({"attachments": {"data": [attachment]}} if attachment else {}),
        **summaries,
        **({"shares": {"count": count("shares")}} if count("shares") else {}),
        "insights": insights(
            post_media_view=count("impressions"),
            post_total_media_view_unique=count("reach"),
            post_clicks=count("clicks"),
        ),
    }


def land_history(environment: Environment, posts: pd.DataFrame) -> None:
    """Three good runs and a bad one: young figures, final ones, two without the deleted posts."""
    with connect(environment) as connection:
        for business, zone in TIMEZONES.items():
            page = PAGES[business]
            connection.execute("insert into ops.businesses values (%s, 'Moro', %s)", (business, zone))
            connection.execute(
                "insert into ops.accounts (business_id, platform, account_id, credential) values (%s, %s, %s, 'none')",
                (business, page.platform, page.account_id),
            )
            own = posts[posts["business_id"] == business]
            first, final = {}, {}
            for number, post in own.iterrows():
                is_restated = number % RESTATED == 0
                first[post["post_id"]] = as_sent(post, (0.5, 1.5)[number % 2] if is_restated else 1.0)
                if is_restated:
                    final[post["post_id"]] = as_sent(post)
            land(connection, page, "posts", first, at=NOW - 3 * DAY)
            land(connection, page, "posts", final, at=NOW - 2 * DAY)
            bad = {post["post_id"]: as_sent(post, 9) for number, post in own.iterrows() if number % BAD == 0}
            bad["moro_never"] = as_sent(own.iloc[0])
            land(connection, page, "posts", bad, at=NOW - DAY, gate="quarantined")
            missing = [land(connection, page, "posts", {}, at=NOW - n * HOUR) for n in (2, 1)]
            for post_id in own.loc[own["is_deleted"], "post_id"]:
                know(connection, page, post_id, *missing)


@pytest.fixture(scope="module")
def moro(
    new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt
) -> tuple[Environment, pd.DataFrame]:
    """The built warehouse, and the posts in pandas."""
    environment, posts = new_database(migrated_template), posts_of_the_file()
    land_history(environment, posts)
    dbt(environment, "build", now=NOW.isoformat())
    return environment, oracle.prepared(posts.to_dict("records"), TIMEZONES)


def table(environment: Environment, relation: str) -> pd.DataFrame:
    """A mart as a frame."""
    return pd.DataFrame(read(environment, f"select * from marts.{relation}"))


def test_the_file_is_the_one_that_is_meant(moro: tuple[Environment, pd.DataFrame]) -> None:
    posts = moro[1]
    assert len(posts) == 500
    assert posts.groupby("business_id").size().to_dict() == {1: 215, 2: 130, 3: 155}
    assert posts["published_at"].max() < NOW
    assert (posts["impressions"] < posts["reach"]).sum() == 4


def test_every_post_has_its_final_figures(moro: tuple[Environment, pd.DataFrame]) -> None:
    environment, posts = moro
    rates = {"engagement_rate_by_reach": "reach", "click_through_rate": "impressions"}
    posts["engagement_rate_by_reach"] = oracle.rate(posts["engagement"], posts["reach"])
    posts["click_through_rate"] = oracle.rate(posts["clicks"], posts["impressions"])
    posts = posts.rename(columns={"local": "published_at_local"})
    values = [*oracle.METRICS, "engagement", "engagement_rate", *rates, "content_type", "hashtags", "is_deleted"]
    keys = ["business_id", "platform", "account_id", "post_id"]
    assert_same(table(environment, "post_performance"), posts, keys, [*values, "published_at_local", "text"])


RATED = ["rated_engagement", "rated_impressions"]
MARTS = {
    "best_hours": (
        lambda posts, today: oracle.best(posts, "hour"),
        ["hour"],
        ["posts", "avg_engagement", "engagement_rate", "is_best", *RATED],
    ),
    "best_days": (
        lambda posts, today: oracle.best(posts, "weekday"),
        ["weekday"],
        ["posts", "avg_engagement", "engagement_rate", "is_best", *RATED],
    ),
    "content_types": (
        lambda posts, today: oracle.content_types(posts),
        ["content_type"],
        ["posts", "avg_engagement", "median_engagement", "engagement_rate", *RATED],
    ),
    "hashtags": (
        lambda posts, today: oracle.hashtags(posts),
        ["hashtag"],
        ["posts", "avg_engagement", "total_engagement", "engagement_rate", "first_used_at", "last_used_at", *RATED],
    ),
    "top_posts": (oracle.top_posts, ["window_days", "metric", "rank"], ["post_id", "value"]),
    "analytics_summaries": (
        oracle.analytics_summaries,
        ["period", "period_start"],
        ["posts", *oracle.SUMMED, "engagement_rate", "avg_engagement_per_post", "is_partial", *RATED],
    ),
    "engagement_overview": (
        oracle.engagement_overview,
        ["window_days"],
        ["posts", *oracle.SUMMED, "engagement_rate", "previous_posts", "previous_engagement", *RATED],
    ),
}


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_equals_pandas(moro: tuple[Environment, pd.DataFrame], mart: str) -> None:
    environment, posts = moro
    compute, grain, values = MARTS[mart]
    expected = compute(posts, oracle.todays(NOW, TIMEZONES))
    assert len(expected) > 5
    assert_same(table(environment, mart), expected, ["business_id", "platform", *grain], values)
