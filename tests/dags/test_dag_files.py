"""What the DAG files promise before anything runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from extractors.registry import PLATFORMS
from local import inprocess
from local.initialise import pools
from reports.catalog import REPORTS

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parents[2] / "dags"
FILES = sorted(DAGS.glob("*.py"))
WIRING = [DAGS / name for name in ("extract.py", "transform.py", "reports.py", "sync.py", "maintenance.py")]
EXPECTED = {f"extract_{each}" for each in PLATFORMS} | {f"report_{each}" for each in REPORTS}
EXPECTED |= {"transform", "sync", "maintenance"}


def test_every_dag_is_there_and_no_file_fails(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == EXPECTED


@pytest.mark.fault("D12")
def test_parsing_touches_neither_network_nor_database(tmp_path: Path) -> None:
    program = """
        import socket, sys

        def refuse(*_, **__):
            raise AssertionError("a DAG file opened a connection while it was parsed")

        socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
        import psycopg, psycopg2
        psycopg.connect = psycopg2.connect = refuse

        from local.inprocess import dag_bag
        bag = dag_bag()
        assert not bag.import_errors, bag.import_errors
        heavy = {"dbt", "great_expectations", "pandas"} & set(sys.modules)
        assert not heavy, f"imported while parsing: {heavy}"
    """
    unreachable = {**inprocess.environment(tmp_path), "PYTHONPATH": str(DAGS.parent), "PATH": os.environ["PATH"]}
    unreachable["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "postgresql+psycopg2://nobody:nothing@127.0.0.1:1/none"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=unreachable, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.unit
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_of_airflow_only_its_sdk_is_imported(path: Path) -> None:
    modules = {name for name in imported(path) if name.split(".")[0] == "airflow"}
    assert all(name.startswith("airflow.sdk") for name in modules)


@pytest.mark.unit
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_dag_file_speaks_http_or_sql(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & {"requests", "urllib", "http", "psycopg", "sqlalchemy"}
    assert not re.search(r"(?i)\bselect\b.+\bfrom\b|\binsert into\b|\bupdate \w+ set\b", path.read_text())


@pytest.mark.unit
@pytest.mark.parametrize("path", WIRING, ids=lambda path: path.name)
def test_a_dag_file_stays_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 70


def test_every_dag_says_what_red_means_and_what_to_try(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md is not None, dag.dag_id
        assert "Red means" in dag.doc_md, dag.dag_id
        assert "What to try" in dag.doc_md, dag.dag_id


def test_schedules_are_those_of_the_contract(bag: DagBag) -> None:
    crons = {dag_id: str(getattr(dag.timetable, "expression", "")) for dag_id, dag in bag.dags.items()}
    for platform in ("linkedin", "facebook", "instagram"):
        assert re.fullmatch(r"\d+ \d+ \* \* \*", crons[f"extract_{platform}"])
    assert re.fullmatch(r"\d+ \* \* \* \*", crons["extract_twitter"])
    assert {name: crons[f"report_{name}"] for name in REPORTS} == {name: each.cron for name, each in REPORTS.items()}
    assert bag.dags["sync"].schedule is None
    assert crons["maintenance"] == "0 6 * * *"
    watched = {asset.name for asset in bag.dags["transform"].schedule.objects}
    assert watched == {f"raw_{platform}" for platform in PLATFORMS}


def test_a_frozen_clock_has_no_schedules(airflow_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_NOW", "2026-11-21T08:00:00+00:00")
    scheduled = {dag_id for dag_id, dag in inprocess.dag_bag().dags.items() if dag.schedule is not None}
    assert scheduled == {"transform"}


def test_nothing_is_caught_up_and_runs_do_not_pile_up(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert not dag.catchup, dag.dag_id
        assert dag.dagrun_timeout is not None, dag.dag_id
        assert dag.max_active_runs <= 4, dag.dag_id
    assert bag.dags["transform"].max_active_runs == 1


@pytest.mark.fault("D10")
def test_each_platform_is_called_in_its_own_pool(bag: DagBag) -> None:
    used = {f"api_{each}": bag.dags[f"extract_{each}"].get_task("extract").pool for each in PLATFORMS}
    assert all(name == pool for name, pool in used.items())
    assert {name for name, _ in pools()} == set(used)
    assert bag.dags["sync"].get_task("twitter.extract").pool == "api_twitter"


def imported(path: Path) -> set[str]:
    """Return the absolute names of all modules a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found
