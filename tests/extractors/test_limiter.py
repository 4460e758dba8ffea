"""One budget, eight processes: the server counts, and nobody is over the limit, starved or called in vain."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from extractors.errors import PipelineError, RetryLater
from extractors.http import Client
from extractors.limiter import RETRY_FLOOR, Limiter
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Budget, Scope
from simulator.server import Simulator
from tests.extractors.conftest import ANCHOR

Connection = psycopg.Connection[Any]

PROCESSES = 8
LIMIT = Budget(key="shared", calls=120, seconds=2)
SECONDS = 8.0

# Each process has its own idea of the time, up to an hour wrong.
CALLER = """
import socket, sys, time
from datetime import datetime, timedelta
from extractors import limiter
from extractors.settings import Settings
from extractors.spec import Budget

number, port, calls, seconds, running, skew = sys.argv[1:]

class Skewed(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=float(skew))

limiter.datetime = Skewed
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.connect(("127.0.0.1", int(port)))
connection = Settings.from_environment().warehouse.connect()
connection.autocommit = True
mine = limiter.Limiter(connection)
budget = Budget(key="shared", calls=int(calls), seconds=int(seconds))
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + float(running)
while time.monotonic() < end:
    mine.reserve([budget])
    server.send(number.encode())
"""


@dataclass(slots=True)
class Counting:
    """A server that notes which process called, and when by its own clock."""

    port: int
    calls: list[tuple[float, str]] = field(default_factory=list)

    def worst(self, seconds: float) -> int:
        """The most calls within any window of this length."""
        instants = sorted(at for at, _ in self.calls)
        first = 0
        worst = 0
        for last, at in enumerate(instants):
            while instants[first] <= at - seconds:
                first += 1
            worst = max(worst, last - first + 1)
        return worst

    def between(self, since: float, until: float) -> Counter[str]:
        """Calls per process in a span."""
        return Counter(who for at, who in self.calls if since <= at < until)


@contextmanager
def counting() -> Iterator[Counting]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.2)
        server, stopped = Counting(listening.getsockname()[1]), threading.Event()

        def count() -> None:
            while not stopped.is_set():
                try:
                    who = listening.recv(64).decode()
                except TimeoutError:
                    continue
                server.calls.append((time.monotonic(), who))

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield server
        finally:
            stopped.set()
            thread.join()


def skew(number: int) -> int:
    """Seconds by which a process's clock is wrong."""
    return (number - 4) * 900


