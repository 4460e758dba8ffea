"""C04: the disk is full in the middle of a load. Needs the right to mount a small file system (root on Linux)."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from extractors import ledger
from extractors.accounts import enabled_accounts
from extractors.errors import WarehouseUnavailable
from extractors.load import SLICE, Page, land
from extractors.registry import PLATFORMS
from extractors.spec import Record
from local.postgres import _owner
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import Extract

SIZE = "24m"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 24 MB that the server may write to."""
    path = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], capture_output=True)
    if mounted.returncode != 0:
        path.rmdir()
        pytest.skip("a file system of 24 MB cannot be mounted here")
    owner = _owner()
    if owner is not None:
        subprocess.run(["chown", f"{owner.pw_uid}:{owner.pw_gid}", str(path)], check=True)
    path.chmod(0o755)
    yield path
    subprocess.run(["umount", str(path)], check=True)
    path.rmdir()


@pytest.fixture
def crammed(connection: psycopg.Connection, small_disk: Path) -> Iterator[Callable[[], None]]:
    """X's posts lie on the small disk, whose rest is taken up; calling this gives it free."""
    connection.execute(f"create tablespace small location '{small_disk}'")
    connection.execute("alter table raw.twitter__posts set tablespace small")
    connection.execute("create table public.ballast (b bytea) tablespace small")
    connection.execute("alter table public.ballast alter column b set storage plain")
    connection.execute("create table public.slack (b bytea) tablespace small")
    connection.execute("alter table public.slack alter column b set storage plain")
    connection.execute("insert into public.slack select decode(repeat('ab', 7000), 'hex') from generate_series(1, 40)")
    for rows in (3_000, 100, 1):
        try:
            while True:
                connection.execute(
                    "insert into public.ballast select decode(repeat('ab', 7000), 'hex') from generate_series(1, %s)",
                    (rows,),
                )
        except psycopg.errors.DiskFull:
            pass
    yield lambda: connection.execute("drop table if exists public.ballast") and None
    connection.execute("drop table if exists public.ballast, public.slack")
    connection.execute("alter table raw.twitter__posts set tablespace pg_default")
    # A dropped table's file is emptied at once and removed by the next checkpoint.
    connection.execute("checkpoint")
    connection.execute("drop tablespace small")


@pytest.mark.fault("C04")
def test_a_full_disk_rolls_the_page_back_harms_no_other_table_and_the_run_goes_on_later(
    extract: Extract,
    environment: dict[str, str],
    connection: psycopg.Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    crammed: Callable[[], None],
):
    with pytest.raises(WarehouseUnavailable, match="DiskFull"):
        extract("twitter")
    booked = "select coalesce(sum(stored), 0) from ops.extract_runs where stream = 'twitter__posts'"
    there = "select count(*) from raw.twitter__posts"
    assert connection.execute(booked).fetchone() == connection.execute(there).fetchone()
    assert {result.state for result in extract("facebook")} == {"complete"}, "no other table is harmed"
    crammed()
    connection.execute("update ops.extract_runs set lease_expires_at = now() - interval '1 s' where state = 'running'")
    assert {result.state for result in extract("twitter")} == {"complete"}
    assert_equal_warehouses(environment, undisturbed("twitter", "facebook"))
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("C04")
def test_a_page_that_fits_in_part_leaves_nothing_of_itself(
    connection: psycopg.Connection, environment: dict[str, str], crammed: Callable[[], None]
):
    account = next(each for each in enabled_accounts(connection, ["twitter"], None))
    stream = PLATFORMS["twitter"].stream("posts")
    now = datetime.now(UTC)
    lease = ledger.open_run(connection, account, stream, as_of=now, since=None, until=now).lease
    records = [Record(f"{number:06}", {"id": str(number), "text": "a" * 200}) for number in range(20 * SLICE)]
    page = Page(records=records, observed_at=now, next_cursor={}, calls=1, retries=0)
    connection.execute("drop table public.slack")
    with pytest.raises(psycopg.errors.DiskFull):
        land(connection, lease, page)
    assert connection.execute("select count(*) from raw.twitter__posts").fetchone() == (0,)
    assert connection.execute("select sum(listed), sum(pages) from ops.extract_runs").fetchone() == (0, 0)
    crammed()
    assert land(connection, lease, page) == len(records)
