"""Group C: locks, lost constraints, migrations and full disks in the way of a load."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest

from extractors import ledger
from extractors.errors import RetryLater, WarehouseUnavailable
from extractors.load import land
from extractors.migrate import migrate
from extractors.pages import Lease, Page
from extractors.patience import patiently
from extractors.registry import PLATFORMS
from extractors.settings import KEEPALIVES, Settings
from extractors.spec import Account, Record
from extractors.store import SLICE
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.conftest import ROOT
from tests.extractors.conftest import Extract

STREAM = PLATFORMS["twitter"].stream("posts")
NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


def account(name: str = "1") -> Account:
    return Account(business_id=1, platform="twitter", account_id=name, credential="c", timezone="UTC")


def know(connection: psycopg.Connection, *names: str) -> None:
    connection.execute("insert into ops.businesses values (1, 'one', 'UTC') on conflict do nothing")
    for name in names:
        connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential) values (1, 'twitter', %s, 'c')",
            (name,),
        )


def opened(connection: psycopg.Connection, name: str = "1") -> Lease:
    return ledger.open_run(connection, account(name), STREAM, as_of=NOW, since=None, until=NOW).lease


def page(keys: list[str], likes: int = 0, at: datetime = NOW) -> Page:
    records = [Record(key, {"id": key, "likes": likes}) for key in keys]
    return Page(records=records, observed_at=at, next_cursor={}, calls=1, retries=0)


@contextmanager
def holding(warehouse: dict[str, str], statement: str) -> Iterator[psycopg.Connection]:
    """Another session that holds a lock until the block ends or it commits."""
    with Settings.from_environment(warehouse).warehouse.connect() as other:
        other.execute(statement)
        yield other
        other.rollback()


@pytest.fixture
def calm(
    environment: dict[str, str], simulator: Simulator, undisturbed: Callable[..., dict[str, str]]
) -> Callable[[], None]:
    """The three assertions after an extraction of X that was disturbed."""

    def check() -> None:
        assert_equal_warehouses(environment, undisturbed("twitter"))
        assert_ledger_explains(environment)
        assert_no_exposed_address(simulator)
        assert_no_secret(environment, tokens(simulator))

    return check


@pytest.mark.fault("C05")
def test_a_lock_that_goes_away_costs_a_retry_and_nothing_else(
    extract: Extract, environment: dict[str, str], calm: Callable[[], None]
):
    with holding(environment, "lock table raw.twitter__posts in exclusive mode") as other:
        threading.Timer(6, other.rollback).start()
        results = extract("twitter")
    assert {result.state for result in results} == {"complete"}
    calm()


@pytest.mark.fault("C05")
def test_a_lock_that_stays_is_named_and_the_run_comes_back_later(
    connection: psycopg.Connection, warehouse: dict[str, str]
):
    know(connection, "1")
    lease = opened(connection)
    connection.execute("set lock_timeout = '50ms'")
    with (
        holding(warehouse, "lock table raw.twitter__posts in exclusive mode"),
        pytest.raises(RetryLater, match="held a lock through 4 tries") as caught,
    ):
        patiently(partial(land, connection, lease, page(["1"])), str(lease.account))
    assert caught.value.at > datetime.now(UTC)
    assert connection.execute("select count(*), sum(listed) from ops.extract_runs").fetchone() == (1, 0)
    assert land(connection, lease, page(["1"])) == 1


@pytest.mark.fault("C05", "C09")
def test_every_connection_has_its_timeouts_and_keepalives(connection: psycopg.Connection):
    for name, value in (
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
    ):
        assert connection.execute(f"show {name}").fetchone() == (value,)
    parameters = connection.info.get_parameters()
    assert {name: int(parameters[name]) for name in KEEPALIVES} == KEEPALIVES
    noticed = KEEPALIVES["keepalives_idle"] + KEEPALIVES["keepalives_interval"] * KEEPALIVES["keepalives_count"]
    assert noticed <= 60


@pytest.mark.fault("C09")
def test_a_lock_of_a_killed_process_is_free_at_once(connection: psycopg.Connection, warehouse: dict[str, str]):
    hold = "import sys; from extractors.settings import Settings; c = Settings.from_environment().warehouse.connect(); "
    hold += "c.execute('select pg_advisory_xact_lock(7); lock table raw.twitter__posts'); print('held', flush=True); "
    hold += "sys.stdin.read()"
    command, environment = [sys.executable, "-c", hold], {**os.environ, **warehouse}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert connection.execute("select pg_try_advisory_lock(7)").fetchone() == (False,)
        holder.kill()
        killed = time.monotonic()
        connection.execute("select pg_advisory_lock(7)")
        connection.execute("select count(*) from raw.twitter__posts")
        assert time.monotonic() - killed < 3


@pytest.mark.fault("C06")
def test_sixteen_writers_with_shuffled_pages_never_deadlock(connection: psycopg.Connection, warehouse: dict[str, str]):
    names = [str(number) for number in range(16)]
    know(connection, *names)
    keys = [f"{number:05}" for number in range(300)]

    def write(name: str) -> int:
        chance = random.Random(name)
        with Settings.from_environment(warehouse).warehouse.connect() as own:
            own.autocommit = True
            lease = opened(own, name)
            return sum(
                land(own, lease, page(chance.sample(keys, len(keys)), likes, datetime.now(UTC))) for likes in range(5)
            )

    with ThreadPoolExecutor(len(names)) as pool:
        stored = list(pool.map(write, names))
    assert stored == [5 * len(keys)] * len(names)
    assert connection.execute(
        "select deadlocks from pg_stat_database where datname = current_database()"
    ).fetchone() == (0,)
    assert_ledger_explains_open(connection)


@pytest.mark.fault("C06")
def test_writers_of_the_same_records_in_shuffled_order_never_deadlock(
    connection: psycopg.Connection, warehouse: dict[str, str]
):
    """Only two leases could meet on one key; the order of the keys keeps even them apart."""
    know(connection, "1")
    lease = opened(connection)
    keys = [f"{number:05}" for number in range(2 * SLICE)]

    def write(number: int) -> None:
        chance = random.Random(number)
        with Settings.from_environment(warehouse).warehouse.connect() as own:
            own.autocommit = True
            for _ in range(3):
                one = page(chance.sample(keys, len(keys)), number, datetime.now(UTC))
                patiently(partial(land, own, lease, one), "a writer")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    assert connection.execute(
        "select deadlocks from pg_stat_database where datname = current_database()"
    ).fetchone() == (0,)


@pytest.mark.fault("C19")
def test_a_giant_page_goes_in_slices_leaves_no_temporary_file_and_costs_one_transaction_id(
    connection: psycopg.Connection,
):
    know(connection, "1")
    lease = opened(connection)
    assert land(connection, lease, page([f"{number:06}" for number in range(20_000)])) == 20_000
    assert connection.execute("select count(distinct xmin::text) from raw.twitter__posts").fetchone() == (1,)
    assert SLICE <= 5_000
    connection.execute("select pg_stat_force_next_flush()")
    spilled = "select temp_files, temp_bytes from pg_stat_database where datname = current_database()"
    assert connection.execute(spilled).fetchone() == (0, 0)


@pytest.mark.fault("C21")
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("alter table raw.twitter__posts drop constraint twitter__posts_pkey", "twitter__posts_pkey"),
        ("drop index ops.extract_runs_one_running", "extract_runs_one_running"),
        ("alter table ops.extract_runs drop constraint extract_runs_check", "extract_runs_check of ops.extract_runs"),
    ],
)
def test_a_constraint_dropped_by_hand_is_named_before_anything_is_written(
    extract: Extract, connection: psycopg.Connection, environment: dict[str, str], statement: str, name: str
):
    connection.execute(statement)
    with pytest.raises(WarehouseUnavailable, match=name):
        extract("twitter")
    with pytest.raises(WarehouseUnavailable, match=name):
        migrate(Settings.from_environment(environment))
    assert connection.execute("select count(*) from ops.extract_runs").fetchone() == (0,)


@pytest.mark.fault("C22")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_no_number_that_is_none_gets_into_the_warehouse(connection: psycopg.Connection, text: str):
    know(connection, "1")
    lease = opened(connection)
    poisoned = Record("2", {"id": "2", "likes": float(text)})
    both = Page(records=[Record("1", {"id": "1"}), poisoned], observed_at=NOW, next_cursor={}, calls=1, retries=0)
    assert land(connection, lease, both) == 1
    assert connection.execute("select record_key, reason from ops.quarantine").fetchall() == [("2", "Unstorable")]
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        connection.execute("select %s::jsonb", (f'{{"likes": {text}}}',))
    assert_ledger_explains_open(connection)


@pytest.mark.fault("C23")
def test_a_migration_during_a_load_harms_neither(
    extract: Extract, environment: dict[str, str], calm: Callable[[], None]
):
    settings, over, migrated = Settings.from_environment(environment), threading.Event(), []

    def again_and_again() -> None:
        while not over.is_set():
            migrate(settings)
            migrated.append(True)

    with ThreadPoolExecutor(1) as pool:
        migrating = pool.submit(again_and_again)
        results = extract("twitter")
        over.set()
        migrating.result()
    assert migrated
    assert {result.state for result in results} == {"complete"}
    calm()


@pytest.mark.fault("C23")
def test_a_migration_that_meets_a_lock_gives_up_in_seconds_and_changes_nothing(environment: dict[str, str]):
    with (
        holding(environment, "insert into ops.businesses values (999, 'open', 'UTC'); lock table raw.twitter__posts"),
        pytest.raises(WarehouseUnavailable, match="lock timeout"),
    ):
        migrate(Settings.from_environment(environment))
    migrate(Settings.from_environment(environment))


def assert_ledger_explains_open(connection: psycopg.Connection) -> None:
    """What the ledger booked is what the table holds, while the runs are still open."""
    booked = "select sum(stored) from ops.extract_runs"
    assert (
        connection.execute(booked).fetchone()
        == connection.execute("select count(*) from raw.twitter__posts").fetchone()
    )
