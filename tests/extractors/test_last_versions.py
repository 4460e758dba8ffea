"""What new records are compared with is each record's newest row in raw that was not refused, whatever happens."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from extractors import ledger
from extractors.load import land
from extractors.pages import Lease, Page
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Record
from tests.aftermath import LAST_VERSIONS

Connection = psycopg.Connection[Any]
STREAM = PLATFORMS["twitter"].stream("posts")
BEGIN = datetime(2026, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW, FORMER = "22", "11"
COMPARED = LAST_VERSIONS.format(table="raw.twitter__posts", last="last_versions.twitter__posts")

ids = st.sampled_from([NEW, FORMER])
keys = st.sampled_from("abc")
payloads = st.dictionaries(keys, st.integers(0, 2), min_size=1)
hours = st.integers(0, 2_000)
gates = st.sampled_from(["passed", "quarantined", "pending"])
events = st.one_of(
    st.tuples(st.just("land"), ids, payloads, hours),
    st.tuples(st.just("late"), ids, payloads, hours),
    st.tuples(st.just("judge"), st.integers(0, 30), gates),
    st.tuples(st.just("set_aside"), st.integers(0, 30), keys),
    st.tuples(st.just("purge"), hours),
    st.tuples(st.just("erase"), keys),
    st.tuples(st.just("age"), keys),
)


@dataclass(slots=True)
class Row:
    """A row of raw as the oracle keeps it."""

    account: str
    key: str
    at: datetime
    value: int
    run: str


@dataclass(slots=True)
class History:
    """Lets events happen in the warehouse and in a list of rows, which says what the loader must find changed."""

    connection: Connection
    rows: list[Row] = field(default_factory=list)
    gates: dict[str, str] = field(default_factory=dict)
    now: datetime = BEGIN

    def land(self, account_id: str, values: dict[str, int], hours: int) -> None:
        """A page of now, by the new id or by the former one."""
        self.now += (hours + 1) * HOUR
        formers = (FORMER,) if account_id == NEW else ()
        self._land(account_id, formers, values, self.now, late=False)

    def late(self, account_id: str, values: dict[str, int], hours: int) -> None:
        """A page that came earlier and could not be read then; no two ever came at one instant."""
        at = self.now - hours * HOUR - timedelta(microseconds=len(self.gates) + 1)
        self._land(account_id, (), values, at, late=True)

    def _land(
        self, account_id: str, formers: tuple[str, ...], values: dict[str, int], at: datetime, *, late: bool
    ) -> None:
        lease = lease_of(self.connection, account_id, formers)
        found = {key: self._before((account_id, *formers), key, at if late else datetime.max.replace(tzinfo=UTC))
                 for key in values}  # fmt: skip
        changed = {key: value for key, value in values.items() if found[key] is None or found[key].value != value}
        records = [Record(key, {"id": key, "value": value}) for key, value in values.items()]
        page = Page(records=records, observed_at=at, next_cursor={}, calls=1, retries=0, late=late)
        assert land(self.connection, lease, page) == len(changed)
        ledger.complete(self.connection, lease)
        self.gates[lease.run_id] = "pending"
        for key, value in changed.items():
            self.rows.append(Row(account_id, key, at, value, lease.run_id))

    def _before(self, accounts: tuple[str, ...], key: str, horizon: datetime) -> Any:
        seen = [row for row in self.rows if row.key == key and row.account in accounts and row.at <= horizon]
        return max((row for row in seen if self.gates[row.run] != "quarantined"), key=lambda row: row.at, default=None)

    def judge(self, number: int, gate: str) -> None:
        """The gate decides, or somebody after it."""
        if run := self._run(number):
            self.connection.execute("update ops.extract_runs set gate = %s where run_id = %s", (gate, run))
            self.gates[run] = gate

    def set_aside(self, number: int, key: str) -> None:
        """One record of a run goes into the quarantine."""
        run = self._run(number)
        self.connection.execute("delete from raw.twitter__posts where run_id = %s and record_key = %s", (run, key))
        self.rows = [row for row in self.rows if (row.run, row.key) != (run, key)]

    def purge(self, hours: int) -> None:
        """What is older than allowed goes."""
        limit = self.now - hours * HOUR
        self.connection.execute("delete from raw.twitter__posts where observed_at < %s", (limit,))
        self.rows = [row for row in self.rows if row.at >= limit]

    def erase(self, key: str) -> None:
        """One post goes."""
        self.connection.execute("delete from raw.twitter__posts where record_key = %s", (key,))
        self.rows = [row for row in self.rows if row.key != key]

    def age(self, key: str) -> None:
        """Somebody moves a record's rows into the past by hand."""
        by = timedelta(days=400, microseconds=7)
        statement = "update raw.twitter__posts set observed_at = observed_at - %s where record_key = %s"
        self.connection.execute(statement, (by, key))
        for row in self.rows:
            row.at -= by if row.key == key else timedelta(0)

    def _run(self, number: int) -> str | None:
        return list(self.gates)[number % len(self.gates)] if self.gates else None


