"""Tables that Fivetran loaded give what Fivetran's own package makes of them, and every mart of ours."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from expectations import marts
from extractors.settings import Settings
from tests.fivetran import seeds
from tests.warehouse import world
from tests.warehouse.conftest import Dbt, Environment, connect, read

pytestmark = pytest.mark.slow

REPORT = "fivetran_compat.social_media_reporting__rollup_report"
#: Which differ between the two reports, and by how many rows.
DIFFERENCES = {
    ("facebook", "impressions", "former_definition"): 5,
    ("facebook", "likes", "one_kind_of_reaction"): 5,
    ("facebook", "row", "post_without_metrics"): 94,
    ("facebook", "shares", "column_not_filled"): 3,
    ("instagram", "impressions", "views_of_two_kinds_added"): 1,
    ("instagram", "row", "album_part"): 2,
    ("youtube", "row", "no_video"): 1,
    ("linkedin", "row", "dark_post"): 50,
    ("twitter", "row", "reply"): 1,
}


def shown(value: Any) -> str:
    """A value as the published CSV writes it."""
    if value is None:
        return ""
    return str(value).rstrip("0") if isinstance(value, datetime) and value.microsecond else str(value)


def table(name: str) -> list[dict[str, str]]:
    """The rows of one published file."""
    with (seeds.FOLDER / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report(environment: Environment) -> list[dict[str, str]]:
    """The rollup report as texts, without the column that names the database it was built in."""
    rows = [{name: shown(value) for name, value in row.items()} for row in read(environment, f"select * from {REPORT}")]
    return [{name: row[name] for name in row if name != "_dbt_source_relation"} for row in rows]


def in_order(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Rows to compare, whatever order they came in."""
    return sorted(tuple(row.values()) for row in rows)


def test_the_strict_report_is_what_fivetran_s_package_makes_row_for_row(from_fivetran: Environment) -> None:
    names, rows = seeds.expected()
    types = read(
        from_fivetran,
        "select attname::text as name, format_type(atttypid, null) as type from pg_attribute"
        f" where attrelid = '{REPORT}'::regclass and attnum > 0 order by attnum",
    )
    assert [row["name"] for row in types] == names
    assert {row["name"]: row["type"] for row in types} == {
        **dict.fromkeys(names, "text"),
        "created_timestamp": "timestamp without time zone",
        **dict.fromkeys(("clicks", "impressions", "likes", "shares", "comments"), "bigint"),
    }
    for row in rows:
        del row["_dbt_source_relation"]
    assert len(rows) == 296
    assert in_order(report(from_fivetran)) == in_order(rows)


def test_what_has_no_partner_is_counted_and_summed(from_fivetran: Environment) -> None:
    rows = read(from_fivetran, "select * from fivetran_compat.reconciliation")
    found = {(row["platform"], row["kind"]): row for row in rows}
    assert len(found) == len(rows)
    assert {key: row["records"] for key, row in found.items()} == {
        ("facebook", "post_without_metrics"): 94,
        ("instagram", "metrics_without_post"): 4,
        ("instagram", "post_without_metrics"): 2,
        ("linkedin", "post_without_metrics"): 85,
        ("linkedin", "statistics_without_post"): 100,
        ("twitter", "post_without_metrics"): 99,
    }
    lost = found["linkedin", "statistics_without_post"]
    assert (lost["impressions"], lost["likes"], lost["comments"]) == (281, 2716, 46)
    orphans = [row for row in table("instagram_business_media_insights_data.csv") if row["id"] != "17875951606801054"]
    assert found["instagram", "metrics_without_post"]["likes"] == sum(int(row["like_count"]) for row in orphans)


def test_the_marts_are_made_from_the_same_tables(from_fivetran: Environment) -> None:
    told = {row["post_id"] for row in table("facebook_pages_lifetime_post_metrics_total_data.csv")}
    facebook = {row["id"] for row in table("facebook_pages_post_history_data.csv")}
    feeds = [row["distribution_feed_distribution"] for row in table("linkedin_pages_ugc_post_history_data.csv")]
    tweets = [row for row in table("tweet.csv") if not row["in_reply_to_user_id"]]
    rows = read(
        from_fivetran,
        "select platform, count(*) as posts, count(impressions) as told, sum(likes) as likes"
        " from marts.post_performance group by platform",
    )
    found = {row["platform"]: (row["posts"], row["told"], row["likes"]) for row in rows}
    assert found == {
        "facebook": (len(facebook), len(told & facebook), 5 * 12),
        "instagram": (1, 1, 3),
        "linkedin": (feeds.count("MAIN_FEED"), 0, None),
        "twitter": (len(tweets), 1, sum(int(row["favorite_count"]) for row in tweets)),
    }
    followers = read(
        from_fivetran, "select day::text, followers_count from marts.audience_growth order by day, platform"
    )
    assert {"day": "2020-04-09", "followers_count": 256} in followers  # the day that ended at 7:00 UTC of the 10th
    assert {"day": "2021-10-27", "followers_count": 39} in followers
    names = read(from_fivetran, "select distinct stream from marts.data_freshness where last_success_at is not null")
    assert {"facebook__posts", "twitter__post_metrics"} <= {row["stream"] for row in names}
    assert read(from_fivetran, "select 1 from marts.data_freshness where last_success_at is null") == []


