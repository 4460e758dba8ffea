"""What does not grow: memory with accounts and posts, and the time of `status` with the length of the history."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from extractors import status
from tests import crowd
from tests.crowd import Crowd

ROOT = Path(__file__).resolve().parents[2]
Connection = psycopg.Connection[Any]

PEAK = """
    import sys
    from pathlib import Path
    from extractors.crew import Crew
    from extractors.extract import Asked
    from extractors.settings import Settings

    numbers = range(1001, 1001 + int(sys.argv[1]))
    accounts = [{"business_id": 1, "platform": "twitter", "account_id": str(number)} for number in numbers]
    crew = Crew(settings=Settings.from_environment(), asked=Asked())
    errors = [str(error) for done in crew.read(accounts) for error in done.errors]
    assert not errors, errors
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    print(int(peak.split()[1]) / 1024)
"""


@pytest.fixture
def peak(new_database: Callable[[str], dict[str, str]], migrated_template: str) -> Callable[[int, int], float]:
    """Read so many accounts with so many posts each in a process of its own; return its peak memory in MiB."""

    def measure(accounts: int, posts: int) -> float:
        warehouse = new_database(migrated_template)
        with crowd.serving(Crowd(posts=posts, page=500)) as running:
            variables = crowd.environment(running, warehouse, credentials=accounts)
            with psycopg.connect(**_login(warehouse), autocommit=True) as connection:
                crowd.load(connection, accounts)
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(PEAK), str(accounts)],
                capture_output=True, text=True, check=False,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
            )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return float(done.stdout)

    return measure


def _login(warehouse: dict[str, str]) -> dict[str, str]:
    return {
        "host": warehouse["PGHOST"], "port": warehouse["PGPORT"], "user": warehouse["PGUSER"],
        "password": warehouse["PGPASSWORD"], "dbname": warehouse["PGDATABASE"],
    }  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_grows_neither_with_accounts_nor_with_posts(peak: Callable[[int, int], float]):
    ten, two_hundred = peak(10, 5), peak(200, 5)
    few, many = peak(1, 2_000), peak(1, 20_000)
    print(f"peak MiB: 10 accounts {ten:.0f}, 200 accounts {two_hundred:.0f}, 2k posts {few:.0f}, 20k posts {many:.0f}")
    assert two_hundred < ten + 15
    assert many < few + 10


HISTORY = """
insert into ops.extract_runs (
    run_id, business_id, platform, account_id, stream, state, gate, as_of, window_until, lease_expires_at,
    started_at, finished_at, warnings
)
select
    gen_random_uuid(), 1, 'twitter', (1000 + n)::text, stream, 'complete', 'passed', now(), now(), now(),
    now() - make_interval(days => age), now() - make_interval(days => age),
    case when n = 1 and age = 0 then array['X no longer tells quotes'] else '{}' end
from generate_series(1, %s) as n
cross join unnest(array['twitter__profile', 'twitter__posts', 'twitter__post_metrics', 'twitter__comments']) as stream
cross join generate_series(0, %s) as age
"""


def test_status_is_quick_with_ten_thousand_accounts_and_shows_warnings(connection: Connection):
    crowd.load(connection, 10_000, credentials=100)
    connection.execute(HISTORY, (10_000, 2))
    connection.execute("analyze ops.extract_runs")
    began = monotonic()
    lines = status.latest(connection, None, None)
    took = monotonic() - began
    print(f"status of {len(lines)} streams: {took:.1f} s")
    assert len(lines) >= 10_000 * 2
    assert took < 10
    shown = status.report([line for line in lines if line.todo or line.warnings], of=len(lines))
    assert "twitter__posts, twitter account 1001 of business 1: X no longer tells quotes" in shown
