"""One bad row per expectation quarantines its run and says why; all cases lie in one gate, none spoils another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from expectations.gate import GateResult, validate_pending
from expectations.suites import suite_for
from extractors.registry import streams
from tests.expectations.conftest import World
from tests.expectations.samples import DAY, good, insight

NULL = "expect_column_values_to_be_null"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
EQUAL = "expect_column_pair_values_to_be_equal"
# The raw tables refuse such a row by themselves.
WITHOUT_TABLE_CHECK = ("expect_column_values_to_be_in_set", "payload_type")
TOMORROW_AND_MORE = "2099-01-01"

Row = tuple[str, Any]


@dataclass(frozen=True)
class Case:
    """A stream's good rows with one more, or one changed, and the expectation that must name it."""

    says: str
    stream: str
    spoil: Callable[[list[Row]], None]
    expectation: str
    column: str
    hint: str = ""
    run: dict[str, Any] = field(default_factory=dict)


def put(index: int, *path: Any, value: Any) -> Callable[[list[Row]], None]:
    """Set one member of one row's payload."""

    def spoil(rows: list[Row]) -> None:
        target = rows[index][1]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return spoil


def drop(index: int, *path: Any) -> Callable[[list[Row]], None]:
    def spoil(rows: list[Row]) -> None:
        target = rows[index][1]
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]

    return spoil


def rekey(index: int, change: Callable[[str], str]) -> Callable[[list[Row]], None]:
    def spoil(rows: list[Row]) -> None:
        rows[index] = (change(rows[index][0]), rows[index][1])

    return spoil


def again(index: int, **changes: Any) -> Callable[[list[Row]], None]:
    def spoil(rows: list[Row]) -> None:
        rows.append((rows[index][0], {**rows[index][1], **changes}))

    return spoil


def nothing(rows: list[Row]) -> None:
    """Leave the rows good: the run is what is wrong."""