def build_with_other_sizes(environment: Environment, dbt: Dbt, businesses: list[int], *more: str) -> None:
    """Other tables, other sizes: the audit refuses, a person accepts, and nothing else is wrong."""
    refused = dbt(environment, "build", "--exclude-resource-type", "unit_test", *more, ok=False)
    assert re.findall(r"(?<!\[)FAIL \d+ (\w+)", refused.stdout) == ["is_within_band_mart_measures_"], refused.stdout
    for business in businesses:
        marts.accept(Settings.from_environment(environment), business)
    dbt(environment, "build", "--exclude-resource-type", "unit_test", *more)


def test_the_differences_lead_from_the_strict_report_to_the_corrected_one(
    from_fivetran: Environment, new_database: Callable[[str], Environment], dbt: Dbt
) -> None:
    """Another tenant for one platform, and a second connection of Facebook that has loaded nothing yet."""
    environment = new_database(from_fivetran["PGDATABASE"])
    strict = report(environment)
    settings: dict[str, Any] = {"accounts": [{"platform": "linkedin", "business_id": 2}]}
    settings["schemas"] = {name: name for name in seeds.CONNECTORS}
    settings["schemas"]["facebook_pages"] = ["facebook_pages", "facebook_again"]
    chosen = seeds.variables("corrected", **settings)
    build_with_other_sizes(environment, dbt, [1, 2], "--vars", chosen)
    corrected = {(row["platform"], row["post_id"]): row for row in report(environment)}
    differences = read(environment, "select * from fivetran_compat.differences")
    counted = Counter((row["platform"], row["column_name"], row["reason"]) for row in differences)
    assert DIFFERENCES.items() <= counted.items()

    rows = {(row["platform"], row["post_id"]): row for row in strict}
    for row in rows.values():
        row["source_relation"] = "facebook_pages" if row["platform"] == "facebook" else ""
    for row in differences:
        key = (row["platform"], row["post_id"])
        if row["column_name"] != "row":
            assert rows[key][row["column_name"]] == shown(row["strict_value"]).rstrip()
            rows[key][row["column_name"]] = shown(row["corrected_value"])
        elif row["corrected_value"] is None:
            del rows[key]
        else:
            rows[key] = corrected[key]
    assert rows == corrected
    assert {
        row["platform"]
        for row in read(environment, "select platform from marts.post_performance where business_id = 2")
    } == {"linkedin"}
    assert read(environment, "select 1 from core.dim_posts where platform = 'linkedin' and business_id = 1") == []


def test_an_account_without_a_business_fails_the_build_by_name(
    from_fivetran: Environment, new_database: Callable[[str], Environment], dbt: Dbt
) -> None:
    environment = new_database(from_fivetran["PGDATABASE"])
    chosen = json.loads(seeds.variables("strict", accounts=[{"account_id": "514435155248879", "business_id": 1}]))
    del chosen["fivetran"]["business_id"]
    done = dbt(
        environment, "build", "--select", "+int_fivetran__accounts", "--exclude-resource-type", "unit_test",
        "--vars", json.dumps(chosen), ok=False,
    )  # fmt: skip
    assert "not_null_int_fivetran__accounts_business_id" in done.stdout


def test_reading_our_own_tables_again_leaves_nothing_of_fivetran_s(
    from_fivetran: Environment, built: Environment, new_database: Callable[[str], Environment], dbt: Dbt
) -> None:
    environment = new_database(from_fivetran["PGDATABASE"])
    with connect(environment) as connection:
        connection.execute("delete from ops.businesses")
        world.land_all(connection)
    build_with_other_sizes(environment, dbt, [1, 2])
    assert in_order(report(environment)) == in_order(report(built))
    for relation in ("marts.post_performance", "marts.audience_growth", "fivetran_compat.differences"):
        query = f"select * from {relation} as shown order by shown::text"
        assert read(environment, query) == read(built, query), relation


def test_what_fivetran_loaded_is_not_rebuilt_as_known_then(warehouse: Environment, dbt: Dbt) -> None:
    """No ledger of ours says what its tables held then: refused, before anything is made."""
    (now,) = read(warehouse, "select clock_timestamp()::text as now")
    chosen = {"as_of": now["now"], "fivetran": {"schemas": {"twitter_organic": "any"}, "business_id": 1}}
    for command in ("run", "build"):
        refused = dbt(warehouse, command, "--vars", json.dumps(chosen), ok=False)
        assert "as_of: what Fivetran loaded is not kept by instants of ours" in refused.stdout
    made = "select relname::text from pg_class where relnamespace::regnamespace::text like 'as\\_of%'"
    assert read(warehouse, made) == []
    assert read(warehouse, "select 1 from ops.publications") == []
