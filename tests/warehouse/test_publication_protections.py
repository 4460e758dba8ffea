"""What keeps a publication whole: one snapshot, one at a time, nothing half-asked, nothing that others rest on."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.test_publication_faults import change, published, refused, state, until

pytestmark = pytest.mark.slow


def redefine(environment: Environment, mart: str) -> None:
    """Give a candidate another definition with the same columns."""
    with connect(environment) as connection:
        row = connection.execute(f"select pg_get_viewdef('candidate.{mart}'::regclass)".encode()).fetchone()
        assert row is not None
        definition = row[0].rstrip(";")
        connection.execute(f"create or replace view candidate.{mart} as select * from ({definition}) q".encode())


def test_what_changes_in_core_during_a_publication_shows_in_none_of_its_marts(
    copy: Environment, publication: str
) -> None:
    with connect(copy) as holder:
        holder.autocommit = False
        # best_days is computed before the mart that rests on this table, post_performance after it.
        holder.execute("lock table core.fct_time_recommendations in access exclusive mode")
        publisher = threading.Thread(target=published, args=(copy, publication))
        publisher.start()
        until(lambda: read(copy, "select pid from pg_stat_activity where wait_event_type = 'Lock'"
                           " and query like '%do $attempt$%'"))  # fmt: skip
        change(copy)
        holder.rollback()
        publisher.join()
    early, late = "select sum(posts) from marts.best_days", "select count(*) from marts.post_performance"
    counts = f"select ({early}) as early, ({late}) as late"
    (row,) = read(copy, counts)
    assert row["early"] == row["late"]
    published(copy, publication)
    (after,) = read(copy, counts)
    assert after["early"] == after["late"] < row["late"]


def test_one_publication_waits_for_another_and_gives_up_in_the_end(copy: Environment, publication: str) -> None:
    before = state(copy)
    change(copy)
    with connect(copy) as other:
        other.autocommit = False
        other.execute("lock table ops.publications in share update exclusive mode")
        with connect(copy) as connection, pytest.raises(psycopg.Error, match="another publication has been under way"):
            connection.execute(publication.replace("'10min'", "'300ms'").encode())
        assert state(copy) == before
        other.rollback()
    published(copy, publication)
    assert state(copy) != before


def test_a_mart_whose_definition_changed_is_not_published_for_some_businesses_alone(
    copy: Environment, publication: str
) -> None:
    before = state(copy)
    change(copy)
    redefine(copy, "top_posts")
    alone = publication.replace("null::bigint[]", "array[2]::bigint[]")
    assert alone != publication
    with connect(copy) as connection, pytest.raises(psycopg.Error, match="the definition of top_posts changed since"):
        connection.execute(alone.encode())
    trouble = read(
        copy, "select business_id, publish_error is not null as is_told from marts.data_freshness group by 1, 2"
    )
    assert {row["business_id"]: row["is_told"] for row in trouble} == {1: False, 2: True}
    assert state(copy) == before
    published(copy, publication)


def test_a_view_of_somebody_else_on_a_mart_is_not_dropped_with_it(copy: Environment, publication: str) -> None:
    before = state(copy)
    with connect(copy) as connection:
        connection.execute("create view public.somebody_else_s as select * from marts.best_days")
    change(copy)
    redefine(copy, "best_days")
    assert "a view outside this project rests on a mart whose definition changed" in refused(copy, publication)
    assert state(copy) == before
    assert read(copy, "select 1 from public.somebody_else_s")
    with connect(copy) as connection:
        connection.execute("drop view public.somebody_else_s")
    published(copy, publication)


def test_a_build_for_its_audits_alone_publishes_nothing(copy: Environment, dbt: Dbt) -> None:
    before = state(copy)
    with connect(copy) as connection:
        connection.execute("update core.dim_posts set text = 'changed' where post_id = '101'")
    only_audits = ("--exclude-resource-type", "unit_test", "--vars", "publish: false")
    done = dbt(copy, "build", "--select", "publish", *only_audits)
    assert "nothing was published, because only the audits were asked for" in done.stdout
    assert state(copy) == before