def lease_of(connection: Connection, account_id: str, formers: tuple[str, ...] = ()) -> Lease:
    """A new run that may write."""
    account = Account(business_id=1, platform="twitter", account_id=account_id, credential="c", timezone="UTC")
    now = datetime.now(UTC)
    lease = ledger.open_run(connection, account, STREAM, as_of=now, since=None, until=now).lease
    return Lease(run_id=lease.run_id, epoch=lease.epoch, account=account, stream=STREAM, former_ids=formers)


@pytest.fixture
def known(connection: Connection) -> Connection:
    """A business with an account that has another id by now."""
    connection.execute("insert into ops.businesses values (1, 'b', 'UTC')")
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) "
        "select 1, 'twitter', unnest(%s::text[]), 'c'",
        ([NEW, FORMER],),
    )
    return connection


def test_last_versions_follow_every_history(known: Connection):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(events, max_size=25))
    def follows(told: list[tuple[Any, ...]]) -> None:
        known.execute("truncate raw.twitter__posts")
        known.execute("delete from ops.extract_runs")
        history = History(known)
        for name, *values in told:
            getattr(history, name)(*values)
            assert known.execute(COMPARED).fetchall() == [], (name, values)
        assert known.execute("select count(*) from raw.twitter__posts").fetchone() == (len(history.rows),)

    follows()


@pytest.mark.parametrize("gate", ["quarantined", "passed"])
def test_a_judgement_and_a_page_at_the_same_time_agree(known: Connection, warehouse: dict[str, str], gate: str):
    """The page waits for the verdict, and compares with what the verdict left."""
    earlier = lease_of(known, NEW)
    assert land(known, earlier, page_of(0, BEGIN)) == 1
    ledger.complete(known, earlier)
    refused = lease_of(known, NEW)
    assert land(known, refused, page_of(1, BEGIN + HOUR)) == 1
    ledger.complete(known, refused)
    lease, stored = lease_of(known, NEW), []
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as other:
        other.execute("update ops.extract_runs set gate = %s where run_id = %s", (gate, refused.run_id))
        page = Thread(target=lambda: stored.append(land(known, lease, page_of(1, BEGIN + 2 * HOUR))))
        page.start()
        page.join(0.5)
        assert page.is_alive() == (gate == "quarantined")
        other.commit()
        page.join()
    assert stored == [1 if gate == "quarantined" else 0]
    assert known.execute(COMPARED).fetchall() == []


def page_of(value: int, at: datetime) -> Page:
    """A page of one record."""
    records = [Record("a", {"id": "a", "value": value})]
    return Page(records=records, observed_at=at, next_cursor={}, calls=1, retries=0)


def test_a_row_written_by_hand_is_known_once_its_run_was_judged_again(known: Connection):
    lease = lease_of(known, NEW)
    statement = "insert into raw.twitter__posts values (%s, 1, %s, 'a', now(), sha256('a'), %s)"
    known.execute(statement, (lease.run_id, NEW, Jsonb({"id": "a"})))
    for gate in ("quarantined", "passed"):
        known.execute("update ops.extract_runs set gate = %s where run_id = %s", (gate, lease.run_id))
    assert known.execute(COMPARED).fetchall() == []