@contextmanager
def callers(
    warehouse: Mapping[str, str], port: int, budget: Budget, seconds: float
) -> Iterator[list[subprocess.Popen[str]]]:
    """Eight processes that call as often as they may, started together once all are ready."""
    made = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                CALLER,
                *map(str, (number, port, budget.calls, budget.seconds, seconds, skew(number))),
            ],
            env={**os.environ, **warehouse, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in made:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in made:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield made
    finally:
        for process in made:
            process.kill()
            process.communicate()


def test_eight_processes_use_the_allowance_share_it_evenly_and_never_exceed_it(
    warehouse: dict[str, str], connection: Connection, record_property: Callable[[str, object], None]
):
    with counting() as server, callers(warehouse, server.port, LIMIT, SECONDS) as processes:
        for process in processes:
            assert process.wait(SECONDS + 20) == 0
    start = min(at for at, _ in server.calls)
    steady = server.between(start + LIMIT.seconds, start + SECONDS - 0.5)
    used = steady.total() * LIMIT.interval / (SECONDS - 0.5 - LIMIT.seconds)
    first = server.between(start, start + LIMIT.seconds).total()
    grants = [steady[str(number)] for number in range(PROCESSES)]
    record_property("limiter", {"worst": server.worst(LIMIT.seconds), "first": first, "used": used, "grants": grants})
    assert server.worst(LIMIT.seconds) <= LIMIT.calls
    assert used >= 0.97
    assert first >= 0.97 * 0.95 * LIMIT.calls
    assert max(grants) - min(grants) <= max(1, 0.10 * max(grants))


def test_a_block_holds_for_all_processes_at_once_and_ends_without_a_flood(
    warehouse: dict[str, str], connection: Connection
):
    limiter = Limiter(connection)
    with counting() as server, callers(warehouse, server.port, LIMIT, 5.0):
        time.sleep(2.2)
        blocked = time.monotonic()
        limiter.observe([LIMIT], None, RetryLater("told to stop", datetime.now(UTC) + timedelta(seconds=1.5)))
        written = time.monotonic()
        time.sleep(2.0)
    during = server.between(written + 0.05, blocked + 1.5)
    after = server.between(blocked + 1.5, blocked + 2.0)
    assert during.total() == 0, during
    assert len(after) == PROCESSES, after
    assert server.worst(LIMIT.seconds) <= LIMIT.calls


def test_a_caller_that_dies_wastes_its_place_and_nothing_more(warehouse: dict[str, str], connection: Connection):
    budget = Budget(key="shared", calls=120, seconds=30)
    with counting() as server, callers(warehouse, server.port, budget, 30.0) as processes:
        time.sleep(2.0)
        for process in processes[:4]:
            process.kill()
            process.wait()
        died = time.monotonic()
        time.sleep(16 * budget.interval + 0.2)
    wasted = server.between(died, died + 8 * budget.interval).total()
    calm = server.between(died + 8 * budget.interval, died + 16 * budget.interval).total()
    assert wasted in (3, 4, 5), "eight places were promised, four of them to the dead"
    assert calm in (7, 8, 9)
    assert server.worst(budget.seconds) <= budget.calls


@pytest.fixture
def opened(warehouse: dict[str, str]) -> Iterator[Connection]:
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        connection.autocommit = True
        yield connection


def test_force_ignores_an_old_block_but_not_the_one_it_causes(opened: Connection):
    slept: list[float] = []
    ended = RetryLater("told to stop", datetime.now(UTC) + timedelta(seconds=100))
    Limiter(opened).observe([LIMIT], None, ended)
    forced = Limiter(opened, forced=True, sleep=slept.append)
    forced.reserve([LIMIT])
    assert slept == []
    forced.observe([LIMIT], None, RetryLater("told to stop", datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(RetryLater):
        forced.reserve([LIMIT])


def test_a_place_too_far_away_is_given_back(opened: Connection):
    slow = Budget(key="slow", calls=1, seconds=1000)
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    limiter.reserve([slow])
    promised = "select next_free_at from ops.rate_budgets where budget = 'slow'"
    before = opened.execute(promised).fetchone()
    for _ in range(3):
        with pytest.raises(RetryLater):
            limiter.reserve([slow])
    assert opened.execute(promised).fetchone() == before


def test_runs_share_one_retry_budget_that_time_and_calls_refill(opened: Connection):
    first, second = Limiter(opened), Limiter(opened)
    granted = [(first if turn % 2 else second).may_retry("linkedin", calls=0) for turn in range(RETRY_FLOOR + 4)]
    assert granted == [True] * RETRY_FLOOR + [False] * 4
    assert first.may_retry("facebook", calls=0)
    assert first.may_retry("linkedin", calls=20)
    assert not first.may_retry("linkedin", calls=10)
    opened.execute("update ops.rate_budgets set next_free_at = next_free_at - interval '72 minutes 1 second'")
    assert first.may_retry("linkedin", calls=0)


@pytest.mark.parametrize("faults", [["http_500"], ["http_503", "http_504", "transient_2"], ["rate_limited"]])
def test_an_hour_of_failures_costs_at_most_a_tenth_more_calls(
    simulator: Simulator, opened: Connection, faults: list[str], record_property: Callable[[str, object], None]
):
    def pass_time(seconds: float) -> None:
        opened.execute(
            "update ops.rate_budgets set next_free_at = next_free_at - make_interval(secs => %(s)s),"
            " blocked_until = blocked_until - make_interval(secs => %(s)s)",
            {"s": seconds},
        )

    for turn in range(1000):
        simulator.faults.add(faults[turn % len(faults)], platform="linkedin", times=1)
    read = PLATFORMS["linkedin"].stream("profile").reads[0]
    wanted = 0
    # Sixty runs, a minute apart; what they wait for limits comes on top.
    for minute in range(60):
        limiter = Limiter(opened, sleep=pass_time)
        account = Account(
            business_id=1, platform="linkedin", account_id=str(minute), credential=f"c{minute}", timezone="UTC"
        )
        client = Client(PLATFORMS["linkedin"], account, simulator.base_urls["linkedin"], "t", limiter)
        scope = Scope(account=account, now=ANCHOR)
        for _ in range(10):
            before = client.tally.calls
            with pytest.raises(PipelineError):
                client.call(read, scope, read.params(scope))
            wanted += client.tally.calls > before
        pass_time(60)
    assert wanted >= 60
    record_property("amplification", {"wanted": wanted, "made": len(simulator.calls)})
    assert len(simulator.calls) / wanted <= 1.10
