"""dbt build from raw to published marts, per 100,000 posts, beside one plain pass over the same JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.measure import Figure, Stopwatch, timed
from expectations.gate import validate_pending
from extractors import accounts
from extractors.extract import due_accounts, extract_account
from extractors.migrate import migrate
from extractors.registry import PLATFORMS, streams
from extractors.settings import Settings
from local import postgres
from simulator.server import Simulator
from simulator.world import build_world

ROOT = Path(__file__).resolve().parent.parent
ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)

COPY_LEDGER = """
insert into ops.businesses select business_id + %(shift)s, name, timezone from ops.businesses where business_id < 1000;
insert into ops.accounts (business_id, platform, account_id, credential)
select business_id + %(shift)s, platform, account_id, credential from ops.accounts where business_id < 1000;
insert into ops.extract_runs (
    run_id, business_id, platform, account_id, stream, state, gate, as_of, window_since, window_until, lease_expires_at,
    pages, calls, listed, stored, unchanged, started_at, finished_at
)
select
    md5(run_id::text || %(shift)s)::uuid, business_id + %(shift)s, platform, account_id, stream, state, gate, as_of,
    window_since, window_until, lease_expires_at, pages, calls, listed, stored, unchanged, started_at, finished_at
from ops.extract_runs where business_id < 1000;
"""
COPY_ROWS = """
insert into raw.{table} (run_id, business_id, account_id, record_key, observed_at, payload_hash, payload)
select md5(run_id::text || %(shift)s)::uuid, business_id + %(shift)s, account_id, record_key, observed_at, payload_hash,
    payload
from raw.{table} where business_id < 1000
"""
# What no build can beat: reading every payload once and taking one number out of it.
READ_ALL = "select count(payload ->> 'id'), count(payload #>> '{{public_metrics,like_count}}') from raw.{table}"


def measure(server: postgres.Server, posts: int) -> list[Figure]:
    """Return the seconds of a first build, of one after a day without news, and of one pass over the JSON."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("create database transform_bench")
    world = build_world(seed=7, anchor=ANCHOR)
    with Simulator(world, now=ANCHOR) as simulator, TemporaryDirectory() as directory:
        environment = {**server.environment("transform_bench"), **simulator.environment(), **world.environment()}
        environment |= {"PIPELINE_NOW": ANCHOR.isoformat(), "DBT_TARGET_PATH": directory}
        settings = Settings.from_environment(environment)
        one_world = extract_world(settings, world.accounts_yaml(), Path(directory) / "accounts.yml")
        total = _multiply(settings, round(posts / one_world), one_world)
        one_pass = _timed(lambda: _one_pass(settings))
        first = _timed(lambda: _build(environment))
        later = environment | {"PIPELINE_NOW": (ANCHOR + timedelta(hours=1)).isoformat()}
        quiet = _timed(lambda: _build(later))
    per = 100_000 / total
    limit = "one pass over the JSON"
    return [
        Figure(what=f"{limit}, {total:,} posts", value=one_pass.seconds * per, unit="s per 100,000 posts"),
        _figure("dbt build, everything new", first.seconds * per, one_pass.seconds * per, limit),
        _figure("dbt build, nothing new", quiet.seconds * per, first.seconds * per, "everything new"),
    ]


def _figure(what: str, seconds: float, other: float, against: str) -> Figure:
    return Figure(what=what, value=seconds, unit="s per 100,000 posts", ratio=seconds / other, against=against)


def _timed(action: Callable[[], None]) -> Stopwatch:
    with timed() as watch:
        action()
    return watch


def extract_world(settings: Settings, accounts_yaml: str, path: Path) -> int:
    """Read one world; return how many posts are in raw."""
    migrate(settings)
    path.write_text(accounts_yaml)
    accounts.load(settings, path)
    for platform in PLATFORMS:
        for account in due_accounts(settings, platform):
            extract_account(settings, account)
    validate_pending(settings)
    tables = [platform.stream("posts").full_name for platform in PLATFORMS.values()]
    counted = " union all ".join(f"select count(*) as posts from raw.{table}" for table in tables)
    with settings.warehouse.connect() as connection:
        row = connection.execute(f"select sum(posts)::int from ({counted}) as tables").fetchone()
    return int(row[0]) if row else 0


def _multiply(settings: Settings, times: int, one_world: int) -> int:
    """Give the same world to as many more businesses; return how many posts are in raw then."""
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        for number in range(1, times):
            shift = 1000 * number
            for statement in filter(str.strip, COPY_LEDGER.split(";")):
                connection.execute(statement, {"shift": shift})
            for stream in streams():
                connection.execute(COPY_ROWS.format(table=stream.full_name), {"shift": shift})
        connection.execute("vacuum analyze")
    return one_world * max(times, 1)


def _one_pass(settings: Settings) -> None:
    with settings.warehouse.connect() as connection:
        for stream in streams():
            connection.execute(READ_ALL.format(table=stream.full_name))


def _build(environment: dict[str, str]) -> None:
    program = str(Path(sys.executable).with_name("dbt"))
    where = ["--project-dir", "dbt_project", "--profiles-dir", "dbt_project"]
    subprocess.run([program, "build", *where], cwd=ROOT, env={**os.environ, **environment}, check=True)
