"""Stories, restated days and audiences landed in two parts, the older one last, against plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import (
    AS_OF,
    FACEBOOK,
    INSTAGRAM,
    LINKEDIN,
    TWITTER,
    Account,
    Payload,
    gains,
    insights,
    land,
    land_accounts,
    linkedin_statistics,
)
from tests.warehouse.test_increments import RUN_CORE

pytestmark = pytest.mark.slow

Rows = Callable[..., list[dict[str, Any]]]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PACIFIC = ZoneInfo("America/Los_Angeles")
NAVIGATION = {
    "tap_forward": "taps_forward",
    "tap_back": "taps_back",
    "tap_exit": "exits",
    "swipe_forward": "swipes_forward",
}


@dataclass(frozen=True, slots=True)
class Version:
    """One record as it came: `told` by the columns of the mart, empty while the platform says nothing."""

    account: Account
    stream: str
    key: str
    at: datetime
    payload: Payload
    told: dict[str, int]


def stories() -> Iterator[Version]:
    """Twenty stories looked at every few hours; few see some of them, and one falls silent before it ends."""
    rng = random.Random(3)
    for n in range(20):
        published = AS_OF - timedelta(hours=30 * n + 40)
        few = n % 5 == 0
        for look in range(1, 8):
            seen = 0 if few else n * 3 + look * rng.randrange(2, 9)
            told = {} if seen < 5 or (n == 7 and look > 5) else _story_numbers(seen)
            payload: dict[str, Any] = {
                "media_type": "IMAGE",
                "timestamp": published.isoformat(),
                "permalink": f"p{look}",
            }
            if told:
                payload["insights"] = _story_insights(told)
            yield Version(INSTAGRAM, "stories", f"story{n}", published + look * 3 * HOUR, payload, told)


def _story_numbers(seen: int) -> dict[str, int]:
    kinds = {"taps_forward": seen * 7 // 10, "taps_back": seen // 12, "exits": 0, "swipes_forward": seen // 8}
    shared = {"views": seen, "reach": seen - 1, "replies": 0, "shares": seen // 9, "total_interactions": seen // 9}
    return shared | kinds | {"navigation": sum(kinds.values())}


def _story_insights(told: dict[str, int]) -> Payload:
    flat = insights(**{name: told[name] for name in ("views", "reach", "replies", "shares", "total_interactions")})
    kinds = [{"dimension_values": [kind], "value": told[name]} for kind, name in NAVIGATION.items()]
    breakdown = {"dimension_keys": ["story_navigation_action_type"], "results": kinds}
    entry = {"name": "navigation", "total_value": {"value": told["navigation"], "breakdowns": [breakdown]}}
    return {"data": [*flat["data"], entry]}


def account_days() -> Iterator[Version]:
    """Days of two platforms, read again and again: some numbers change long after, some fall silent."""
    rng = random.Random(4)
    for back in range(2, 20):
        day = (AS_OF - back * DAY).date()
        midnight = datetime.combine(day, time(), UTC)
        for read_again in range(5):
            at = midnight + timedelta(hours=11 + 19 * read_again)
            clicks, organic = rng.choice((40, 41)) + day.day, rng.choice((3, 3, 4))
            told = {"clicks": clicks} if rng.random() < 0.8 else {}
            counts = {"impressionCount": 500, **({"clickCount": clicks} if told else {})}
            yield Version(LINKEDIN, "account_daily", f"{LINKEDIN.account_id}:share_statistics:{day}", at,
                          linkedin_statistics(**counts), told | {"impressions": 500})  # fmt: skip
            yield Version(LINKEDIN, "account_daily", f"{LINKEDIN.account_id}:follower_gains:{day}", at,
                          gains(midnight, organic, 1), {"followers_net": organic + 1})  # fmt: skip
            follows = 270 + back + rng.choice((0, 0, 1))
            yield Version(FACEBOOK, "account_daily", f"{FACEBOOK.account_id}:page_follows:{day}", at,
                          {"name": "page_follows", "value": follows}, {"followers_count": follows})  # fmt: skip


VERSIONS = (*stories(), *account_days())


def land_versions(connection: psycopg.Connection[Any], *, is_late: bool) -> None:
    """Land every version that belongs to this part; a late one is older than some that are in already."""
    rng = random.Random(5)
    for version in sorted(VERSIONS, key=lambda one: one.at):
        if (rng.random() < 0.4) is is_late:
            land(connection, version.account, version.stream, {version.key: version.payload}, at=version.at)


@pytest.fixture(scope="module")
def rows(new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt) -> Rows:
    """Query the candidates of the marts, after the older part has come last."""
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        land_accounts(connection)
        for back, followers in ((9, 100), (8, 104), (5, 110)):
            at = AS_OF - back * DAY
            profile = {"username": "acmedata", "public_metrics": {"followers_count": followers}}
            land(connection, TWITTER, "profile", {f"{TWITTER.account_id}:user:{at:%Y-%m-%d}": profile}, at=at)
        land_audience(connection)
        dbt(environment, "seed")
        land_versions(connection, is_late=False)
        dbt(environment, *RUN_CORE)
        land_versions(connection, is_late=True)
    dbt(environment, *RUN_CORE, "publish")
    return lambda statement: read(environment, statement)


def land_audience(connection: psycopg.Connection[Any]) -> None:
    """Ages crossed with gender, one of them without a number, and countries of fewer than all."""
    results = [(("18-24", "F"), 61), (("25-34", "M"), 39), (("65+", "U"), None)]
    crossed = {
        "dimension_keys": ["age", "gender"],
        "results": [{"dimension_values": list(keys), "value": count} for keys, count in results],
    }
    today = AS_OF.date()
    land(connection, INSTAGRAM, "audience",
         {f"{INSTAGRAM.account_id}:age_gender:{today}": {"total_value": {"breakdowns": [crossed]}}})  # fmt: skip
    land(connection, INSTAGRAM, "profile",
         {f"{INSTAGRAM.account_id}:account:{today - 3 * DAY}": {"username": "acmedata", "followers_count": 160}},
         at=AS_OF - 3 * DAY)  # fmt: skip
    land(
        connection,
        FACEBOOK,
        "audience",
        {f"{FACEBOOK.account_id}:page_follows_country:{today}": {"value": {"DE": 300}}},
    )


def test_a_story_keeps_the_last_numbers_before_it_ended(rows: Rows) -> None:
    expected: dict[str, dict[str, Any]] = {}
    for version in sorted(stories(), key=lambda one: one.at):
        row = expected.setdefault(version.key, {"told": {}, "metrics_observed_at": None})
        row["permalink"] = version.payload["permalink"]
        if version.told:
            row |= {"told": version.told, "metrics_observed_at": version.at}
    found = {row["post_id"]: row for row in rows("select * from candidate.story_performance")}
    assert set(found) == set(expected)
    for key, row in found.items():
        told = expected[key]["told"]
        names = ("views", "reach", "replies", "shares", "total_interactions", "navigation", *NAVIGATION.values())
        assert {name: row[name] for name in names} == {name: told.get(name) for name in names}, key
        assert row["suppressed_because"] == (None if told else "fewer than 5 viewers")
        assert row["metrics_observed_at"] == expected[key]["metrics_observed_at"]
        assert (row["permalink"], row["expires_at"] - row["published_at"]) == (expected[key]["permalink"], DAY)
    assert {row["suppressed_because"] for row in found.values()} == {None, "fewer than 5 viewers"}
    assert found["story7"]["metrics_observed_at"] < found["story7"]["expires_at"] - 6 * HOUR


def ended_at(version: Version) -> datetime:
    """The end of the day a record is about, where its platform cuts it."""
    day = date.fromisoformat(version.key.rsplit(":", 1)[1]) + DAY
    return datetime.combine(day, time(), PACIFIC if version.account == FACEBOOK else UTC)


def test_a_past_day_that_changed_is_listed_with_old_new_and_delay(rows: Rows) -> None:
    expected, known = set(), dict[tuple[str, str], tuple[datetime, int]]()
    for version in sorted(account_days(), key=lambda one: one.at):
        for metric, value in version.told.items():
            before = known.get((version.key, metric))
            if before and before[1] != value and before[0] >= ended_at(version):
                day = date.fromisoformat(version.key.rsplit(":", 1)[1])
                delay = (version.at - ended_at(version).astimezone(UTC)) / HOUR
                expected.add((version.account.platform, metric, day, version.at, before[0], before[1], value, delay))
            known[version.key, metric] = (version.at, value)
    found = rows(
        "select platform, metric, day, observed_at, old_observed_at, old_value, new_value, delay_hours::float8"
        " from candidate.restatements where period = 'day'"
    )
    assert {tuple(row.values()) for row in found} == expected
    assert len(found) == len(expected)
    assert {metric for _, metric, *_ in expected} == {"clicks", "followers_net", "followers_count"}


def test_shares_have_their_unknown_rest_and_what_is_withheld_says_why(rows: Rows) -> None:
    found = rows(
        "select dimension, value, followers, share, suppressed_because, followers_count, unknown_followers,"
        " unknown_share from candidate.audience_demographics order by 1, 2"
    )
    assert [tuple(row.values()) for row in found] == [
        ("age_gender", "18-24,F", 61, 61, None, 160, 60, 37.5),
        ("age_gender", "25-34,M", 39, 39, None, 160, 60, 37.5),
        ("age_gender", "65+,U", None, None, "listed without a number", 160, 60, 37.5),
        # More of one country than follow: the two numbers are not of one moment, and nothing is said of the rest.
        ("country", "DE", 300, 100, None, newest_follows(), None, None),
    ]


def newest_follows() -> int:
    told = [version for version in account_days() if "page_follows" in version.key]
    return max(told, key=lambda one: (one.key, one.at)).told["followers_count"]


def test_a_missing_day_of_growth_is_absent_and_nothing_is_gained_across_it(rows: Rows) -> None:
    found = rows(
        "select day, followers_count, net from candidate.audience_growth where platform = 'twitter' order by 1"
    )
    days = [(AS_OF - back * DAY).date() for back in (9, 8, 5)]
    assert [tuple(row.values()) for row in found] == list(zip(days, (100, 104, 110), (None, 4, None), strict=True))
