"""A report from the mart to its files, on real Postgres."""

from __future__ import annotations

import csv
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from extractors.errors import AlreadyRunning, ConfigurationError, PipelineError, WarehouseUnavailable
from extractors.settings import Settings
from reports.catalog import REPORTS, Report
from reports.files import ExportFailed, verify
from reports.render import Rendered, render
from tests.reports.conftest import Environment, connect, execute

WEEK = "2026-W46"


def weekly(environment: Environment, exports: Path, business_id: int = 1, period: str | None = WEEK) -> Rendered:
    """Render the weekly overview."""
    return render(Settings.from_environment(environment), "weekly_overview", business_id, period, exports)


def rows_of(done: Rendered) -> list[dict[str, str]]:
    """Return the rows of the CSV."""
    with done.files[0].open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_week_of_one_business_is_in_the_file(mart: Environment, tmp_path: Path) -> None:
    done = weekly(mart, tmp_path)
    rows = rows_of(done)
    assert [row["platform"] for row in rows] == ["linkedin", "twitter", "all"]
    assert {row["business_id"] for row in rows} == {"1"}
    assert {row["period_start"] for row in rows} == {"2026-11-09"}
    assert rows[0]["likes"] == "-10"
    assert rows[0]["shares"] == ""
    assert rows[2]["engagement_rate"] == "5.6666666666666667"
    assert done.rows == 3


def test_names_are_those_of_the_contract_and_the_manifest_agrees(mart: Environment, tmp_path: Path) -> None:
    done = weekly(mart, tmp_path)
    assert done.directory == tmp_path / "weekly_overview" / "1" / WEEK
    stem = f"weekly_overview_1_{WEEK}"
    assert [path.name for path in done.files] == [f"{stem}.csv", f"{stem}.manifest.json"]
    manifest = json.loads(done.files[-1].read_text())
    data = done.files[0].read_bytes()
    assert manifest["files"] == [
        {
            "name": f"{stem}.csv",
            "format": "csv",
            "rows": 3,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    ]
    assert manifest["rows"] == 3
    assert manifest["columns"] == data.decode().splitlines()[0].split(",")
    assert manifest["filters"] == {"business_id": 1, "period": "week", "first_day": "2026-11-09"}
    assert manifest["as_of"] == "2026-11-17T23:30:00+00:00"
    assert manifest["version"]


def test_the_report_shows_every_column_of_its_mart(mart: Environment) -> None:
    with connect(mart) as connection:
        found = connection.execute(
            "select attname from pg_attribute where attrelid = 'marts.analytics_summaries'::regclass and attnum > 0"
        ).fetchall()
    assert set(REPORTS["weekly_overview"].columns) == {row[0] for row in found}


def test_the_same_data_give_the_same_bytes(mart: Environment, tmp_path: Path) -> None:
    before = [path.read_bytes() for path in weekly(mart, tmp_path).files]
    again = [path.read_bytes() for path in weekly(mart, tmp_path).files]
    assert again == before


def test_rendering_again_replaces_file_and_manifest(mart: Environment, tmp_path: Path) -> None:
    weekly(mart, tmp_path)
    execute(mart, "update marts.analytics_summaries set likes = 31 where platform = 'twitter' and business_id = 1")
    done = weekly(mart, tmp_path)
    assert rows_of(done)[1]["likes"] == "31"
    assert verify(tmp_path) == (1, [])


def test_without_a_period_the_last_week_that_ended_is_taken(mart: Environment, tmp_path: Path) -> None:
    assert weekly(mart, tmp_path, period=None).period == WEEK


def test_a_week_without_posts_is_a_file_without_rows(mart: Environment, tmp_path: Path) -> None:
    done = weekly(mart, tmp_path, period="2020-W01")
    assert (done.rows, rows_of(done)) == (0, [])
    assert verify(tmp_path) == (1, [])


@pytest.mark.parametrize(
    ("name", "business_id", "period", "message"),
    [
        ("nonsense", 1, WEEK, "there is no report 'nonsense'; choose from weekly_overview"),
        ("../weekly_overview", 1, WEEK, "there is no report"),
        ("weekly_overview", 99, WEEK, "there is no business 99; load it with `python -m extractors accounts load"),
        ("weekly_overview", 1, "2026-11", "is a month, and this report is by week"),
    ],
)
def test_what_does_not_exist_is_named_and_nothing_is_written(
    mart: Environment, tmp_path: Path, name: str, business_id: int, period: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        render(Settings.from_environment(mart), name, business_id, period, tmp_path)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_mart_that_is_not_built_is_one_line_with_the_remedy(warehouse: Environment, tmp_path: Path) -> None:
    execute(warehouse, "insert into ops.businesses (business_id, name, timezone) values (1, 'Acme', 'UTC')")
    with pytest.raises(WarehouseUnavailable) as caught:
        weekly(warehouse, tmp_path)
    assert "dbt build" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_fail_in_the_middle_leave_the_old_export(mart: Environment, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in weekly(mart, tmp_path).files}
    execute(
        mart,
        """
        alter table marts.analytics_summaries rename to summaries;
        create view marts.analytics_summaries as
        select
            business_id, platform, period, period_start, 1 / (20000 - n) as posts, impressions, likes, comments, shares,
            clicks, engagement, rated_engagement, rated_impressions, engagement_rate, avg_engagement_per_post,
            followers_count, is_partial
        from marts.summaries cross join generate_series(1, 20000) as n;
        """,
    )
    with pytest.raises(ExportFailed, match=r"marts.analytics_summaries could not be read: division by zero"):
        weekly(mart, tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(next(iter(before)).parent.iterdir())) == 2


@pytest.mark.fault("F07")
def test_data_that_change_while_they_are_read_do_not_mix(mart: Environment, tmp_path: Path) -> None:
    execute(
        mart,
        """
        alter table marts.analytics_summaries rename to summaries;
        create view marts.analytics_summaries as
        select
            business_id, platform, period, period_start, case when pg_sleep(0.5) is not null then posts end as posts,
            impressions, likes, comments, shares, clicks, engagement, rated_engagement, rated_impressions,
            engagement_rate, avg_engagement_per_post, followers_count, is_partial
        from marts.summaries;
        """,
    )
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(weekly, mart, tmp_path)
        with connect(mart) as other:
            reading = "select count(*) from pg_stat_activity where query ~ '^FETCH' and datname = current_database()"
            while other.execute(reading).fetchone() == (0,):
                assert not done.done()
            other.execute("update publish.publications set as_of = now()")
            other.execute("update marts.summaries set posts = 77")
        rendered = done.result()
    assert [row["posts"] for row in rows_of(rendered)] == ["2", "3", "5"]
    assert json.loads(rendered.files[-1].read_text())["as_of"] == "2026-11-17T23:30:00+00:00"


@pytest.mark.fault("F04")
def test_writers_of_one_export_take_turns(mart: Environment, tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: weekly(mart, tmp_path), range(12)))
    assert verify(tmp_path) == (1, [])


def test_a_writer_that_does_not_end_is_named(mart: Environment, tmp_path: Path) -> None:
    key = f"social-analytics export weekly_overview/1/{WEEK}"
    with connect(mart) as other:
        other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])
        with pytest.raises(AlreadyRunning, match="another process is writing"):
            render(Settings.from_environment(mart), "weekly_overview", 1, WEEK, tmp_path, patience=0.2)


