"""Workers whose clocks are ten minutes wrong, either way: windows and instants are the warehouse's all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_ledger_explains, assert_no_secret, tokens

Connection = psycopg.Connection[Any]

# Every module of ours believes in a wrong clock, as on a machine that is set wrong.
WORKER = """
import sys, time
from datetime import UTC, datetime, timedelta

right, wrong = time.time, timedelta(seconds=float(sys.argv[1]))

class Skewed(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(right(), tz) + wrong

import extractors.crew, extractors.extract, extractors.plan
from extractors.extract import due_accounts, extract_account
from extractors.settings import Settings

time.time = lambda: right() + wrong.total_seconds()
for module in [each for name, each in sys.modules.items() if name.startswith("extractors")]:
    if getattr(module, "datetime", None) is datetime:
        module.datetime = Skewed

settings = Settings.from_environment()
account = due_accounts(settings, "linkedin")[0]
assert [r.error for r in extract_account(settings, account, streams=["profile", "account_daily"])] == [None, None]
assert settings.now == settings.now
print(settings.now.isoformat(), extractors.settings.datetime.now(UTC).isoformat())
"""


@pytest.mark.fault("B17")
@pytest.mark.parametrize("wrong", [-600, 600])
def test_what_a_run_is_about_is_decided_by_the_warehouses_clock(
    environment: dict[str, str], connection: Connection, simulator: Simulator, world: World, wrong: int
):
    env = {name: value for name, value in environment.items() if name != "PIPELINE_NOW"}
    told = subprocess.run(
        [sys.executable, "-c", WORKER, str(wrong)],
        env={**os.environ, **env, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    decided, believed = told.stdout.split()
    runs = connection.execute(
        """
        select
            extract(epoch from as_of - started_at)::float8, extract(epoch from window_until - started_at)::float8,
            extract(epoch from %s::timestamptz - started_at)::float8,
            extract(epoch from %s::timestamptz - started_at)::float8
        from ops.extract_runs
        """,
        (decided, believed),
    ).fetchall()
    assert len(runs) == 2
    for as_of, until, frozen, skewed in runs:
        assert abs(as_of) < 120
        assert abs(until) < 120
        assert abs(frozen) < 120
        assert abs(skewed - wrong) < 120, "the worker really was wrong"
    seen = connection.execute(
        "select max(abs(extract(epoch from observed_at - clock_timestamp()))) < 120 from raw.linkedin__profile"
    ).fetchone()
    assert seen == (True,)
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator), told.stdout, told.stderr)
