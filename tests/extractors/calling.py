"""Eight processes with wrong clocks that call a simulated platform as often as they may, and what it counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from extractors.spec import Budget
from simulator.server import Simulator

PROCESSES = 8

# Every module's idea of the present is wrong by the same minutes; the monotonic clock cannot be set on any machine.
CALLER = """
import json, sys, time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

asked = json.loads(sys.argv[1])
right = time.time

class Skewed(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(right(), tz) + timedelta(seconds=asked["skew"])

time.time = lambda: right() + asked["skew"]

from extractors.http import Client
from extractors.limiter import Limiter
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Budget, Scope

for module in [each for name, each in sys.modules.items() if name.startswith("extractors")]:
    if getattr(module, "datetime", None) is datetime:
        module.datetime = Skewed

budget = Budget(**asked["budget"])
platform = replace(PLATFORMS[asked["platform"]], budgets=lambda account, read: (budget,))
account = Account(
    business_id=1, platform=platform.key, account_id=asked["account"], credential="shared", timezone="UTC"
)
settings = Settings.from_environment()
connection = settings.warehouse.connect()
connection.autocommit = True
client = Client(platform, account, asked["url"], asked["token"], Limiter(connection))
ids = tuple(str(number) for number in range(asked["parts"]))
read = platform.lookup if ids else platform.stream("profile").reads[0]
believed = sys.modules["extractors.limiter"].datetime.now(UTC)
scope = Scope(account=account, now=believed, ids=ids)
print(abs(believed.timestamp() - right() - asked["skew"]) < 5 and "ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + asked["running"]
while time.monotonic() < end:
    client.call(read, scope, {**read.params(scope), "caller": str(asked["number"])})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Whom the processes call, and under which budget of ours; `parts`: of how many parts each process's calls are."""

    simulator: Simulator
    platform: str
    budget: Budget
    parts: Sequence[int] = (0,) * PROCESSES

    def arguments(self, number: int, running: float) -> str:
        """What one process is told."""
        world = self.simulator.world
        account = next(each for each in world.accounts if each.platform == self.platform)
        credential = world.credentials[account.credential]
        token = credential.page_tokens.get(account.account_id, credential.token)
        budget = {name: getattr(self.budget, name) for name in ("key", "calls", "seconds", "scope")}
        told = {"number": number, "platform": self.platform, "account": account.account_id, "token": token}
        told |= {"url": self.simulator.base_urls[self.platform], "budget": budget, "running": running}
        return json.dumps(told | {"skew": skew(number), "parts": self.parts[number]})


def skew(number: int) -> int:
    """Seconds by which a process's clock is wrong: from ten minutes behind to ten minutes ahead."""
    return round((number / (PROCESSES - 1) - 0.5) * 1200)


@contextmanager
def callers(warehouse: Mapping[str, str], whom: Platform, running: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the processes together once all are ready; whoever is left at the end is killed."""
    made = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, whom.arguments(number, running)],
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


def endings(processes: Sequence[subprocess.Popen[str]], seconds: float) -> list[int | None]:
    """Wait for the processes, so long in all, and return their exit codes; None for one that is still at it."""
    ends = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, ends - time.monotonic()))
    return [process.poll() for process in processes]


@dataclass(frozen=True, slots=True)
class Counted:
    """One call in the simulator's ledger: when by its clock, from which process, what it cost, and if too much."""

    at: float
    who: str
    cost: int
    is_over: bool


def counted(simulator: Simulator, budget: str) -> list[Counted]:
    """The calls that a budget of the platform was charged for, in order."""
    found = [
        Counted(charge.instant, call.query["caller"], charge.calls, charge.is_over)
        for call in simulator.calls
        for charge in call.charges
        if budget in charge.budget
    ]
    return sorted(found, key=lambda each: each.at)


def worst(calls: Sequence[Counted], seconds: float) -> int:
    """The most that was charged within any window of this length, wherever it begins."""
    first = held = most = 0
    for call in calls:
        held += call.cost
        while calls[first].at <= call.at - seconds:
            held -= calls[first].cost
            first += 1
        most = max(most, held)
    return most


def between(calls: Sequence[Counted], since: float, until: float) -> Counter[str]:
    """What was charged per process in a span."""
    found: Counter[str] = Counter()
    for call in calls:
        if since <= call.at < until:
            found[call.who] += call.cost
    return found
