"""Values at ages, half-lives and over-performance of the watched posts, against plain Python."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import median
from typing import Any

import pytest

from insights.run import MATURITY_DAYS
from tests.warehouse import history_oracle as oracle
from tests.warehouse import watched
from tests.warehouse.conftest import PROJECT, Dbt, Environment, connect, read
from tests.warehouse.history_oracle import AGES, POSTS, Curve, Value
from tests.warehouse.landing import AS_OF, TWITTER, land, land_accounts, public_metrics, tweet
from tests.warehouse.test_increments import RUN_CORE

Rows = Callable[..., list[dict[str, Any]]]
CURVES = {
    (post.post_id, metric): found
    for post in POSTS
    for metric in ("impressions", "engagement")
    if (found := oracle.curve(post, metric))
}


def close(value: Value) -> object:
    """Equal to a number worked out otherwise; None only to None."""
    return None if value is None else pytest.approx(float(value), rel=1e-12)


def told(value: Any) -> float | None:
    return None if value is None else float(value)


@pytest.mark.slow
def test_values_at_ages_lie_between_looks_and_say_so(watching: Rows) -> None:
    found = {(row["post_id"], row["metric"]): row for row in watching("select * from marts.post_velocity")}
    assert set(found) == set(CURVES)
    kinds: Counter[object] = Counter()
    for key, row in found.items():
        for age, hours in AGES.items():
            value, is_interpolated = CURVES[key].value(hours)
            assert told(row[f"value_{age}"]) == close(value), (key, age)
            assert row[f"is_interpolated_{age}"] is is_interpolated, (key, age)
            kinds[is_interpolated] += 1
    assert min(kinds[None], kinds[True], kinds[False]) > 50


@pytest.mark.slow
def test_a_half_life_is_told_of_settled_posts_alone(watching: Rows) -> None:
    kinds: Counter[tuple[str | None, bool]] = Counter()
    for row in watching("select * from marts.post_velocity"):
        one = CURVES[row["post_id"], row["metric"]]
        is_young = (AS_OF - one.post.published_at).total_seconds() < MATURITY_DAYS * 86_400
        because = "younger than 7 days" if is_young else None if one.is_settled else "not settled"
        assert (row["censored_because"], row["is_censored"]) == (because, because is not None), row
        half, most = (None if because else one.hours_to(share) for share in (Fraction(1, 2), Fraction(9, 10)))
        assert told(row["hours_to_half"]) == close(half), row
        assert told(row["hours_to_90"]) == close(most), row
        assert row["final_value"] == one.known[-1][1]
        assert told(row["first_seen_hours"]) == close(
            Fraction((one.known[0][0] - one.post.published_at).total_seconds()) / 3600
        )
        kinds[because, half is None] += 1
    assert {because for because, _ in kinds} == {None, "younger than 7 days", "not settled"}
    assert kinds[None, False] > 10
    assert kinds[None, True] > 10


def oldest_age(one: Curve) -> int | None:
    return max((hours for hours in AGES.values() if one.value(hours)[0] is not None), default=None)


def others_at(one: Curve, metric: str, hours: int, *, last: int = 100) -> list[Fraction]:
    """The values of the last posts of the same account and type at an age, without the post's own."""
    like = [
        (other.post.published_at, other.post.post_id, value)
        for (_, name), other in CURVES.items()
        if name == metric
        and (other.post.account, other.post.content_type) == (one.post.account, one.post.content_type)
        and (value := other.value(hours)[0]) is not None
    ]
    newest = sorted(like, reverse=True)[:last]
    return sorted(value for _, post_id, value in newest if post_id != one.post.post_id)


