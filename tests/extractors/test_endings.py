"""How a process ends: asked to, it finishes its page; killed, its leases are free at once; and never two may write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from extractors import ledger
from extractors.extract import extract_account
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account
from tests import crowd
from tests.aftermath import assert_ledger_explains, assert_no_secret, repeated_versions
from tests.crowd import Crowd

Connection = psycopg.Connection[Any]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def platform() -> Iterator[Crowd]:
    with crowd.serving(Crowd(posts=500)) as running:
        yield running


@pytest.fixture
def variables(platform: Crowd, warehouse: dict[str, str]) -> dict[str, str]:
    return {**crowd.environment(platform, warehouse, credentials=200), "PYTHONPATH": str(ROOT)}


def start(variables: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "extractors", "run", "--stream", "profile", "--stream", "posts", *arguments],
        env={"PATH": os.environ["PATH"], **variables}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def posts(connection: Connection) -> tuple[int, int]:
    return connection.execute(
        "select count(*), count(distinct (account_id, record_key)) from raw.twitter__posts"
    ).fetchone()


def read(variables: dict[str, str], accounts: list[dict[str, Any]]) -> list[Any]:
    settings = Settings.from_environment(variables)
    return [result for each in accounts for result in extract_account(settings, each, streams=["profile", "posts"])]


@pytest.mark.fault("D15")
def test_a_process_asked_to_end_finishes_its_pages_and_the_next_goes_on_at_once(
    variables: dict[str, str], platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 4)
    platform.seconds = 0.3
    with start(variables) as process:
        for _ in range(8):
            assert platform.arrived.acquire(timeout=60)
        process.send_signal(signal.SIGTERM)
        asked = monotonic()
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert monotonic() - asked < 20
    assert "stopped: SIGTERM" in errors
    assert "Traceback" not in errors
    rows, distinct = posts(connection)
    assert 0 < rows == distinct < 2000
    left = connection.execute("select state, error_class, holder_pid from ops.extract_runs where state <> 'complete'")
    assert set(left.fetchall()) == {("failed", "Stopped", None)}
    again = read(variables, accounts)
    assert {result.state for result in again} == {"complete"}
    assert posts(connection) == (2000, 2000)
    pages = connection.execute("select sum(pages) from ops.extract_runs where stream = 'twitter__posts'").fetchone()
    assert pages == (20,), "no page was read twice"
    assert repeated_versions(variables, "twitter__posts") == 0
    assert_ledger_explains(variables)
    assert_no_secret(variables, [crowd.TOKEN], output, errors)


@pytest.mark.fault("D15")
def test_a_page_that_takes_too_long_is_given_up_and_writes_nothing_any_more(
    variables: dict[str, str], platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 3)
    platform.hold["1002"] = threading.Event()
    with start(variables) as process:
        for _ in range(13):
            assert platform.arrived.acquire(timeout=60)
        process.send_signal(signal.SIGTERM)
        asked = monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 10 < monotonic() - asked < 20
    assert "account 1002" in errors
    left = connection.execute(
        "select account_id, state, error_class, holder_pid from ops.extract_runs where state <> 'complete'"
    ).fetchall()
    assert left == [("1002", "failed", "Stopped", None)]
    platform.hold.pop("1002").set()
    assert {result.state for result in read(variables, accounts)} == {"complete"}
    assert posts(connection) == (1500, 1500)
    assert_ledger_explains(variables)


@pytest.mark.fault("C09")
def test_a_killed_process_is_followed_at_once(variables: dict[str, str], platform: Crowd, connection: Connection):
    accounts = crowd.load(connection, 2)
    platform.hold["1001"] = threading.Event()
    with start(variables, "--workers", "1") as process:
        assert platform.arrived.acquire(timeout=60)
        process.kill()
        process.communicate(timeout=60)
    platform.hold.pop("1001").set()
    assert connection.execute("select count(*) from ops.extract_runs where state = 'running'").fetchone() == (1,)
    wait_until_gone(connection)
    assert {result.state for result in read(variables, accounts)} == {"complete"}
    assert posts(connection) == (1000, 1000)
    assert_ledger_explains(variables)


def wait_until_gone(connection: Connection) -> None:
    """Wait for the server to notice the end of the killed process: milliseconds, where the socket is local."""
    deadline = monotonic() + 10
    while connection.execute(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    ).fetchone()[0]:
        assert monotonic() < deadline
        threading.Event().wait(0.01)


ACCOUNT = Account(business_id=1, platform="twitter", account_id="1001", credential="crowd_1", timezone="UTC")


def open_run(connection: Connection, held: ledger.Holder | None) -> ledger.Opened:
    now = datetime.now(UTC)
    return ledger.open_run(
        connection, ACCOUNT, PLATFORMS["twitter"].stream("posts"), as_of=now, since=None, until=now, holder=held
    )


def test_a_lease_lives_while_the_session_of_its_holder_lives(variables: dict[str, str], connection: Connection):
    crowd.load(connection, 1)
    with closing(Settings.from_environment(variables).warehouse.connect()) as another:
        another.autocommit = True
        first = open_run(connection, ledger.holder(another))
        with pytest.raises(ledger.AlreadyRunning):
            open_run(connection, None)
    wait_until_gone(connection)
    second = open_run(connection, ledger.holder(connection))
    assert second.lease.run_id != first.lease.run_id, "nothing had landed, so nothing is resumed"
    states = dict(connection.execute("select error_class, count(*) from ops.extract_runs group by 1").fetchall())
    assert states == {"Abandoned": 1, None: 1}


def test_what_another_has_just_read_for_the_same_run_is_not_opened_again(connection: Connection):
    crowd.load(connection, 1)
    now, stream = datetime.now(UTC), PLATFORMS["twitter"].stream("posts")
    asked = {"as_of": now, "since": None, "until": now, "origin": ledger.Origin(key="extract_twitter/1")}
    ledger.complete(connection, ledger.open_run(connection, ACCOUNT, stream, **asked).lease)
    with pytest.raises(ledger.AlreadyRunning):
        ledger.open_run(connection, ACCOUNT, stream, **asked)
    assert connection.execute("select count(*) from ops.extract_runs").fetchone() == (1,)


def test_a_lease_without_a_known_holder_ends_by_its_time_alone(variables: dict[str, str], connection: Connection):
    crowd.load(connection, 1)
    open_run(connection, None)
    with pytest.raises(ledger.AlreadyRunning):
        open_run(connection, None)
    connection.execute("update ops.extract_runs set lease_expires_at = now() - interval '1 s'")
    open_run(connection, None)


def test_a_session_number_that_was_given_away_again_is_not_taken_for_the_holder(connection: Connection):
    crowd.load(connection, 1)
    mine = ledger.holder(connection)
    assert mine is not None
    earlier = connection.execute(
        "select backend_start - interval '1 h' from pg_stat_activity where pid = %s", (mine.pid,)
    )
    open_run(connection, ledger.Holder(mine.pid, earlier.fetchone()[0]))
    open_run(connection, mine)


def test_behind_a_pooler_nobody_is_a_holder(connection: Connection):
    class Pooled:
        """A client of PgBouncer, as psycopg shows it: it was told a number that the server does not know."""

        info = type("Info", (), {"backend_pid": 1_234_567_890})()
        execute = connection.execute

    assert ledger.holder(Pooled()) is None  # type: ignore[arg-type]