STATISTICS = "totalShareStatistics"
CASES = [
    Case("a blank record key", "instagram__post_metrics", rekey(0, lambda key: " "),
         "expect_column_values_to_match_regex", "record_key"),
    Case("rows from the future", "twitter__posts", nothing, BETWEEN, "observed_off_minutes",
         run={"observed": timedelta(hours=1)}),
    Case("rows older than their run", "twitter__posts", nothing, BETWEEN, "observed_off_minutes",
         run={"observed": timedelta(hours=-2)}),
    Case("an unchanged post stored twice", "twitter__posts", again(0), BETWEEN, "times_in_run"),
    Case("two values for one day", "facebook__account_daily", again(0, value=272), BETWEEN, "times_in_run"),
    Case("a post under another id", "twitter__posts", put(0, "id", value="1"), EQUAL, "payload_id"),
    Case("a post without id", "facebook__posts", drop(1, "id"), EQUAL, "payload_id"),
    Case("metrics of another post", "linkedin__post_metrics", put(1, "ugcPost", value="urn:li:ugcPost:1"),
         EQUAL, "payload_id"),
    Case("a post without date", "twitter__posts", drop(0, "created_at"), NOT_NULL, "published_year"),
    Case("a date that is no date", "facebook__posts", put(0, "created_time", value="yesterday"),
         NOT_NULL, "published_year"),
    Case("an impossible date", "instagram__posts", put(0, "timestamp", value="2026-13-45T00:00:00+0000"),
         NOT_NULL, "published_year"),
    Case("seconds for milliseconds", "linkedin__posts", put(0, "publishedAt", value=1791189000),
         BETWEEN, "published_year"),
    Case("microseconds for milliseconds", "linkedin__posts", put(0, "publishedAt", value=1791189000000000),
         NOT_NULL, "published_year"),
    Case("a post older than posts", "instagram__posts", put(0, "timestamp", value="2001-01-01T00:00:00+0000"),
         BETWEEN, "published_year"),
    Case("a post from the future", "twitter__posts", put(0, "created_at", value=f"{TOMORROW_AND_MORE}T00:00:00.000Z"),
         BETWEEN, "published_hours_ahead"),
    Case("a count as text", "twitter__posts", put(0, "public_metrics", "like_count", value="1.2K"),
         NULL, "metrics_not_numbers", "$.public_metrics.like_count is of type string"),
    Case("a count as object", "facebook__account_daily", put(0, "value", value={"DE": 1}), NULL, "metrics_not_numbers"),
    Case("a count as a list", "twitter__posts", put(0, "public_metrics", "like_count", value=[3]),
         NULL, "metrics_not_numbers", "$.public_metrics.like_count is of type array"),
    Case("an insight as a list", "instagram__posts", put(0, "insights", "data", 1, "values", 0, "value", value=[3]),
         NULL, "metrics_not_numbers", "saved"),
    Case("an insight as text", "instagram__posts", put(0, "insights", "data", 1, "values", 0, "value", value="many"),
         NULL, "metrics_not_numbers", "saved"),
    Case("a reaction count as text", "facebook__posts",
         put(0, "insights", "data", 1, "values", 0, "value", "love", value="11"),
         NULL, "metrics_not_numbers", "post_reactions_by_type_total"),
    Case("fewer comments than none", "linkedin__post_metrics", put(0, STATISTICS, "commentCount", value=-3),
         NULL, "metrics_below_zero", "$.totalShareStatistics.commentCount = -3"),
    Case("fewer followers than none", "twitter__profile", put(0, "public_metrics", "followers_count", value=-1),
         NULL, "metrics_below_zero"),
    Case("a negative total of a day", "instagram__account_daily", put(1, "total_value", "value", value=-5),
         NULL, "metrics_below_zero"),
    Case("a negative follow in a breakdown", "instagram__account_daily",
         put(2, "total_value", "breakdowns", 0, "results", 1, "value", value=-20), NULL, "metrics_below_zero"),
    Case("a negative insight", "instagram__post_metrics", put(0, "data", 0, "values", 0, "value", value=-1),
         NULL, "metrics_below_zero", "ig_reels_avg_watch_time"),
    Case("a negative reaction", "facebook__posts",
         put(0, "insights", "data", 1, "values", 0, "value", "like", value=-44),
         NULL, "metrics_below_zero", "post_reactions_by_type_total"),
    Case("a negative group of followers", "linkedin__audience",
         put(0, "followerCountsBySeniority", 0, "followerCounts", "organicFollowerCount", value=-1),
         NULL, "metrics_below_zero"),
    Case("a negative country", "facebook__audience", put(0, "value", "DE", value=-1), NULL, "metrics_below_zero"),
    Case("a negative age group", "instagram__audience",
         put(0, "total_value", "breakdowns", 0, "results", 0, "value", value=-61), NULL, "metrics_below_zero"),
    Case("a negative size of the network", "linkedin__profile", put(1, "firstDegreeSize", value=-1),
         NULL, "metrics_below_zero"),
    Case("a post without its metrics", "twitter__posts", drop(0, "public_metrics"),
         NULL, "missing_fields", "$.public_metrics"),
    Case("statistics renamed", "linkedin__account_daily", drop(0, STATISTICS), NULL, "missing_fields", STATISTICS),
    Case("a day without value", "facebook__account_daily", drop(0, "value"), NULL, "missing_fields", "$.value"),
    Case("a null for a value", "facebook__account_daily", put(0, "value", value=None), NULL, "missing_fields"),
    Case("demographics without numbers", "instagram__audience", drop(0, "total_value", "breakdowns"),
         NULL, "missing_fields"),
    Case("another account's post", "linkedin__posts", put(0, "author", value="urn:li:organization:1"),
         NULL, "foreign_owner", "urn:li:organization:1"),
    Case("another account's profile", "instagram__profile", put(0, "id", value="17841"), NULL, "foreign_owner"),
    Case("a metric under another's key", "facebook__account_daily", put(0, "name", value="page_views_total"),
         NULL, "foreign_name", "page_views_total"),
    Case("a token in a nested list", "facebook__posts",
         put(0, "insights", "paging", value={"next": "https://graph.facebook.com/v26.0/1?access_token=EAAG"}),
         NULL, "token_links"),
    Case("the name of whoever wrote a comment", "instagram__comments", put(0, "username", value="jo.example"),
         NULL, "named_members"),
    Case("a key of another account", "linkedin__profile", rekey(0, lambda key: f"1:organization:{DAY}"),
         EQUAL, "key_account"),
    Case("a key without a day", "instagram__account_daily", rekey(1, lambda key: key.replace(DAY, "2026-02-30")),
         NOT_NULL, "key_year"),
    Case("a day before there were days", "linkedin__audience", rekey(0, lambda key: key.replace(DAY, "1970-01-01")),
         BETWEEN, "key_year"),
    Case("a day in the future", "twitter__profile", rekey(0, lambda key: key.replace(DAY, TOMORROW_AND_MORE)),
         BETWEEN, "key_days_ahead"),
    Case("a value under another day", "facebook__account_daily",
         put(0, "end_time", value="2026-10-07T07:00:00+0000"), BETWEEN, "measured_days_after"),
    Case("a bucket under another day", "linkedin__account_daily",
         rekey(1, lambda key: key.replace(DAY, "2026-10-04")), BETWEEN, "measured_days_after"),
]  # fmt: skip


