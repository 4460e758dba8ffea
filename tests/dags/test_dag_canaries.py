"""Airflow's own sinks: task logs, XCom, rendered templates, everything in its metadata, and what the DAGs write."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractors import accounts
from extractors.registry import PLATFORMS
from extractors.sealing import new_key
from extractors.settings import Settings
from local import environment
from simulator.server import Simulator
from simulator.world import build_world
from tests.aftermath import assert_no_exposed_address, assert_no_secret
from tests.canaries import found_in_files, found_in_texts, planted

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


OTHERS = ("transform", "report_weekly_overview", "maintenance")
#: Calls that read, not those that refresh: a quoted token spoils one account, and none that is in trouble already.
READS = {"linkedin": "/rest/", "twitter": "/2/users", "facebook": "/", "instagram": "/"}
#: What expired, revoked and quoted tokens make red: the extraction, a verdict on each account, the look at the tokens.
IN_TROUBLE = {
    "extract_linkedin": {"extract[0]": "failed", "verdict[0]": "failed"},
    "extract_twitter": {"extract[0]": "failed", "verdict[0]": "failed", "verdict[1]": "failed"},
    "extract_facebook": {"extract[0]": "failed", "verdict[0]": "failed"},
    "extract_instagram": {"extract[0]": "failed", "verdict[0]": "failed"},
    "maintenance": {"token_expiry": "failed"},
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(build_world(seed=77, anchor=NOW, scale=0.01), now=NOW, expiring=True) as running:
        yield running


@pytest.fixture
def variables(
    simulator: Simulator, warehouse: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of the local stack, its accounts loaded."""
    found = {
        **warehouse, **simulator.environment(), "CREDENTIALS_KEY": new_key(),
        "AIRFLOW_CONN_WAREHOUSE": environment.connection(warehouse), "PIPELINE_NOW": NOW.isoformat(),
        "EXPORTS_DIR": str(tmp_path / "exports"), "DATA_DOCS_DIR": str(tmp_path / "docs"),
        "DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs"),
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "accounts.yml"
    path.write_text(simulator.world.accounts_yaml())
    accounts.load(Settings.from_environment(), path)
    return found


@pytest.mark.slow
@pytest.mark.fault("G01", "D13")
def test_no_canary_is_in_anything_airflow_or_the_dags_wrote(
    migrated_bag: DagBag, simulator: Simulator, variables: dict[str, str], tmp_path: Path,
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    for name in ("twitter_nordlicht", "twitter_hudson", "linkedin_nordlicht", "linkedin_hudson"):
        simulator.vault.set_state(name, "expired")
    simulator.vault.set_state("twitter_himal", "revoked")
    for platform in PLATFORMS:
        simulator.faults.add("token_quoted", platform=platform, after=4, path_contains=READS[platform])
    capfd.readouterr()
    ended, logs = {}, {}
    for dag_id in (*(f"extract_{platform}" for platform in PLATFORMS), *OTHERS):
        ended[dag_id] = not_succeeded(migrated_bag.dags[dag_id].test())
        logs[dag_id] = "".join(capfd.readouterr())
    assert ended == {**IN_TROUBLE, "transform": {}, "report_weekly_overview": {}}, (
        "this trouble was meant, and no other"
    )
    # `dag.test` sends what a worker writes to the task's log file to the output: it is there, and says what broke.
    assert [dag_id for dag_id, log in logs.items() if "Task started" not in log] == []
    assert {dag_id for dag_id, log in logs.items() if "Task failed with exception" in log} == set(IN_TROUBLE)
    assert [platform for platform in PLATFORMS if "accounts not read: " not in logs[f"extract_{platform}"]] == []
    assert "twitter_himal" in logs["extract_twitter"], "the log says whose token it was"
    canaries = planted(simulator, variables)
    assert len(canaries) >= 30
    home = Path(os.environ["AIRFLOW_HOME"])
    assert found_in_texts(canaries, **logs, logging=caplog.text or "-") == []
    assert found_in_files(canaries, home) == []
    assert found_in_files(canaries, *(tmp_path / name for name in ("exports", "docs", "target", "logs"))) == []
    assert_no_secret(variables, canaries)
    assert_no_exposed_address(simulator)
    planted_one = sorted(canaries)[0]
    assert found_in_texts(canaries, **logs | {"transform": logs["transform"] + planted_one}) == ["transform"]
    plant_in_the_metadata(home, planted_one)
    assert found_in_files(canaries, home) != []


def not_succeeded(run: Any) -> dict[str, str]:
    """Every task of a run that did not end well, and how it ended."""
    states = {
        f"{each.task_id}[{each.map_index}]" if each.map_index >= 0 else each.task_id: str(each.state)
        for each in run.get_task_instances()
    }
    return {task: state for task, state in states.items() if state not in ("success", "skipped")}


def plant_in_the_metadata(home: Path, canary: str) -> None:
    """What an XCom with a token would look like."""
    with sqlite3.connect(home / "airflow.db") as metadata:
        metadata.execute("create table planted (value text)")
        metadata.execute("insert into planted values (?)", (canary,))
    metadata.close()


@pytest.mark.fault("B04")
def test_the_daily_maintenance_is_red_on_the_day_a_token_comes_nearer_to_its_end_and_says_which(
    migrated_bag: DagBag, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert str(migrated_bag.dags["maintenance"].test().state) == "success"
    connection = json.loads(variables["AIRFLOW_CONN_META_HUDSON"])
    ends = datetime.now(UTC) + timedelta(days=6, hours=1)
    connection["extra"] = {"expires_at": ends.isoformat()}
    monkeypatch.setenv("AIRFLOW_CONN_META_HUDSON", json.dumps(connection))
    capfd.readouterr()
    assert str(migrated_bag.dags["maintenance"].test().state) == "failed"
    said = "facebook and instagram credential meta_hudson: its token ends"
    assert said in "".join(capfd.readouterr())
    assert str(migrated_bag.dags["maintenance"].test().state) == "success", "told once"
