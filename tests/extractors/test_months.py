"""C20: a month without its partition loses nothing, is told of, and is put in order by the maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql

from extractors import ledger, partitions
from extractors.load import land
from extractors.migrate import MIGRATIONS, migrate
from extractors.pages import Page
from extractors.partitions import AHEAD, Month, concerns, tend
from extractors.registry import PLATFORMS, streams
from extractors.settings import Settings
from extractors.spec import Account, Record
from tests.aftermath import assert_last_versions
from tests.extractors.conftest import Survival

Connection = psycopg.Connection[Any]
STREAM = PLATFORMS["twitter"].stream("posts")
MONTHS = """
select child.relname from pg_inherits as known
inner join pg_class as parent on parent.oid = known.inhparent
inner join pg_class as child on child.oid = known.inhrelid
where parent.oid = %s::regclass order by 1
"""
WAITING = "select count(*) from raw_months.twitter__posts_default"


def months_of(connection: Connection, stream: str = "twitter__posts") -> list[str]:
    """The partitions of a stream by the ends of their names."""
    return [row[0].removeprefix(f"{stream}_") for row in connection.execute(MONTHS, (f"raw.{stream}",))]


def coming(connection: Connection) -> list[str]:
    """This month and those ahead, by the warehouse's clock."""
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row
    return [str(Month.of(row[0]).after(number)) for number in range(AHEAD + 1)]


def forget_months(connection: Connection) -> None:
    """As if nobody had looked after the warehouse until the clock left the last month that was made."""
    for stream in streams():
        for month in set(months_of(connection, stream.full_name)) - {"default"}:
            name = sql.Identifier(partitions.SCHEMA, f"{stream.full_name}_{month}")
            connection.execute(sql.SQL("drop table {}").format(name))


def count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row
    return int(row[0])


def test_migrate_makes_this_month_and_three_ahead_of_every_stream(connection: Connection):
    for stream in streams():
        assert months_of(connection, stream.full_name) == [*coming(connection), "default"]


@pytest.mark.fault("C20")
def test_a_missing_month_loses_nothing_is_told_of_and_is_healed(survival: Survival):
    settings, connection = Settings.from_environment(survival.environment), survival.connection
    forget_months(connection)
    assert survival.read("twitter", streams=["posts"]) == []
    landed = count(connection, WAITING)
    assert landed == count(connection, "select count(*) from raw.twitter__posts") > 0
    (waits,) = concerns(connection)
    assert "raw.twitter__posts: rows wait while no partition of their month was there" in waits
    (line,) = tend(settings)
    assert line.startswith(f"raw.twitter__posts: {landed} rows of ")
    assert (concerns(connection), count(connection, WAITING)) == ([], 0)
    assert months_of(connection) == [*coming(connection), "default"]
    assert tend(settings) == [], "there is nothing more to do"
    assert survival.read("twitter", streams=["posts"]) == []
    assert count(connection, "select count(*) from raw.twitter__posts") == landed, "nothing is stored twice"
    survival.equals("twitter", "posts")


def test_rows_of_any_month_land_and_get_a_month_of_their_own(environment: dict[str, str], connection: Connection):
    now = datetime.now(UTC)
    row = connection.execute("select business_id, account_id from ops.accounts where platform = 'twitter'").fetchone()
    assert row
    account = Account(business_id=row[0], platform="twitter", account_id=row[1], credential="c", timezone="UTC")
    lease = ledger.open_run(connection, account, STREAM, as_of=now, since=None, until=now).lease
    instants = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2019, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), now]
    instants += [datetime(2020, 1, 1, tzinfo=UTC), now + timedelta(days=200), datetime(2199, 12, 31, tzinfo=UTC)]
    for number, instant in enumerate(sorted(instants)):
        record = Record("1", {"id": "1", "seen": number})
        page = Page(records=[record], observed_at=instant, next_cursor={}, calls=1, retries=0)
        assert land(connection, lease, page) == 1
    stored = connection.execute("select observed_at from raw.twitter__posts order by 1").fetchall()
    assert [at for (at,) in stored] == sorted(instants)
    assert len(tend(Settings.from_environment(environment))) == len(instants) - 1
    assert connection.execute("select observed_at from raw.twitter__posts order by 1").fetchall() == stored
    assert count(connection, WAITING) == 0
    assert {"1970_01", "2019_02", "2020_01", "2199_12"} <= set(months_of(connection))
    assert_last_versions(environment)


def test_a_warehouse_without_partitions_gets_them_and_keeps_its_rows_views_and_versions(
    survival: Survival, environment: dict[str, str]
):
    connection = survival.connection
    assert survival.read("twitter", streams=["posts"]) == []
    rows = connection.execute("select * from raw.twitter__posts order by record_key").fetchall()
    undo_partitions(connection)
    late = "update raw.twitter__posts set observed_at = '2199-01-05 00:00+00' where record_key = %s"
    connection.execute(late, (rows[0][3],))
    connection.execute("create view public.seen as select run_id, record_key from raw.twitter__posts")
    apply_again(environment, "0015")
    migrate(Settings.from_environment(environment))
    assert "older" in months_of(connection)
    assert coming(connection)[0] not in months_of(connection), "the old table holds this month"
    kept = connection.execute("select * from raw.twitter__posts order by record_key").fetchall()
    assert [row[:4] + row[5:] for row in kept] == [row[:4] + row[5:] for row in rows]
    assert connection.execute("select count(*) from public.seen").fetchone() == (len(rows),)
    definition = connection.execute("select pg_get_viewdef('public.seen')").fetchone()
    assert definition
    assert "raw.twitter__posts" in definition[0]
    assert connection.execute("select observed_at::text from only raw_months.twitter__posts_default").fetchall()
    assert_last_versions(environment)
    assert survival.read("twitter", streams=["posts"]) == []
    assert count(connection, "select count(*) from raw.twitter__posts") == len(rows), "what was known is known"


def apply_again(environment: dict[str, str], revision: str) -> None:
    """Do what one migration does, on a warehouse that has those after it."""
    script = ScriptDirectory(str(MIGRATIONS)).get_revision(revision)
    engine = sqlalchemy.create_engine(Settings.from_environment(environment).warehouse.url())
    with engine.begin() as opened, Operations.context(MigrationContext.configure(opened)):
        script.module.upgrade()
    engine.dispose()


def undo_partitions(connection: Connection) -> None:
    """Make the posts of X a table as they were before the migration, and drop what it made."""
    connection.execute(
        """
        create table public.before (
            like raw.twitter__posts including constraints,
            constraint twitter__posts_pkey primary key (business_id, account_id, record_key, observed_at)
        );
        insert into public.before select * from raw.twitter__posts;
        create index twitter__posts_run_id on public.before (run_id);
        drop table raw.twitter__posts;
        alter table public.before set schema raw;
        alter table raw.before rename to twitter__posts;
        drop schema last_versions cascade;
        drop trigger versions_judged on ops.extract_runs;
        """
    )
    for stream in streams():
        if stream is not STREAM:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", stream.full_name)))
    connection.execute("drop schema raw_months cascade")
    for name in ("settle_versions", "versions_went", "versions_moved", "versions_emptied", "versions_judged"):
        connection.execute(f"drop function ops.{name}")
    connection.execute("delete from ops.expected_objects")