def test_a_warehouse_that_goes_away_is_one_line(mart: Environment, tmp_path: Path) -> None:
    execute(
        mart,
        """
        alter table marts.analytics_summaries rename to summaries;
        create function marts.hang_up(bigint) returns bigint language plpgsql as $$
            begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return $1; end $$;
        create view marts.analytics_summaries as
        select
            business_id, platform, period, period_start, marts.hang_up(posts) as posts, impressions, likes, comments,
            shares, clicks, engagement, rated_engagement, rated_impressions, engagement_rate,
            avg_engagement_per_post, followers_count, is_partial
        from marts.summaries;
        """,
    )
    with pytest.raises(PipelineError) as caught:
        weekly(mart, tmp_path)
    assert "the warehouse was lost while weekly_overview was read" in str(caught.value)
    assert list(tmp_path.rglob("*.*")) == []


def test_nonsense_in_a_definition_is_refused_when_it_is_built() -> None:
    good = {
        "name": "r",
        "title": "R",
        "mart": "top_posts",
        "columns": ("rank",),
        "rows": "true",
        "order_by": "rank",
        "period": "week",
        "cron": "0 6 * * 1",
    }
    assert Report(**good).formats == ("csv",)  # type: ignore[arg-type]
    for wrong in ({"name": "../r"}, {"period": "year"}, {"formats": ("exe",)}, {"formats": ()}, {"columns": ("a b",)}):
        with pytest.raises(ValueError, match="report"):
            Report(**{**good, **wrong})  # type: ignore[arg-type]
