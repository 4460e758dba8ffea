"""Hand-made raw rows, and dbt run as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from extractors.settings import Settings
from tests.warehouse import watched, world
from tests.warehouse.landing import AS_OF

PROJECT = Path(__file__).parents[2] / "dbt_project"
DBT = Path(sys.executable).parent / "dbt"

Environment = dict[str, str]
Dbt = Callable[..., subprocess.CompletedProcess[str]]


def connect(environment: Mapping[str, str]) -> psycopg.Connection[Any]:
    """Open a connection that commits by itself."""
    connection = Settings.from_environment(environment).warehouse.connect()
    connection.autocommit = True
    return connection


def read(environment: Mapping[str, str], query: str, *parameters: object) -> list[dict[str, Any]]:
    """Return the rows of a query as dictionaries."""
    with connect(environment) as connection:
        cursor = connection.execute(query.encode(), parameters or None)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Run a dbt command on a warehouse; the result holds what it printed."""
    target = tmp_path_factory.mktemp("dbt")

    def run(
        environment: Environment, *command: str, project: Path = PROJECT, ok: bool = True, now: str = AS_OF.isoformat()
    ) -> subprocess.CompletedProcess[str]:
        arguments = [str(DBT), *command, "--project-dir", str(project), "--profiles-dir", str(project)]
        done = subprocess.run(
            arguments,
            env={
                **os.environ,
                **environment,
                "PIPELINE_NOW": now,
                "DBT_TARGET_PATH": str(target / project.parent.name),
                "DBT_LOG_PATH": str(target / "logs"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def built(new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt) -> Environment:
    """A published warehouse of the hand-made world; tests that change it take a copy."""
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        world.land_all(connection)
    dbt(environment, "build")
    return environment


@pytest.fixture(scope="session")
def publication(built: Environment, dbt: Dbt) -> str:
    """The SQL of one whole publication, as dbt would run it; the databases of the copies are named alike inside it."""
    text = dbt(built, "run-operation", "show_publication").stdout
    return text[text.index("rollback;") :].replace(f'"{built["PGDATABASE"]}".', "")


@pytest.fixture
def copy(new_database: Callable[[str], Environment], built: Environment) -> Environment:
    """A copy of the published warehouse."""
    return new_database(built["PGDATABASE"])


@pytest.fixture
def reader(built: Environment) -> Callable[..., list[dict[str, Any]]]:
    """Query the published warehouse."""

    def query(statement: str, *parameters: Sequence[object]) -> list[dict[str, Any]]:
        return read(built, statement, *parameters)

    return query


@pytest.fixture(scope="session")
def history(new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt) -> Environment:
    """A published warehouse of posts that were watched for two months."""
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        watched.land_all(connection)
    dbt(environment, "build", "--exclude-resource-type", "unit_test")
    return environment


@pytest.fixture
def watching(history: Environment) -> Callable[..., list[dict[str, Any]]]:
    """Query that warehouse."""
    return lambda statement: read(history, statement)
