"""A publication that fails, is killed, or meets readers who hold on: they read the last build or the next, whole."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from expectations.marts import MartsRefused, accept, audit
from extractors.settings import Settings
from tests.warehouse.conftest import DBT, PROJECT, Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF

pytestmark = pytest.mark.slow

COUNTS = "select (select count(*) from marts.post_performance) as a, (select count(*) from marts.post_analytics) as b"
TROUBLE = "select distinct publish_error from marts.data_freshness"


def state(environment: Environment) -> dict[str, str]:
    """A digest of every mart as BI reads it, without what is worked out at reading or says when it was audited."""
    marts = read(environment, "select viewname::text as name from pg_views where schemaname = 'marts' order by 1")
    apart = ("audited_at", "age_hours", "last_published_at", "publish_error")
    digests = {}
    for mart in (row["name"] for row in marts):
        rows = read(environment, f"select * from marts.{mart}")
        kept = sorted(repr([value for name, value in row.items() if name not in apart]) for row in rows)
        digests[mart] = hashlib.sha256("\n".join(kept).encode()).hexdigest()
    return digests


def refused(environment: Environment, publication: str) -> str:
    """Publish, which fails; return why."""
    with connect(environment) as connection, pytest.raises(psycopg.Error) as error:
        connection.execute(publication.encode())
    reason = str(error.value).splitlines()[0]
    (row,) = read(environment, TROUBLE)
    assert row["publish_error"] == reason
    last = read(environment, "select outcome, reason from ops.publications order by publication_id desc limit 1")
    assert last == [{"outcome": "refused", "reason": reason}]
    return reason


def published(environment: Environment, publication: str) -> None:
    """Publish, which works; data_freshness has nothing to complain of."""
    with connect(environment) as connection:
        connection.execute(publication.encode())
    assert read(environment, TROUBLE) == [{"publish_error": None}]


def change(environment: Environment) -> None:
    """Something new in core that a publication would show."""
    with connect(environment) as connection:
        connection.execute("delete from core.fct_posts where platform = 'twitter'")


@pytest.mark.fault("C11")
def test_a_publication_that_takes_too_long_changes_nothing_and_says_so(copy: Environment, dbt: Dbt) -> None:
    before = state(copy)
    change(copy)
    done = dbt(copy, "run-operation", "publish", "--vars", "publish_minutes: 0.0005", ok=False)
    reason = "nothing was published: it took longer than allowed (publish_minutes), or was cancelled"
    assert reason in done.stdout
    assert read(copy, TROUBLE) == [{"publish_error": reason}]
    assert state(copy) == before


@pytest.mark.fault("C12")
def test_a_reader_in_an_open_transaction_holds_up_neither_a_publication_nor_other_readers(
    copy: Environment, publication: str
) -> None:
    before = read(copy, COUNTS)[0]
    with connect(copy) as idle:
        idle.autocommit = False
        idle.execute("select * from marts.post_performance")
        change(copy)
        published(copy, publication)
        assert read(copy, COUNTS)[0]["a"] == before["a"] - 6

        # A changed definition needs the mart for itself: it is asked for in short turns, and in the end given up.
        with connect(copy) as connection:
            definition = connection.execute("select pg_get_viewdef('candidate.post_performance'::regclass)").fetchone()
            assert definition is not None
            changed = (
                f"create or replace view candidate.post_performance as select * from ({definition[0].rstrip(';')}) q"
            )
            connection.execute(changed.encode())
        longest = 0.0
        with reading(copy) as waits:
            impatient = publication.replace("secs => 90.0", "secs => 2.0")
            assert "somebody held a mart" in refused(copy, impatient)
        longest = max(waits)
        assert longest < 5, "readers were kept waiting behind a publication that waited itself"
        idle.rollback()
        published(copy, publication)


@contextmanager
def reading(environment: Environment) -> Iterator[list[float]]:
    """Read a mart over and over beside what the block does; gives the seconds that each reading took."""
    waits: list[float] = []
    done = threading.Event()

    def read_on() -> None:
        with connect(environment) as connection:
            while not done.wait(0.02):
                began = time.perf_counter()
                connection.execute("select count(*) from marts.post_performance").fetchone()
                waits.append(time.perf_counter() - began)

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        yield waits
    finally:
        done.set()
        thread.join()


@pytest.mark.fault("C13")
def test_many_readers_and_many_publications_give_no_error_and_no_mixed_build(
    copy: Environment, publication: str
) -> None:
    rows = read(copy, "select count(*) as posts from core.fct_posts")[0]["posts"]
    seen: set[tuple[int, int]] = set()
    errors: list[BaseException] = []
    done = threading.Event()

    def read_on() -> None:
        try:
            with connect(copy) as connection:
                while not done.is_set():
                    found = connection.execute(COUNTS).fetchone()
                    assert found is not None
                    seen.add((found[0], found[1]))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        with connect(copy) as connection:
            for _ in range(20):
                connection.execute(
                    "delete from core.fct_posts where post_key = (select min(post_key) from core.fct_posts)"
                )
                connection.execute(publication.encode())
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert all(first == second for first, second in seen)
    assert {first for first, _ in seen} <= set(range(rows - 20, rows + 1))
    assert len(seen) > 5


@pytest.mark.fault("C14")
def test_two_rows_of_one_key_publish_nothing(copy: Environment, publication: str) -> None:
    before = state(copy)
    with connect(copy) as connection:
        connection.execute("alter table core.fct_posts drop constraint fct_posts_pkey")
        connection.execute("insert into core.fct_posts select * from core.fct_posts where post_id = '101'")
        connection.execute(
            "update core.fct_posts set likes = 999"
            " where ctid = (select max(ctid) from core.fct_posts where post_id = '101')"
        )
    assert "a mart has two rows of one key" in refused(copy, publication)
    assert state(copy) == before


@pytest.mark.fault("C15")
@pytest.mark.parametrize("victim", ["client", "server"])
def test_a_publication_that_is_killed_half_way_leaves_the_last_build(
    copy: Environment, publication: str, victim: str, tmp_path: Any
) -> None:
    before = state(copy)
    change(copy)
    with connect(copy) as holder:
        holder.autocommit = False
        # Five marts come before the one that rests on this table.
        holder.execute("lock table core.fct_time_recommendations in access exclusive mode")
        publisher = subprocess.Popen(
            [str(DBT), "run-operation", "publish", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)],
            env={**os.environ, **copy, "PIPELINE_NOW": AS_OF.isoformat(), "DBT_TARGET_PATH": str(tmp_path),
                 "DBT_LOG_PATH": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        # The server shows the beginning of a text alone.
        waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%do $attempt$%'"
        (process,) = until(lambda: read(copy, waiting) or has_ended(publisher))
        if victim == "client":
            publisher.send_signal(signal.SIGKILL)
        else:
            read(copy, "select pg_terminate_backend(%s)", process["pid"])
        until(lambda: not read(copy, "select 1 as one from pg_stat_activity where pid = %s", process["pid"]))
        publisher.communicate(timeout=300)
        assert read(copy, TROUBLE) == [
            {"publish_error": "a publication began and was cut off; the one before it stands"}
        ]
        assert state(copy) == before
        holder.rollback()
    assert state(copy) == before
    published(copy, publication)
    assert state(copy) != before


def has_ended(process: subprocess.Popen[str]) -> None:
    """Fail with what a process said, if it is over already."""
    assert process.poll() is None, process.communicate()[0]


def until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait for what another process does; return what it made true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
    return found


@pytest.mark.fault("C16")
def test_a_mart_that_a_policy_makes_silently_empty_is_not_published(copy: Environment, publication: str) -> None:
    before = state(copy)
    role = f"owner_of_{copy['PGDATABASE']}"
    with connect(copy) as connection:
        for statement in (
            f"create role {role}",
            f"grant usage, create on schema publish to {role}",
            f"grant usage on schema core to {role}",
            f"grant select on all tables in schema core to {role}",
            f"alter materialized view publish.best_days owner to {role}",
            "alter table core.fct_posts enable row level security",
            "alter table core.fct_posts force row level security",
        ):
            connection.execute(statement.encode())
    assert "the mart best_days came out empty and its candidate is not" in refused(copy, publication)
    assert state(copy) == before
    with connect(copy) as connection:
        connection.execute(f"create policy everything on core.fct_posts to {role} using (true)".encode())
    published(copy, publication)
    with connect(copy) as connection:
        connection.execute(f"reassign owned by {role} to current_user".encode())
        connection.execute(f"drop owned by {role}".encode())


@pytest.mark.fault("E09")
@pytest.mark.parametrize(
    ("usual", "times"), [(53, "0.40"), (10, None), (20, None), (42, None)],
    ids=["fewer than half", "too few to judge", "as usual", "just half"],
)  # fmt: skip
def test_an_account_with_half_of_its_usual_rows_is_not_published_until_a_person_accepts(
    copy: Environment, dbt: Dbt, usual: int, times: str | None
) -> None:
    settings = Settings.from_environment(copy)
    with connect(copy) as connection:
        fill(connection, 18)
        usually(connection, usual)
    if times is None:
        audit(settings)
        return
    with pytest.raises(MartsRefused, match=f"post_performance of business 1 on facebook has 21 rows, {times} times"):
        audit(settings)
    assert "the border of the marts refused" in read(copy, TROUBLE)[0]["publish_error"]
    assert "is_within_band" in dbt(copy, "test", "--select", "mart_measures", ok=False).stdout
    assert accept(settings, 1) == 1
    audit(settings)


@pytest.mark.fault("E09")
def test_an_account_with_twice_its_usual_rows_is_not_published(copy: Environment) -> None:
    with connect(copy) as connection:
        fill(connection, 40)
        usually(connection, 20)
    with pytest.raises(MartsRefused, match=r"has 43 rows, 2\.15 times the usual"):
        audit(Settings.from_environment(copy))


@pytest.mark.fault("E08")
def test_a_mart_that_had_rows_is_not_published_empty(copy: Environment) -> None:
    with connect(copy) as connection:
        connection.execute("delete from core.fct_audience_demographics")
    with pytest.raises(MartsRefused, match="audience_demographics would be empty"):
        audit(Settings.from_environment(copy))


def fill(connection: psycopg.Connection[Any], posts: int) -> None:
    """Give Facebook, which has three posts, so many more."""
    for table, column, value in (("fct_posts", ", published_date", ", date '2026-11-01'"), ("dim_posts", "", "")):
        connection.execute(
            f"insert into core.{table} (post_key, business_id, platform, account_id, post_id{column})"
            f" select 'n' || n, 1, 'facebook', 'a', 'n' || n{value} from generate_series(1, {posts}) as n".encode()
        )


def usually(connection: psycopg.Connection[Any], rows: int) -> None:
    """Say how many posts Facebook usually has."""
    connection.execute(
        "update ops.mart_measures set number_of_rows = %s"
        " where mart_name = 'post_performance' and business_id = 1 and platform = 'facebook'",
        (rows,),
    )


def test_businesses_published_apart_touch_no_other_s_rows(copy: Environment, dbt: Dbt, publication: str) -> None:
    mine = "select count(*) as posts from marts.post_performance where business_id = 2"
    others = "select count(*) as posts from marts.post_performance where business_id = 1"
    before = read(copy, others)
    rows = read(copy, "select xmin::text, ctid::text from publish.post_performance order by 2")
    with connect(copy) as connection:
        connection.execute("delete from core.fct_posts where post_id in ('b3', '101')")
    done = dbt(copy, "run-operation", "publish", "--vars", "businesses: [2]")
    assert "error" not in done.stdout.lower()
    assert (read(copy, mine), read(copy, others)) == ([{"posts": 2}], before)
    assert read(copy, "select xmin::text, ctid::text from publish.post_performance order by 2") == rows
    last = {r["business_id"]: r["at"] for r in read(
        copy, "select business_id, max(last_published_at) as at from marts.data_freshness group by 1")}  # fmt: skip
    assert last[2] > last[1]
    # The next whole publication takes everybody in and leaves nobody apart.
    published(copy, publication)
    assert read(copy, others)[0]["posts"] == before[0]["posts"] - 1
    assert read(copy, mine) == [{"posts": 2}]
    assert (
        read(copy, "select * from publish.apart") == read(copy, "select * from publish.post_performance__apart") == []
    )
    assert "is not the id of a business" in dbt(
        copy, "run-operation", "publish", "--vars", "businesses: ['1; drop table x']", ok=False
    ).stdout  # fmt: skip


@pytest.mark.fault("E14")
def test_building_and_publishing_again_gives_the_same_bytes(copy: Environment, dbt: Dbt, publication: str) -> None:
    before = state(copy)
    for _ in range(8):
        published(copy, publication)
        assert state(copy) == before
    dbt(copy, "build", "--exclude-resource-type", "unit_test")
    assert state(copy) == before
    dbt(copy, "build", "--exclude-resource-type", "unit_test", "--full-refresh")
    assert state(copy) == before
