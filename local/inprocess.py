"""Airflow without its services, for tests that run real DAGs with `dag.test()` in their own process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local.layout import PROJECT
from local.services import AIRFLOW

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


def environment(home: Path) -> dict[str, str]:
    """Return what must be in the environment before Airflow is imported; its metadata is SQLite in `home`."""
    return {
        **AIRFLOW,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }


def dag_bag() -> DagBag:
    """Read the DAG files, as the DAG processor does; needs no database."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(PROJECT / "dags"))


def migrate() -> None:
    """Create Airflow's metadata and make the DAGs known in it, as `dag.test()` wants them."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]  # Airflow's own is untyped
    sync_bag_to_db(dag_bag(), "dags-folder", None)
