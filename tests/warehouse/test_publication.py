"""How marts change: only after their audits, all at once, and for the eyes they are meant for."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import psycopg
import pytest

from tests.warehouse.conftest import PROJECT, Dbt, Environment, connect, read
from tests.warehouse.test_contract import PROMISED

pytestmark = pytest.mark.slow

COUNTS = "select (select count(*) from marts.post_performance) as a, (select count(*) from marts.post_analytics) as b"


def actions(environment: Environment) -> dict[str, str]:
    """What the last publication did to each mart."""
    rows = read(environment, "select mart_name, action from publish.publications")
    return {row["mart_name"]: row["action"] for row in rows}


def test_a_failing_audit_leaves_the_last_publication_in_place(copy: Environment, dbt: Dbt) -> None:
    published = read(copy, "select * from publish.publications order by 1")
    before = read(copy, "select * from marts.post_performance order by platform, post_id")
    with connect(copy) as connection:
        connection.execute(
            "update core.dim_posts set content_type = 'nonsense', text = 'changed' where post_id = '101'"
        )
    done = dbt(copy, "build", ok=False)
    assert "publish: nothing was published and the last publication stands" in done.stdout
    assert "accepted_values_dim_posts_content_type" in done.stdout
    assert read(copy, "select * from publish.publications order by 1") == published
    assert read(copy, "select * from marts.post_performance order by platform, post_id") == before
    failures = read(copy, "select unique_id from ops.dbt_results where status = 'fail'")
    assert any("accepted_values_dim_posts_content_type" in row["unique_id"] for row in failures)


def test_a_changed_mart_is_rebuilt_and_keeps_its_grants(copy: Environment, dbt: Dbt, tmp_path: Path) -> None:
    changed = tmp_path / "changed" / "dbt_project"
    shutil.copytree(PROJECT, changed, ignore=shutil.ignore_patterns("target", "logs"))
    mart = changed / "models" / "publish" / "best_days.sql"
    mart.write_text(mart.read_text().replace("order by avg_engagement desc", "order by avg_engagement asc"))
    with connect(copy) as connection:
        connection.execute("create role bi_of_changed")
        connection.execute("grant select on marts.best_days to bi_of_changed")
    before = read(copy, "select business_id, platform, weekday from marts.best_days where is_best order by 1, 2")
    done = dbt(copy, "build", "--select", "publish", project=changed)
    assert "1 rebuilt" in done.stdout
    assert f"{list(actions(copy).values()).count('refreshed')} refreshed" in done.stdout
    assert [mart for mart, action in actions(copy).items() if action == "rebuilt"] == ["best_days"]
    assert set(actions(copy).values()) == {"changed", "refreshed", "rebuilt"}
    assert (
        read(copy, "select business_id, platform, weekday from marts.best_days where is_best order by 1, 2") != before
    )
    granted = read(copy, "select has_table_privilege('bi_of_changed', 'marts.best_days', 'select') as granted")
    assert granted[0]["granted"]


def test_a_selection_of_marts_is_not_published(copy: Environment, dbt: Dbt) -> None:
    published = read(copy, "select * from publish.publications order by 1")
    done = dbt(copy, "build", "--select", "best_days")
    assert "publish: nothing was published, because the selection left out" in done.stdout
    assert read(copy, "select * from publish.publications order by 1") == published


def test_a_role_reads_the_rows_of_its_business_alone(built: Environment) -> None:
    with connect(built) as connection:
        connection.execute("create role reader_of_two login password 'reader'")
        connection.execute("grant usage on schema marts to reader_of_two")
        connection.execute("grant select on all tables in schema marts to reader_of_two")
        connection.execute("insert into ops.tenant_grants (role_name, business_id) values ('reader_of_two', 2)")
    reader = {**built, "PGUSER": "reader_of_two", "PGPASSWORD": "reader"}
    marts = [
        row["name"] for row in read(built, "select viewname::text as name from pg_views where schemaname = 'marts'")
    ]
    assert set(marts) == set(PROMISED)
    for mart in marts:
        seen = {row["business_id"] for row in read(reader, f"select distinct business_id from marts.{mart}")}
        everyone = {row["business_id"] for row in read(built, f"select distinct business_id from marts.{mart}")}
        assert seen == everyone & {2}, mart
    for hidden in ("publish.post_performance", "publish.visible_businesses", "core.fct_posts", "ops.tenant_grants"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            read(reader, f"select * from {hidden}")
    with connect(reader) as connection:
        # A function that tattles is called on visible rows only: the barrier comes first.
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute(
            "create function pg_temp.tattle(value text) returns boolean language plpgsql cost 0.0001 as"
            " $$ begin raise notice '%', value; return true; end $$"
        )
        connection.execute("select * from marts.post_performance where pg_temp.tattle(post_id)")
        assert sorted(notices) == ["b20", "b3", "b4"]
        plan = "\n".join(str(row[0]) for row in connection.execute("explain select * from marts.post_performance"))
    assert "InitPlan" in plan
    assert "SubPlan" not in plan.split("Scan")[0]


def test_a_role_without_a_grant_reads_nothing_and_one_for_all_reads_all(built: Environment) -> None:
    everything = read(built, COUNTS)
    with connect(built) as connection:
        for role in ("reader_of_none", "reader_of_all"):
            connection.execute(f"create role {role} login password 'reader'")
            connection.execute(f"grant usage on schema marts to {role}")
            connection.execute(f"grant select on all tables in schema marts to {role}")
        connection.execute("insert into ops.tenant_grants (role_name) values ('reader_of_all')")
    none = read({**built, "PGUSER": "reader_of_none", "PGPASSWORD": "reader"}, COUNTS)
    assert none == [{"a": 0, "b": 0}]
    assert read({**built, "PGUSER": "reader_of_all", "PGPASSWORD": "reader"}, COUNTS) == everything


def test_a_reader_sees_one_build_or_the_next(copy: Environment, dbt: Dbt) -> None:
    before = read(copy, COUNTS)[0]
    with connect(copy) as connection:
        connection.execute("delete from core.fct_posts where platform = 'twitter'")
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def keep_reading() -> None:
        with connect(copy) as connection:
            while not done.wait(0.005):
                row = connection.execute(COUNTS).fetchone()
                assert row is not None
                seen.add((row[0], row[1]))

    thread = threading.Thread(target=keep_reading)
    thread.start()
    try:
        dbt(copy, "run-operation", "publish")
    finally:
        done.set()
        thread.join()
    after = read(copy, COUNTS)[0]
    assert before["a"] - after["a"] == 6
    assert seen == {(before["a"], before["b"]), (after["a"], after["b"])}
