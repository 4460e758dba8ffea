"""The services of the stack and their commands: one definition for `python -m local` and docker-compose.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running process: its name, its command, and its name in Airflow's health report."""

    name: str
    command: tuple[str, ...]
    health: str


# Task logs are read from the shared log folder, so nobody serves them over a port of its own.
SERVICES = (
    Service("api-server", ("airflow", "api-server"), "metadatabase"),
    Service("scheduler", ("airflow", "scheduler", "--skip-serve-logs"), "scheduler"),
    Service("dag-processor", ("airflow", "dag-processor"), "dag_processor"),
    Service("triggerer", ("airflow", "triggerer", "--skip-serve-logs"), "triggerer"),
)
INITIALISE = ("python", "-m", "local.initialise")
MIGRATE = ("python", "-m", "extractors", "migrate")

AIRFLOW: Mapping[str, str] = MappingProxyType(
    {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # LocalExecutor forks this many workers at its start; four are enough for two cores.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "DBT_USE_COLORS": "False",
        "DBT_NO_VERSION_CHECK": "True",
        "GX_ANALYTICS_ENABLED": "False",
    }
)
"""What is the same wherever the stack runs."""
