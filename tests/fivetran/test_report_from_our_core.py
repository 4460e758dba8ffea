"""The rollup report of our own raw rows, both ways, against a computation from the payloads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests.fivetran import oracle
from tests.fivetran.oracle import METRICS, Row
from tests.warehouse.conftest import Dbt, Environment, connect, read

pytestmark = pytest.mark.slow

REPORT = "fivetran_compat.social_media_reporting__rollup_report"
VIEWS = (REPORT, "fivetran_compat.differences", "fivetran_compat.reconciliation")
#: What the world holds and is no post, as the world's own comments say.
NO_POSTS = {
    "linkedin": {"7": "dark_post", "8": "draft", "9": "undated"},
    "twitter": {"107": "reply", "108": "reply", "109": "repost"},
    "facebook": {"1_4": "unpublished"},
    "instagram": {"i4": "ad", "i5": "story"},
}


def newest(environment: Environment, stream: str) -> Iterator[tuple[int, str, str, Any]]:
    """The last landed payload of every record: business, account, record key, payload."""
    rows = read(
        environment,
        "select distinct on (business_id, account_id, record_key) business_id, account_id, record_key, payload"
        f" from raw.{stream} order by business_id, account_id, record_key, observed_at desc",
    )
    yield from ((row["business_id"], row["account_id"], row["record_key"], row["payload"]) for row in rows)


def clicks(environment: Environment) -> dict[str, int]:
    """The last link clicks that X told of a post; when it stops telling, they stay."""
    rows = read(environment, "select record_key, payload from raw.twitter__post_metrics order by observed_at")
    told = ((row["record_key"], row["payload"]["non_public_metrics"].get("url_link_clicks")) for row in rows)
    return {key: value for key, value in told if value is not None}


def both(environment: Environment) -> Iterator[tuple[Row | None, Row | None]]:
    """For each listed post its rows in the corrected and in the strict report."""
    statistics = {key: payload for _, _, key, payload in newest(environment, "linkedin__post_metrics")}
    clicked = clicks(environment)
    for platform in NO_POSTS:
        for business_id, account_id, key, payload in newest(environment, f"{platform}__posts"):
            post_id, url, created, (ours, theirs) = described(platform, key, payload, statistics, clicked)
            rows = [
                counts and Row(business_id, platform, post_id, url, account_id, created, counts)
                for counts in (None if post_id in NO_POSTS[platform] else ours, theirs)
            ]
            yield rows[0], rows[1]


def described(
    platform: str, key: str, payload: Any, statistics: dict[str, Any], clicked: dict[str, int]
) -> tuple[str, str, datetime | None, tuple[oracle.Counts, oracle.Counts | None]]:
    """Id, address, instant and numbers of a post."""
    if platform == "linkedin":
        milliseconds = payload.get("publishedAt")
        created = datetime.fromtimestamp(milliseconds / 1000, oracle.UTC) if milliseconds else None
        url = f"https://www.linkedin.com/embed/feed/update/{key}"
        return key.split(":")[-1], url, created, oracle.linkedin(statistics.get(key))
    if platform == "twitter":
        created = oracle.instant(payload["created_at"])
        return key, f"https://twitter.com/p/status/{key}", created, oracle.twitter(payload, clicked.get(key))
    if platform == "facebook":
        page, post = key.split("_")
        created = oracle.instant(payload["created_time"])
        return key, f"https://facebook.com/{page}/posts/{post}", created, oracle.facebook(payload)
    return key, payload["permalink"], oracle.instant(payload["timestamp"]), oracle.instagram(payload)


def as_shown(row: Row) -> tuple[Any, ...]:
    """A row of the oracle as the report shows it."""
    created = row.created.replace(tzinfo=None) if row.created else None
    numbers = (row.counts[name] for name in METRICS)
    return (created, row.post_id, row.page_id, row.post_url, "", row.platform, *numbers)


def reported(environment: Environment) -> list[tuple[Any, ...]]:
    """The report's rows without names and texts, which other tests compare."""
    names = ("created_timestamp", "post_id", "page_id", "post_url", "source_relation", "platform", *METRICS)
    return sorted((tuple(row[name] for name in names) for row in read(environment, f"select * from {REPORT}")), key=str)


