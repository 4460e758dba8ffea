"""Our settings, read from Airflow: connection `warehouse`, one connection per credential, and the environment."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

from airflow.sdk import Connection, Variable
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError
from airflow.sdk.log import mask_secret

from extractors import redaction
from extractors.errors import ConfigurationError
from extractors.settings import Credential, Settings, Warehouse

# Accounts are read in threads, and not every way that Airflow asks its supervisor is made for several at once.
ONE_AT_A_TIME = threading.Lock()


def settings() -> Settings:
    """Return what a task needs to work; every secret that is read from now on is masked in its log.

    Raises ConfigurationError, naming the connection that is missing.
    """
    redaction.install()
    redaction.tell(mask_secret)
    connection = _connection("warehouse", "a Postgres connection: host, port, login, password, schema = database")
    warehouse = Warehouse(
        host=connection.host or "",
        port=str(connection.port or ""),
        user=connection.login or "",
        password=connection.password or "",
        database=connection.schema or "",
    )
    redaction.remember(warehouse.password)
    return replace(
        Settings.from_environment(), warehouse=warehouse, credential=_credential, credentials_key=_credentials_key
    )


def exports_directory() -> Path:
    """Return where reports are written."""
    return Path(os.environ.get("EXPORTS_DIR", "exports"))


def data_docs_directory() -> Path | None:
    """Return where Great Expectations writes its HTML, or None for nowhere."""
    path = os.environ.get("DATA_DOCS_DIR")
    return Path(path) if path else None


def cron(expression: str) -> str | None:
    """Return the schedule; with a frozen clock (PIPELINE_NOW) no hour ever comes, and only manual runs make sense."""
    return None if os.environ.get("PIPELINE_NOW") else expression


def _credential(connection_id: str) -> Credential:
    connection = _connection(connection_id, "its password is the access token")
    if not connection.password:
        raise ConfigurationError(f"the connection {connection_id!r} holds no access token", "set its password to it")
    return Credential(connection_id, connection.password, connection.extra_dejson)


def _credentials_key() -> str:
    """The environment's CREDENTIALS_KEY, else the variable `credentials_key` of Airflow's secrets backend."""
    return os.environ.get("CREDENTIALS_KEY") or str(Variable.get("credentials_key", default=""))


def _connection(connection_id: str, hint: str) -> Connection:
    try:
        with ONE_AT_A_TIME:
            found: Connection = Connection.get(connection_id)
    except (AirflowNotFoundException, AirflowRuntimeError):
        raise ConfigurationError(
            f"Airflow has no connection {connection_id!r}",
            f"add it in the UI under Admin, or set AIRFLOW_CONN_{connection_id.upper()} ({hint})",
        ) from None
    return found
