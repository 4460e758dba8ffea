"""Airflow in this very process: its metadata in SQLite, its DAGs the real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from local import inprocess

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The environment Airflow reads when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
            patch.delenv(name)
        for name, value in inprocess.environment(tmp_path_factory.mktemp("airflow")).items():
            patch.setenv(name, value)
        patch.delenv("PIPELINE_NOW", raising=False)
        yield


@pytest.fixture(scope="session")
def bag(airflow_environment: None) -> DagBag:
    """The DAGs as the DAG processor reads them."""
    return inprocess.dag_bag()


@pytest.fixture(scope="session")
def migrated_bag(bag: DagBag) -> DagBag:
    """The DAGs, with Airflow's metadata ready for their runs."""
    inprocess.migrate()
    return bag
