"""The few calls of Airflow's REST API that the local stack makes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from local.processes import StackError


class AirflowApi:
    """A logged-in client. Raises StackError with what was asked and what came."""

    def __init__(self, base_url: str, password: str) -> None:
        self._base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and this machine
        answer = self._session.post(
            f"{base_url}/auth/token", json={"username": "admin", "password": password}, timeout=30
        )
        if answer.status_code not in (200, 201):
            raise StackError(f"Airflow refused the generated login: HTTP {answer.status_code}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._session.request(method, f"{self._base_url}/api/v2{path}", timeout=30, **options)
        if answer.status_code >= 400:
            raise StackError(f"Airflow answered {method} {path} with HTTP {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        """Return what the API answers to a read."""
        return self._call("GET", path, params=params)

    def dag_ids(self) -> set[str]:
        """Return the DAGs Airflow knows."""
        return {each["dag_id"] for each in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """Return the last line of each DAG file's import error."""
        found = self._call("GET", "/importErrors")["import_errors"]
        return [f"{each['filename']}: {each['stack_trace'].strip().splitlines()[-1]}" for each in found]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        run = self._call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(run["dag_run_id"])

    def end_unfinished(self) -> None:
        """Fail the runs that an interrupted demo left in the queue, so that they do not mix with new ones."""
        unfinished = self._call("GET", "/dags/~/dagRuns", params={"state": ["queued", "running"], "limit": 100})
        for run in unfinished["dag_runs"]:
            path = f"/dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'], safe='')}"
            self._call("PATCH", path, json={"state": "failed"})

    def runs(self, dag_id: str, since: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG that were due at or after an instant."""
        found = self._call("GET", f"/dags/{dag_id}/dagRuns", params={"run_after_gte": since, "limit": 100})
        return list(found["dag_runs"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of one run."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found = self._call(
            "GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances", params={"limit": 100}
        )
        return list(found["task_instances"])

    def queued_events(self, dag_id: str) -> int:
        """Return how many Asset events wait for the next run of a DAG."""
        answer = self._session.get(f"{self._base_url}/api/v2/dags/{dag_id}/assets/queuedEvents", timeout=30)
        return int(answer.json().get("total_entries", 0)) if answer.status_code == 200 else 0
