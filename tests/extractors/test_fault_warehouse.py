"""Faults of group C that need whole extractions: many writers at once, dead rows, a lost constraint."""

from __future__ import annotations

import pytest

from extractors.crew import Crew
from extractors.errors import WarehouseUnavailable
from extractors.extract import Asked, due_accounts
from extractors.settings import Settings
from tests.extractors.conftest import Survival

DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


@pytest.mark.fault("C06")
def test_all_accounts_at_once_meet_in_no_deadlock(survival: Survival):
    settings = Settings.from_environment(survival.environment)
    accounts = [each for platform in ("facebook", "instagram") for each in due_accounts(settings, platform)]
    for _ in range(3):
        crew = Crew(settings=settings, asked=Asked(streams=["profile", "posts"]), workers=16)
        assert not [error for each in crew.read(accounts) for error in each.errors]
    assert survival.connection.execute(DEADLOCKS).fetchone() == (0,)
    survival.equals("facebook", "posts", "profile")
    survival.equals("instagram", "posts", "profile")


@pytest.mark.fault("C19")
def test_runs_leave_no_dead_row_in_raw_and_no_temporary_file(survival: Survival):
    for _ in range(2):
        assert survival.read("twitter", streams=["posts"]) == []
    survival.connection.execute("select pg_stat_force_next_flush()")
    dead = "select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables where schemaname in ('raw', 'raw_months')"
    assert survival.connection.execute(dead).fetchone() == (0,)
    spilled = "select temp_files, temp_bytes from pg_stat_database where datname = current_database()"
    assert survival.connection.execute(spilled).fetchone() == (0, 0)
    survival.equals("twitter", "posts")


@pytest.mark.fault("C21")
def test_a_constraint_dropped_by_hand_stops_every_run_until_it_is_made_again(survival: Survival):
    dropped, name = "drop index ops.extract_runs_one_running", "extract_runs_one_running"
    row = survival.connection.execute("select pg_get_indexdef(%s::regclass)", (f"ops.{name}",)).fetchone()
    survival.connection.execute(dropped)
    with pytest.raises(WarehouseUnavailable, match=name):
        survival.read("twitter", streams=["posts"])
    assert row is not None
    survival.connection.execute(row[0])
    assert survival.read("twitter", streams=["posts"]) == []
    survival.equals("twitter", "posts")
