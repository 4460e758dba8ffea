"""Airflow's own sinks: task logs, XCom, rendered templates, everything in its metadata, and what the DAGs write."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

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
        simulator.faults.add("token_quoted", platform=platform, after=4)
    states = [str(migrated_bag.dags[f"extract_{platform}"].test().state) for platform in PLATFORMS]
    assert "failed" in states, "trouble was meant"
    for dag_id in ("transform", "report_weekly_overview"):
        assert str(migrated_bag.dags[dag_id].test().state) == "success"
    migrated_bag.dags["maintenance"].test()
    canaries = planted(simulator, variables)
    assert len(canaries) >= 30
    home = Path(os.environ["AIRFLOW_HOME"])
    output = capfd.readouterr()
    assert "twitter_himal" in output.out + output.err, "the output is searched, and it does say who"
    assert found_in_texts(canaries, out=output.out, err=output.err, logs=caplog.text or "-") == []
    assert found_in_files(canaries, home) == []
    assert found_in_files(canaries, *(tmp_path / name for name in ("exports", "docs", "target", "logs"))) == []
    assert_no_secret(variables, canaries)
    assert_no_exposed_address(simulator)
    plant_in_the_metadata(home, sorted(canaries)[0])
    assert found_in_files(canaries, home) != []


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
