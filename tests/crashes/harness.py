"""Kills real extractions, lets them be finished, and compares what is in the warehouse with an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from extractors.accounts import load
from extractors.migrate import migrate
from extractors.settings import Settings
from local import postgres
from simulator.limits import Limits, Rolling
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.aftermath import LAST_VERSIONS
from tests.crashes.runner import COMPLETE

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
#: Four pages of 25 posts for the first Facebook page.
SCALE = 0.3
LOADERS = ("extract", "naive, rows first", "naive, cursor first")
KEPT = ("businesses", "accounts", "competitors", "tenant_grants", "alembic_version", "expected_objects")
#: A run's lease lasts ten minutes, and the next process has to wait for its end; nobody wants to here.
EXPIRE = "update ops.extract_runs set lease_expires_at = now() - interval '1 s' where state = 'running'"
LONG_ENOUGH = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The stream that is read and killed; `parents` are read before, once, since its batches come from them."""

    platform: str
    stream: str
    parents: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """Its raw table."""
        return f"{self.platform}__{self.stream}"


#: One list in pages; lists cut by dates; lists of ids, in batches, one after the other.
POSTS = Target(platform="facebook", stream="posts")
DAILY = Target(platform="facebook", stream="account_daily")
METRICS = Target(platform="linkedin", stream="post_metrics", parents=("posts",))
TARGETS = (POSTS, DAILY, METRICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended: the signal that killed it or 0, its exit status, and what it said."""

    signal: int
    code: int
    seconds: float
    error: str = ""
    points: Any = 0

    @property
    def is_complete(self) -> bool:
        """Whether the run ended by itself, well."""
        return self.signal == 0 and self.code == COMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is in the warehouse after a case: every row's identity, and the ledger."""

    rows: Counter[tuple[str, str]]
    runs: list[dict[str, Any]]
    watermarks: int

    @property
    def pages(self) -> int:
        """How often a page cursor moved."""
        return sum(run["pages"] for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The difference to an undisturbed run."""

    lost: int
    twice: int
    ledger: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Nothing lost, nothing twice, and a ledger that says so."""
        return not (self.lost or self.twice or self.ledger)


def judge(outcome: Outcome, reference: Outcome) -> Verdict:
    """Compare rows as multisets of key and payload hash, and the ledger's sums with the rows."""
    wrong = []
    for run in outcome.runs:
        if run["listed"] != run["stored"] + run["unchanged"] + run["quarantined"]:
            wrong.append(f"a run's counters do not add up: {run}")
    stored = sum(run["stored"] for run in outcome.runs)
    if stored != outcome.rows.total():
        wrong.append(f"the ledger says {stored} stored, the table has {outcome.rows.total()} rows")
    # A process that dies behind its last commit has done its work; the next one reads all of it once more, unchanged.
    complete = [run for run in outcome.runs if run["state"] == "complete"]
    if outcome.pages != reference.pages * max(1, len(complete)):
        wrong.append(f"the cursor moved {outcome.pages} times over {reference.pages} pages in {len(complete)} reads")
    if (
        not complete
        or any(run["stored"] for run in complete[1:])
        or any(run["state"] == "running" for run in outcome.runs)
    ):
        wrong.append(f"not one complete run that stored: {outcome.runs}")
    if outcome.watermarks != reference.watermarks:
        wrong.append("the watermark moved without the gate")
    return Verdict(
        lost=(reference.rows - outcome.rows).total(),
        twice=(outcome.rows - reference.rows).total(),
        ledger=tuple(wrong),
    )


class Nursery:
    """A process that forks attempts; see `tests.crashes.runner`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def start(self, command: Mapping[str, Any]) -> None:
        """Begin an attempt."""
        self._say(command)
        assert self._hear()["event"] == "started"

    def wait(self) -> Ended | None:
        """Return how the attempt ended, or None when it has stopped and waits for `go_on`."""
        event = self._hear()
        if event.pop("event") == "stopped":
            return None
        return Ended(**event)

    def go_on(self) -> None:
        """Wake a stopped attempt."""
        self._say({})

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(timeout=LONG_ENOUGH)
        self._process.stdout.close()

    def _say(self, message: Mapping[str, Any]) -> None:
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the runner is gone")
        return json.loads(line)


@dataclass(slots=True)
class Lane:
    """One database and one runner: cases of a lane follow each other, lanes work side by side."""

    environment: dict[str, str]
    account: dict[str, Any]
    loader: str = "extract"
    target: Target = POSTS
    nursery: Nursery = field(default_factory=Nursery)
    reference: Outcome | None = None
    seconds: float = 0.0
    points: list[str] = field(default_factory=list)
    _connection: psycopg.Connection[Any] | None = None

    def prepare(self) -> Lane:
        """Do it once undisturbed: what came out is what every case must come to."""
        self.reset()
        for parent in self.target.parents:
            assert self.run(streams=[parent]).is_complete
            self.reset()
        first = self.run(trace=True)
        assert first.is_complete, first
        self.points = first.points
        self.reference = self.outcome()
        self.reset()
        self.seconds = self.run().seconds
        self.reset()
        return self

    def command(self, **asked: Any) -> dict[str, Any]:
        """An attempt as the runner wants it."""
        return {
            "environment": self.environment,
            "account": self.account,
            "streams": [self.target.stream],
            "loader": self.loader,
            **asked,
        }

    @property
    def opening(self) -> int:
        """The failpoint at which the run is in the ledger."""
        return self.at("after Transaction.__exit__")[0]

    @property
    def landing(self) -> list[int]:
        """The failpoints just before rows are sent: one per page that has any, or more."""
        return self.at("before Copy.__enter__")

    def at(self, words: str) -> list[int]:
        """The failpoints whose names begin so."""
        return [number for number, name in enumerate(self.points, 1) if name.startswith(words)]

    def behind(self, number: int, words: str) -> int:
        """The next failpoint after another whose name begins so."""
        return next(each for each in self.at(words) if each > number)

    def run(self, **asked: Any) -> Ended:
        """Make one attempt and wait for its end."""
        self.nursery.start(self.command(**asked))
        ended = self.nursery.wait()
        assert ended is not None
        return ended

    def finish(self) -> Verdict:
        """Run again until it is done, and compare."""
        for _ in range(3):
            self.sql(EXPIRE)
            ended = self.run()
            if ended.is_complete:
                return self.verdict()
        raise AssertionError(f"does not come to an end: {ended}")

    def verdict(self) -> Verdict:
        """Compare what is there with the undisturbed run."""
        assert self.reference is not None
        return judge(self.outcome(), self.reference)

    def reset(self) -> None:
        """Empty raw and the ledger; the accounts stay, and the parents with their runs."""
        tables = self.sql(
            "select format('%%I.%%I', schemaname, tablename) from pg_tables "
            "where schemaname = 'ops' and tablename <> all (%s) or tablename = %s",
            (list(KEPT), self.target.table),
        )
        parents = ", ".join(f"'{self.target.platform}__{name}'" for name in ("", *self.target.parents))
        only = {"ops.extract_runs": f" where stream not in ({parents})"}
        wipe = ";".join(f"delete from {name}{only.get(name, '')}" for (name,) in tables)
        self.sql(f"begin; set local session_replication_role = replica; {wipe}; commit")

    def outcome(self) -> Outcome:
        """Read what is there."""
        rows = self.sql(f"select record_key, encode(payload_hash, 'hex') from raw.{self.target.table}")
        if self.loader == "extract":
            compared = LAST_VERSIONS.format(table=f"raw.{self.target.table}", last=f"last_versions.{self.target.table}")
            assert self.sql(compared) == [], "the last versions do not agree with raw"
        names = ("state", "pages", "listed", "stored", "unchanged", "quarantined")
        columns = ", ".join(names)
        of = (self.target.table,)
        runs = self.sql(f"select {columns} from ops.extract_runs where stream = %s order by started_at", of)
        ((watermarks,),) = self.sql("select count(*) from ops.cursors")
        return Outcome(
            rows=Counter(rows), runs=[dict(zip(names, run, strict=True)) for run in runs], watermarks=watermarks
        )

    def sql(self, statement: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement on the lane's own connection, made anew after a stop of the database."""
        if self._connection is None or self._connection.closed:
            self._connection = Settings.from_environment(self.environment).warehouse.connect()
            self._connection.autocommit = True
            self._connection.execute("set lock_timeout = '1s'")
        cursor = self._connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """End the runner and the connection."""
        self.nursery.close()
        self.drop_connection()

    def drop_connection(self) -> None:
        """Forget the connection; the next statement makes a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def make_world() -> World:
    """A world in which the first Facebook page has four pages of posts."""
    return build_world(seed=7, anchor=ANCHOR, scale=SCALE)


@contextmanager
def simulated(world: World) -> Iterator[Simulator]:
    """The platforms, with allowances that thousands of runs do not use up."""
    limits = Limits(meta_account_day=10**9, meta_app=Rolling(calls=10**9, seconds=3600))
    with Simulator(world, now=ANCHOR, limits=limits) as running:
        yield running


def make_lane(
    server: postgres.Server, simulator: Simulator, name: str, loader: str = "extract", target: Target = POSTS
) -> Lane:
    """A lane with a new, migrated database that knows the world's accounts."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0 encoding 'UTF8'")
    environment = {**server.environment(name), **simulator.environment(), "PIPELINE_NOW": ANCHOR.isoformat()}
    settings = Settings.from_environment(environment)
    migrate(settings)
    accounts = server.home / f"{name}.yml"
    accounts.write_text(simulator.world.accounts_yaml())
    load(settings, accounts)
    return Lane(environment, the_account(simulator.world, target.platform), loader, target).prepare()


def the_account(world: World, platform: str) -> dict[str, Any]:
    """The account of a platform that every case reads: the first."""
    chosen = next(each for each in world.accounts if each.platform == platform)
    return {"business_id": chosen.business_id, "platform": platform, "account_id": chosen.account_id}


def kill_at(lane: Lane, number: int) -> Verdict:
    """Die at a failpoint, then finish."""
    lane.reset()
    ended = lane.run(kill_at=number)
    assert ended.signal == signal.SIGKILL, (number, lane.points[number - 1], ended)
    return lane.finish()


def kill_at_random(lane: Lane, chance: random.Random) -> tuple[int, Verdict]:
    """Kill attempt after attempt at random times until one ends by itself; return how many died."""
    lane.reset()
    killed = 0
    while True:
        lane.sql(EXPIRE)
        ended = lane.run(signal=int(signal.SIGKILL), signal_after=chance.uniform(0, 1.1 * lane.seconds))
        if ended.signal == 0:
            assert ended.is_complete, ended
            return killed, lane.verdict()
        killed += 1


def stop_database(lane: Lane, directory: Path, server: postgres.Server, chance: random.Random) -> tuple[Ended, Verdict]:
    """Stop the server without a checkpoint in the middle of a run, start it again, then finish."""
    lane.reset()
    lane.nursery.start(lane.command())
    time.sleep(chance.uniform(0, lane.seconds))
    postgres.stop(directory, mode="immediate")
    ended = lane.nursery.wait()
    assert ended is not None
    lane.drop_connection()
    postgres.start(directory, port=server.port)
    if ended.is_complete:
        return ended, lane.verdict()
    return ended, lane.finish()


def stop_database_at(lane: Lane, directory: Path, server: postgres.Server, number: int) -> tuple[Ended, Verdict]:
    """Stop the server without a checkpoint while a run is frozen at a failpoint; start it, wake the run, finish."""
    lane.reset()
    lane.nursery.start(lane.command(stop_at=[number]))
    assert lane.nursery.wait() is None
    postgres.stop(directory, mode="immediate")
    lane.drop_connection()
    postgres.start(directory, port=server.port)
    lane.nursery.go_on()
    ended = lane.nursery.wait()
    assert ended is not None
    return ended, lane.finish()


@dataclass(frozen=True, slots=True, kw_only=True)
class Zombie:
    """What became of a stopped process and its successor."""

    successor: Ended
    zombie: Ended
    verdict: Verdict


def zombie(lane: Lane, other: Nursery, number: int, *, patience: float = 10.0) -> Zombie:
    """Freeze a run at a failpoint, let another process take over, wake the first.

    It is first frozen at its first failpoint behind the opening: its lease is expired there, since a lock may be held
    where it is frozen next. A successor that waits for such a lock is killed after `patience` seconds.
    """
    lane.reset()
    opening = lane.opening
    lane.nursery.start(lane.command(stop_at=[opening, number]))
    assert lane.nursery.wait() is None
    lane.sql(EXPIRE)
    if number > opening:
        lane.nursery.go_on()
        assert lane.nursery.wait() is None
        try:
            lane.sql(EXPIRE)
        except psycopg.errors.LockNotAvailable:
            lane.drop_connection()
    other.start(lane.command(signal=int(signal.SIGKILL), signal_after=patience))
    successor = other.wait()
    lane.nursery.go_on()
    ended = lane.nursery.wait()
    assert successor is not None
    assert ended is not None
    verdict = lane.verdict() if successor.is_complete else lane.finish()
    return Zombie(successor=successor, zombie=ended, verdict=verdict)


def together(lane: Lane, other: Nursery) -> tuple[list[Ended], Verdict]:
    """Two processes read the same account at once; the second may be refused, or come after the first."""
    lane.reset()
    lane.nursery.start(lane.command())
    other.start(lane.command())
    ended = [lane.nursery.wait(), other.wait()]
    return [each for each in ended if each is not None], lane.verdict()