def account_of(case: Case) -> str:
    return str(9_000_000 + CASES.index(case))


def test_every_expectation_of_every_suite_has_a_row_that_breaks_it() -> None:
    broken = {(case.expectation, case.column) for case in CASES} | {WITHOUT_TABLE_CHECK}
    for stream in streams():
        for expectation in suite_for(stream).expectations:
            kwargs = expectation.configuration.kwargs
            assert (expectation.configuration.type, kwargs.get("column") or kwargs["column_A"]) in broken


@pytest.fixture(scope="module")
def judged(shared_world: World) -> dict[tuple[str, str], GateResult]:
    for case in CASES:
        account_id = account_of(case)
        rows = list(good(case.stream, account_id).items())
        case.spoil(rows)
        shared_world.run(case.stream, rows, account_id=account_id, **case.run)
    for stream in {case.stream for case in CASES}:
        shared_world.run(stream, good(stream, "8000000"), account_id="8000000")
    results = validate_pending(shared_world.settings)
    return {(result.stream, result.account_id): result for result in results}


@pytest.mark.fault("B21", "B26", "B35", "E04", "E05")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says.replace(" ", "_"))
def test_one_bad_row_quarantines_its_run_by_name(
    case: Case, judged: dict[tuple[str, str], GateResult], shared_world: World
) -> None:
    result = judged[case.stream, account_of(case)]
    assert [(item["expectation"], item["column"]) for item in result.report] == [(case.expectation, case.column)]
    (item,) = result.report
    (bad,) = {row[0] for row in spoiled(case)} & set(item["rows"]) if not case.run else {item["rows"][0]}
    assert item["count"] >= 1
    assert case.hint in item["explanation"]
    assert not result.passed
    assert shared_world.gate(result.run_id) == "quarantined"
    assert shared_world.watermark(case.stream, account_of(case)) is None
    (line,) = result.lines()
    for part in (case.stream, account_of(case), case.expectation, bad, result.run_id):
        assert part in line


def spoiled(case: Case) -> list[Row]:
    rows = list(good(case.stream, account_of(case)).items())
    case.spoil(rows)
    return rows


@pytest.mark.parametrize("stream", sorted({case.stream for case in CASES}))
def test_another_account_in_the_same_batch_still_passes(
    stream: str, judged: dict[tuple[str, str], GateResult], shared_world: World
) -> None:
    assert judged[stream, "8000000"].report == []
    assert shared_world.watermark(stream, "8000000") is not None


def test_the_report_stands_in_the_ledger(judged: dict[tuple[str, str], GateResult], shared_world: World) -> None:
    for result in judged.values():
        assert shared_world.one("select gate_report from ops.extract_runs where run_id = %s", result.run_id) == (
            result.report
        )


def test_a_payload_that_is_no_object_is_refused_even_without_the_tables_own_check(world: World) -> None:
    world.connection.execute("alter table raw.instagram__posts drop constraint instagram__posts_payload_check")
    run_id = world.run("instagram__posts", [("18012345678901234", ["not", "an", "object"])])
    (result,) = validate_pending(world.settings)
    assert result.run_id == run_id
    assert WITHOUT_TABLE_CHECK in {(item["expectation"], item["column"]) for item in result.report}


def test_a_long_list_of_bad_rows_is_counted_whole_and_named_in_part(world: World) -> None:
    rows = [(f"{number}", {"id": f"{number}", "data": [insight("views", -1)]}) for number in range(45)]
    world.run("instagram__post_metrics", rows)
    (result,) = validate_pending(world.settings)
    (item,) = result.report
    assert item["count"] == 45
    assert len(item["rows"]) == 20


def test_numbers_of_any_size_are_judged_and_break_nothing(world: World) -> None:
    world.run("twitter__profile", [("2414183:user:2026-10-05",
        {"id": "2414183", "public_metrics": {"followers_count": 10**400, "listed_count": -(10**400)}})])  # fmt: skip
    (result,) = validate_pending(world.settings)
    assert [item["column"] for item in result.report] == ["metrics_below_zero"]
