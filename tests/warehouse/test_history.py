"""Gains by day, trends and restatements of posts watched for two months, against plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from tests.warehouse import history_oracle as oracle
from tests.warehouse import watched
from tests.warehouse.conftest import Dbt, Environment, connect
from tests.warehouse.history_oracle import POSTS, add
from tests.warehouse.landing import LINKEDIN
from tests.warehouse.test_increments import BUILD_CORE, RUN_CORE, core_of
from tests.warehouse.watched import METRICS, Post

pytestmark = pytest.mark.slow

Rows = Callable[..., list[dict[str, Any]]]
ADDITIVE = (*METRICS, "engagement")


def engagement(row: dict[str, int | None]) -> int | None:
    return add([row["likes"], row["comments"], row["shares"]])


def expected_days() -> Iterator[tuple[Post, date, oracle.Day]]:
    for post in POSTS:
        for day, told in oracle.days(post).items():
            yield post, day, told


def test_what_a_post_gained_per_day_equals_the_looks(watching: Rows) -> None:
    found = watching(
        "select post_id, activity_date, days_covered, is_opening, " + ", ".join(f"daily.{name}" for name in ADDITIVE)
        + ", " + ", ".join(f"opening_{name}" for name in ADDITIVE)
        + " from core.fct_post_daily as daily inner join core.dim_posts using (post_key)"
    )  # fmt: skip
    expected = {}
    for post, day, told in expected_days():
        gains, opening = (told.gains | {"engagement": engagement(told.gains)}), told.opening
        opening = opening | {"engagement": engagement(opening)}
        is_opening = any(value is not None for value in opening.values())
        values = [gains[name] for name in ADDITIVE] + [opening[name] for name in ADDITIVE]
        expected[post.post_id, day] = (told.days_covered, is_opening, *values)
    actual = {(row.pop("post_id"), row.pop("activity_date")): tuple(row.values()) for row in found}
    assert actual == expected
    assert len({covered for covered, *_ in expected.values()}) > 4
    assert any(gain is not None and gain < 0 for _, _, *values in expected.values() for gain in values)


@pytest.mark.fault("B18")
def test_gains_and_opening_values_add_up_to_the_lifetime_values(watching: Rows) -> None:
    sums = ", ".join(f"coalesce(sum(daily.{name}), 0) + coalesce(sum(opening_{name}), 0) as {name}" for name in METRICS)
    found = watching(
        f"select post_id, {sums} from core.fct_post_daily as daily"
        " inner join core.dim_posts using (post_key) group by 1"
    )
    expected = {post.post_id: oracle.last_known(post) for post in POSTS if oracle.days(post)}
    told = {post_id: {name: value or 0 for name, value in known.items()} for post_id, known in expected.items()}
    assert {row.pop("post_id"): row for row in found} == told
    newest = {row.pop("post_id"): row for row in watching(f"select post_id, {', '.join(METRICS)} from core.fct_posts")}
    known = [
        (told[key][name], value) for key, row in newest.items() for name, value in row.items() if value is not None
    ]
    assert len(known) > 200
    assert all(total == value for total, value in known)


def period_start(period: str, day: date) -> date:
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[period]


def test_trends_equal_the_looks_and_differ_by_the_opening_values_alone(watching: Rows) -> None:
    expected: dict[tuple[object, ...], dict[str, Any]] = {}

    def count(post: Post, attribution: str, day: date, values: dict[str, int | None]) -> None:
        values = values | {"engagement": engagement(values)}
        for period in ("day", "week", "month"):
            key = (post.account.business_id, post.account.platform, attribution, period, period_start(period, day))
            row = expected.setdefault(key, {"posts": set(), "rated": [], **{name: [] for name in ADDITIVE}})
            row["posts"].add(post.post_id)
            if None not in (values["engagement"], values["impressions"]):
                row["rated"].append((values["engagement"], values["impressions"]))
            for name in ADDITIVE:
                row[name].append(values[name])

    for post in POSTS:
        told = oracle.readings(post, only_changes=True)
        if told or post.account == LINKEDIN:
            newest = told[-1][1] if told else dict.fromkeys(METRICS)
            count(post, "created", oracle.local_day(post, post.published_at), newest)
    for post, day, row in expected_days():
        count(post, "activity", day, row.gains)
    found = watching(
        "select business_id, platform, attribution, period, period_start, posts, rated_engagement, rated_impressions, "
        + ", ".join(ADDITIVE) + ", engagement_rate from marts.engagement_trends"
    )  # fmt: skip
    assert len(found) == len(expected)
    for actual in found:
        key = tuple(actual[name] for name in ("business_id", "platform", "attribution", "period", "period_start"))
        wanted = expected[key]
        assert actual["posts"] == len(wanted["posts"]), key
        assert {name: actual[name] for name in ADDITIVE} == {name: add(wanted[name]) for name in ADDITIVE}, key
        rated = [add([pair[side] for pair in wanted["rated"]]) for side in (0, 1)]
        assert [actual["rated_engagement"], actual["rated_impressions"]] == rated, key
        above, below = rated
        rate = None if above is None or below is None or below <= 0 else above * 100 / below
        assert (actual["engagement_rate"] is None) is (rate is None), key
        assert rate is None or float(actual["engagement_rate"]) == pytest.approx(rate), key

    opened: dict[int, int] = defaultdict(int)
    for post, _, row in expected_days():
        opened[post.account.business_id] += row.opening["likes"] or 0
    totals = watching(
        "select business_id, sum(likes) filter (where attribution = 'created') as created,"
        " sum(likes) filter (where attribution = 'activity') as activity"
        " from marts.engagement_trends where period = 'month' group by 1"
    )
    assert all(opened.values())
    assert {row["business_id"]: row["created"] - row["activity"] for row in totals} == opened


@pytest.mark.fault("B18")
def test_every_value_that_fell_is_listed_once(watching: Rows) -> None:
    found = watching(
        "select post_id, metric, observed_at, old_value, new_value, delay_hours, published_at, cause, day"
        " from marts.restatements inner join core.fct_posts using (business_id, platform, account_id, post_id)"
        " where metric in ('impressions', 'likes', 'comments', 'shares')"
    )
    expected = {(post.post_id, *fall) for post in POSTS for fall in oracle.restated(post)}
    names = ("post_id", "metric", "observed_at", "old_value", "new_value")
    assert {tuple(row[name] for name in names) for row in found} == expected
    assert len(found) == len(expected) > 20
    by_id = {post.post_id: post for post in POSTS}
    for row in found:
        assert float(row["delay_hours"]) == pytest.approx(
            (row["observed_at"] - row["published_at"]) / timedelta(hours=1)
        )
        assert (row["cause"], row["day"]) == ("restated", oracle.local_day(by_id[row["post_id"]], row["observed_at"]))


def test_looks_in_any_order_give_the_history_of_all_at_once(
    new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt
) -> None:
    environment = new_database(migrated_template)
    ordered = sorted(watched.looks(), key=lambda look: look.at)
    early, late, last = ordered[:60], ordered[60:75], ordered[75:]
    with connect(environment) as connection:
        watched.begin(connection)
        watched.land_looks(connection, early)
        dbt(environment, "seed")
        dbt(environment, *RUN_CORE)
        watched.land_looks(connection, last[:-3])
        dbt(environment, *RUN_CORE)
        watched.confirm_gone(connection)
        watched.land_looks(connection, late)
        dbt(environment, *RUN_CORE)
        watched.land_looks(connection, last[-3:])
        connection.execute("update ops.businesses set timezone = 'Asia/Kathmandu' where business_id = 2")
        dbt(environment, *BUILD_CORE)
    pieces = core_of(environment)
    dbt(environment, *RUN_CORE, "--full-refresh")
    assert core_of(environment) == pieces
