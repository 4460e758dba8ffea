"""The words at the end of a demo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from extractors import accounts
from extractors.settings import Settings
from local import summary
from local.layout import PROJECT, Layout, relative
from local.postgres import Server
from local.summary import Story, days_asked

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.unit
def test_the_first_run_asks_for_the_history_and_later_ones_for_what_platforms_restate() -> None:
    first, later = days_asked(Story(NOW, None)), days_asked(Story(NOW, 0))
    assert all(first[name] >= later[name] for name in first)
    assert first["instagram_totals"] == first["instagram_follows"] + 1
    assert days_asked(Story(NOW, 2))["instagram_totals"] == later["instagram_totals"] + 2


@pytest.mark.unit
def test_paths_are_shown_as_a_reader_in_the_project_types_them() -> None:
    assert relative(PROJECT / ".local" / "exports") == ".local/exports"
    assert relative(Path("/elsewhere/exports")) == "/elsewhere/exports"


@pytest.mark.unit
def test_a_post_cannot_command_the_terminal() -> None:
    assert summary.one_line("\x1b[2Jhello\r\n  wörld 🎉\x00") == "[2Jhello wörld 🎉"
    assert summary.one_line("x" * 200).endswith("...")
    assert summary.one_line(None) == ""


def test_the_story_begins_with_the_last_read(
    server: Server, warehouse: Mapping[str, str], connection: psycopg.Connection, tmp_path: Path
) -> None:
    settings = Settings.from_environment(warehouse)
    database = warehouse["PGDATABASE"]
    assert summary.before(server, NOW, database).days_since is None
    path = tmp_path / "accounts.yml"
    path.write_text(ACCOUNTS)
    accounts.load(settings, path)
    connection.execute(READ_ONCE, {"at": NOW - timedelta(days=3)})
    assert summary.before(server, NOW, database).days_since == 3


def test_rows_of_bookkeeping_are_no_data(connection: psycopg.Connection) -> None:
    connection.execute(
        "create schema core; create table core.loaded_runs as select generate_series(1, 82);"
        " create table core.fct_posts as select generate_series(1, 5)"
    )
    lines = list(summary._layers(connection, Story(NOW, None)))
    assert [line.split() for line in lines if "core" in line] == [["core", "5", "rows", "in", "1", "tables"]]


ACCOUNTS = """
businesses:
  - business_id: 1
    name: Acme
    timezone: Europe/Berlin
    accounts:
      - {platform: facebook, account_id: "1", credential: meta_acme}
"""
READ_ONCE = """
with run as (
    insert into ops.extract_runs (
        run_id, business_id, platform, account_id, stream, state, gate, as_of, window_until, lease_expires_at,
        finished_at
    )
    values (
        gen_random_uuid(), 1, 'facebook', '1', 'facebook__account_daily', 'complete', 'passed', %(at)s, %(at)s, now(),
        now()
    )
    returning run_id
)
insert into ops.cursors (business_id, platform, account_id, stream, watermark, run_id)
select 1, 'facebook', '1', 'facebook__account_daily', %(at)s, run_id from run
"""


@pytest.mark.unit
def test_a_missing_report_folder_is_an_empty_list(tmp_path: Path) -> None:
    assert summary.files(Layout(tmp_path)) == []