@pytest.mark.slow
def test_a_post_is_measured_by_the_median_of_its_like_at_its_age(watching: Rows) -> None:
    kinds: Counter[object] = Counter()
    found = {(row["post_id"], row["metric"]): row for row in watching("select * from marts.post_over_performance")}
    assert set(found) == set(CURVES)
    for key, row in found.items():
        one, hours = CURVES[key], oldest_age(CURVES[key])
        assert row["age_hours"] == hours
        kinds[row["not_judged_because"]] += 1
        if hours is None:
            assert (row["n"], row["not_judged_because"]) == (0, "not seen at an age to compare")
            continue
        others, (value, is_interpolated) = others_at(one, key[1], hours), one.value(hours)
        assert value is not None
        assert (told(row["value"]), row["is_interpolated"], row["n"]) == (close(value), is_interpolated, len(others))
        assert_judged(row, value, others)
    assert {None, "not seen at an age to compare", "fewer than 10 posts to compare with"} <= set(kinds)
    assert kinds[None] > 50


def assert_judged(row: dict[str, Any], value: Fraction, others: Sequence[Fraction]) -> None:
    columns = ("expected", "expected_low", "expected_high", "ratio", "ratio_low", "ratio_high")
    if len(others) < 10:
        assert row["not_judged_because"] == "fewer than 10 posts to compare with"
        assert [row[name] for name in columns] == [None] * 6
        return
    rank = oracle.median_rank(len(others))
    middle, low, high = median(others), others[rank - 1], others[-rank]
    wanted = [middle, low, high, value / middle, value / high, value / low if low > 0 else None]
    assert [told(row[name]) for name in columns] == [close(number) for number in wanted]
    assert row["not_judged_because"] is None


@pytest.mark.unit
def test_the_ranks_that_enclose_a_median_are_binomial() -> None:
    with (PROJECT / "seeds" / "core" / "median_ranks.csv").open() as file:
        ranks = {int(row["n"]): int(row["rank"]) for row in csv.DictReader(file)}
    assert ranks == {n: oracle.median_rank(n) for n in range(6, 101)}
    # Conover 1999, table A3: the exact two-sided sign test at 5 %.
    assert (ranks[10], ranks[20], ranks[100]) == (2, 6, 40)


@pytest.mark.unit
def test_a_post_is_mature_at_the_same_age_as_in_the_statistics() -> None:
    assert f"interval '{MATURITY_DAYS} days'" in (PROJECT / "macros" / "ages.sql").read_text()


@pytest.mark.slow
def test_only_the_last_hundred_posts_are_the_measure(
    new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt
) -> None:
    environment = new_database(migrated_template)
    published = AS_OF - watched.DAY
    numbers = range(1, 131)
    with connect(environment) as connection:
        land_accounts(connection)
        for hours, factor in ((2, 1), (4, 2)):
            rows = {}
            for n in numbers:
                at = published - n * watched.HOUR
                likes = factor * (n * 37 % 131)
                rows[f"h{n}"] = tweet(
                    f"h{n}", at.isoformat(), attachments={"poll_ids": ["1"]},
                    public_metrics=public_metrics(0, likes, 0, 0, 0, 0),
                )  # fmt: skip
            for n in numbers:
                at = published - n * watched.HOUR + hours * watched.HOUR
                run_id = land(connection, TWITTER, "posts", {f"h{n}": rows[f"h{n}"]}, at=at)
                # Something was set aside, so that the run says nothing of the others.
                connection.execute(
                    "update ops.extract_runs set listed = 2, quarantined = 1 where run_id = %s", (run_id,)
                )
    dbt(environment, "seed")
    dbt(environment, *RUN_CORE, "post_over_performance")
    found = read(
        environment,
        "select post_id, n, expected, expected_low, expected_high from candidate.post_over_performance"
        " where content_type = 'poll' and metric = 'engagement' and age_hours = 3",
    )
    values = {f"h{n}": Fraction(3, 2) * (n * 37 % 131) for n in numbers}
    assert len(found) == len(values)
    for row in found:
        others = sorted(values[f"h{n}"] for n in range(1, 101) if f"h{n}" != row["post_id"])
        rank = oracle.median_rank(len(others))
        wanted = [len(others), median(others), others[rank - 1], others[-rank]]
        assert [float(row[name]) for name in ("n", "expected", "expected_low", "expected_high")] == pytest.approx(
            wanted
        )
