"""The environment of every process of a local stack."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.layout import PROJECT, Keys, Layout
from local.postgres import Server
from local.services import AIRFLOW

# Of the caller's environment, nothing that would point our processes elsewhere.
FOREIGN = ("AIRFLOW", "CREDENTIALS_", "PG", "DBT_", "PIPELINE_", "GX_")


def inherited(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment without what configures us, with this Python's programs first on PATH."""
    source = os.environ if environment is None else environment
    kept = {
        name: value
        for name, value in source.items()
        if not name.startswith(FOREIGN) and not name.endswith("_BASE_URL") and name.lower() not in ("no_proxy",)
    }
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    kept["PYTHONPATH"] = f"{PROJECT}{os.pathsep}{PROJECT / 'local' / 'airflow_config'}"
    kept["PYTHONUNBUFFERED"] = "1"
    kept["NO_PROXY"] = kept["no_proxy"] = "127.0.0.1,localhost"
    return kept


def airflow(layout: Layout, server: Server, keys: Keys, port: int) -> dict[str, str]:
    """Return what Airflow needs: its folders, its database and its secrets."""
    url = f"http://127.0.0.1:{port}"
    return {
        **AIRFLOW,
        "AIRFLOW_ADMIN_PASSWORD": keys.admin,
        "CREDENTIALS_KEY": keys.credentials,
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": keys.fernet,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.airflow / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.url("airflow", "postgresql+psycopg2"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(layout.logs / "airflow"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__SECRET_KEY": keys.api,
        "AIRFLOW__API_AUTH__JWT_SECRET": keys.jwt,
    }


def pipeline(layout: Layout, server: Server, *, now: str | None) -> dict[str, str]:
    """Return what our own code needs: the warehouse, the folders it writes to, and the frozen clock if there is one."""
    warehouse = server.environment("warehouse")
    found = {
        **warehouse,
        "AIRFLOW_CONN_WAREHOUSE": connection(warehouse),
        "EXPORTS_DIR": str(layout.exports),
        "DATA_DOCS_DIR": str(layout.data_docs),
        "DBT_TARGET_PATH": str(layout.dbt / "target"),
        "DBT_LOG_PATH": str(layout.dbt / "logs"),
    }
    return {**found, "PIPELINE_NOW": now} if now else found


def connection(warehouse: Mapping[str, str]) -> str:
    """Return libpq's variables as an Airflow connection in JSON."""
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": warehouse["PGHOST"],
            "port": int(warehouse["PGPORT"]),
            "login": warehouse["PGUSER"],
            "password": warehouse["PGPASSWORD"],
            "schema": warehouse["PGDATABASE"],
        }
    )