def test_the_corrected_report_shows_what_the_platforms_said(built: Environment) -> None:
    rows = [ours for ours, _ in both(built) if ours]
    assert len(rows) > 15
    assert reported(built) == sorted(map(as_shown, rows), key=str)
    names = read(built, f"select distinct platform, page_name from {REPORT} where page_name is not null")
    assert {(row["platform"], row["page_name"]) for row in names} >= {("linkedin", "Acme"), ("twitter", "Acme Data")}


def test_the_strict_report_shows_what_fivetran_s_models_would(copy: Environment, dbt: Dbt) -> None:
    dbt(
        copy,
        "build",
        "--select",
        "publish",
        "--exclude-resource-type",
        "unit_test",
        "--vars",
        "fivetran_compat: strict",
    )
    rows = [theirs for _, theirs in both(copy) if theirs]
    assert reported(copy) == sorted(map(as_shown, rows), key=str)


def test_the_differences_are_exactly_where_the_two_reports_differ(built: Environment) -> None:
    wanted = set()
    for ours, theirs in both(built):
        shown = theirs or ours
        if not shown:
            continue
        if ours and theirs:
            pairs = [(name, theirs.counts[name], ours.counts[name]) for name in METRICS]
        else:
            pairs = [("row", theirs and "shown", ours and "shown")]
        wanted |= {
            (shown.platform, shown.post_id, name, *(None if value is None else str(value) for value in values))
            for name, *values in pairs
            if values[0] != values[1]
        }
    rows = read(built, "select * from fivetran_compat.differences")
    names = ("platform", "post_id", "column_name", "strict_value", "corrected_value")
    assert {tuple(row[name] for name in names) for row in rows} == wanted
    assert len(rows) == len(wanted)
    reasons = {(row["platform"], row["post_id"]): row["reason"] for row in rows if row["strict_value"] == "shown"}
    assert reasons == {
        (platform, post_id): reason
        for platform, posts in NO_POSTS.items()
        for post_id, reason in posts.items()
        if platform != "facebook"  # without insights Fivetran's models leave it out as well
    }


def test_a_login_sees_its_business_alone(built: Environment) -> None:
    with connect(built) as connection:
        connection.execute("create role compat_of_two login password 'reader'")
        connection.execute("grant usage on schema fivetran_compat to compat_of_two")
        connection.execute("grant select on all tables in schema fivetran_compat to compat_of_two")
        connection.execute("insert into ops.tenant_grants (role_name, business_id) values ('compat_of_two', 2)")
    reader = {**built, "PGUSER": "compat_of_two", "PGPASSWORD": "reader"}
    everyone = read(built, f"select post_id, page_id from {REPORT}")
    assert {row["post_id"] for row in read(reader, f"select post_id from {REPORT}")} == {
        row["post_id"] for row in everyone if row["page_id"] == "17841499999999999"
    }
    for view in VIEWS[1:]:
        assert {row["business_id"] for row in read(reader, f"select business_id from {view}")} <= {2}, view
    assert read(reader, "select 1 from fivetran_compat.differences") != []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        read(reader, "select * from publish.fivetran_compat__rollup_report")


def test_the_report_is_published_with_the_marts_or_not_at_all(built: Environment) -> None:
    rows = read(built, "select mart_name, as_of from publish.publications")
    assert {"fivetran_compat__rollup_report", "post_performance"} <= {row["mart_name"] for row in rows}
    assert len({row["as_of"] for row in rows}) == 1


def test_the_project_can_do_without(built: Environment, dbt: Dbt) -> None:
    listed = dbt(built, "ls", "--resource-type", "model", "--vars", "fivetran_compat: 'off'").stdout
    assert "post_performance" in listed
    assert "fivetran" not in listed
    assert "stg_fivetran" not in dbt(built, "ls", "--resource-type", "model").stdout
