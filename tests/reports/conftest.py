"""A warehouse with one hand-made mart and two businesses, for the reports alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import pytest

from extractors.settings import Settings

ROOT = Path(__file__).parents[2]
NOW = "2026-11-18T08:00:00+00:00"
MART = """
create schema marts;
create schema publish;
create table publish.publications (mart_name text primary key, as_of timestamptz);
insert into publish.publications values ('analytics_summaries', '2026-11-17 23:30:00+00');
create table marts.analytics_summaries (
    business_id bigint, platform text, period text, period_start date, posts bigint, impressions numeric, likes numeric,
    comments numeric, shares numeric, clicks numeric, engagement numeric, rated_engagement numeric,
    rated_impressions numeric, engagement_rate numeric, avg_engagement_per_post numeric, followers_count numeric,
    is_partial boolean
);
insert into ops.businesses (business_id, name, timezone)
values (1, 'Acme', 'Europe/Berlin'), (2, 'Globex', 'Pacific/Kiritimati');
insert into marts.analytics_summaries values
    (1, 'all', 'week', '2026-11-09', 5, 900, 40, 5, 6, null, 51, 51, 900, 5.6666666666666667, 10.2, 1500, false),
    (1, 'twitter', 'week', '2026-11-09', 3, 600, 30, 0, 6, null, 36, 36, 600, 6.0, 12, 1000, false),
    (1, 'linkedin', 'week', '2026-11-09', 2, 300, -10, 5, null, 7, 15, 15, 300, 5.0, 7.5, 500, false),
    (1, 'twitter', 'week', '2026-11-16', 1, 10, 1, 0, 0, 0, 1, 1, 10, 10, 1, 1000, true),
    (1, 'twitter', 'month', '2026-11-01', 3, 600, 30, 0, 6, 9, 36, 36, 600, 6.0, 12, 1000, true),
    (2, 'twitter', 'week', '2026-11-09', 9, 9, 9, 9, 9, 9, 27, 27, 9, 300, 3, 9, false);
"""

Environment = dict[str, str]
Reports = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mart(warehouse: Environment) -> Environment:
    """libpq's variables of a warehouse that holds the mart."""
    execute(warehouse, MART)
    return {**warehouse, "PIPELINE_NOW": NOW}


def execute(environment: Mapping[str, str], statements: str) -> None:
    """Run statements and commit."""
    with Settings.from_environment(environment).warehouse.connect() as connection:
        connection.execute(statements.encode())


def connect(environment: Mapping[str, str]) -> psycopg.Connection:
    """Open a connection that commits by itself."""
    connection = Settings.from_environment(environment).warehouse.connect()
    connection.autocommit = True
    return connection


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    """Run `python -m reports` as users run it, in an empty folder."""

    def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            [sys.executable, "-m", "reports", *arguments],
            env={**kept, "PYTHONPATH": str(ROOT), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
