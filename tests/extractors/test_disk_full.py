"""C04: the disk is full in the middle of a load.

A relation's file is Linux' device of a full disk, so that the server meets the kernel's own ENOSPC; no right is needed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from extractors import ledger
from extractors.accounts import enabled_accounts
from extractors.errors import WarehouseUnavailable
from extractors.load import land
from extractors.pages import Page
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Record
from extractors.store import SLICE
from local import postgres
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import Extract

#: Writing to it fails as on a full disk (ENOSPC), for everybody; reading gives nothing. See full(4).
FULL = Path("/dev/full")


@dataclass(slots=True)
class Disk:
    """The files of relations that nobody has written to yet, and what stands in their place while the disk is full."""

    data: Path
    connection: psycopg.Connection
    kept: list[Path] = field(default_factory=list)

    def fill(self, relations: str) -> None:
        """No byte goes into the relations that a query names; sessions that are opened from now on see it."""
        for (name,) in self.connection.execute(f"select pg_relation_filepath(oid) from ({relations}) as found"):
            path = self.data / name
            assert path.stat().st_size == 0, "what is there already would be out of sight"
            path.rename(path.with_name(f"{path.name}.kept"))
            path.symlink_to(FULL)
            self.kept.append(path)
        assert self.kept

    def make_room(self) -> None:
        """Everything goes in again."""
        for path in self.kept:
            path.unlink()
            path.with_name(f"{path.name}.kept").rename(path)
        self.kept.clear()


STREAM = PLATFORMS["twitter"].stream("posts")
#: A table, or the partitions of one; and where their long values are kept apart.
HEAPS = """
    select oid from pg_class where oid = 'raw.twitter__posts'::regclass and relkind = 'r'
    union all
    select relid from pg_partition_tree('raw.twitter__posts') where isleaf
"""
TOASTS = f"select reltoastrelid as oid from ({HEAPS}) as heap inner join pg_class using (oid)"


@pytest.fixture
def disk(server: postgres.Server, connection: psycopg.Connection) -> Iterator[Disk]:
    found = Disk(server.home / "data", connection)
    yield found
    found.make_room()


@pytest.mark.fault("C04")
def test_a_full_disk_rolls_the_page_back_harms_no_other_table_and_the_run_goes_on_later(
    extract: Extract,
    environment: dict[str, str],
    connection: psycopg.Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    disk: Disk,
):
    disk.fill(HEAPS)
    with pytest.raises(WarehouseUnavailable, match="DiskFull"):
        extract("twitter")
    booked = "select coalesce(sum(stored), 0) from ops.extract_runs where stream = 'twitter__posts'"
    there = "select count(*) from raw.twitter__posts"
    assert connection.execute(booked).fetchone() == connection.execute(there).fetchone()
    assert {result.state for result in extract("facebook")} == {"complete"}, "no other table is harmed"
    disk.make_room()
    connection.execute("update ops.extract_runs set lease_expires_at = now() - interval '1 s' where state = 'running'")
    assert {result.state for result in extract("twitter")} == {"complete"}
    assert_equal_warehouses(environment, undisturbed("twitter", "facebook"))
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("C04")
def test_a_page_that_fits_in_part_leaves_nothing_of_itself(
    connection: psycopg.Connection, environment: dict[str, str], disk: Disk
):
    """Short records go in; the disk is full for the one whose text is kept apart, in the last slice."""
    disk.fill(TOASTS)
    with closing(Settings.from_environment(environment).warehouse.connect()) as own:
        own.autocommit = True
        account = next(each for each in enabled_accounts(own, ["twitter"], None))
        now = datetime.now(UTC)
        lease = ledger.open_run(own, account, STREAM, as_of=now, since=None, until=now).lease
        records = [Record(f"{number:06}", {"id": str(number), "text": "a" * 200}) for number in range(16 * SLICE)]
        records.append(Record("999999", {"id": "999999", "text": secrets.token_hex(20_000)}))
        page = Page(records=records, observed_at=now, next_cursor={}, calls=1, retries=0)
        with pytest.raises(psycopg.errors.DiskFull):
            land(own, lease, page)
        assert connection.execute(f"select sum(pg_relation_size(oid)) > 0 from ({HEAPS}) as heap").fetchone() == (True,)
        assert connection.execute("select count(*) from raw.twitter__posts").fetchone() == (0,)
        assert connection.execute("select sum(listed), sum(pages) from ops.extract_runs").fetchone() == (0, 0)
    disk.make_room()
    assert land(connection, lease, page) == len(records)
