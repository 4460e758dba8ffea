"""Follow DAG runs through Airflow's REST API, printing what happens as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.airflow_api import AirflowApi
from local.layout import Layout
from local.processes import StackError

DONE = ("success", "failed")
TASK_DONE = ("success", "failed", "skipped", "upstream_failed", "removed")
# A task is skipped when it has nothing to do: `verdict`, when no account had a problem.
IN_WORDS = {"skipped": "not needed"}
POLL = 1.0
HEARTBEAT = 15.0


@dataclass(slots=True)
class Follower:
    """What was already said about the runs that are followed; each state is told once."""

    api: AirflowApi
    layout: Layout
    progress: Callable[[str], None]
    told: dict[tuple[str, str, str, int], str] = field(default_factory=dict)
    spoke: float = field(default_factory=time.monotonic)

    def wait(self, runs: dict[str, str], limit: float) -> None:
        """Wait until each run (dag id → run id) is done. Raises StackError when one failed or the limit is over."""
        deadline = time.monotonic() + limit
        open_runs = dict(runs)
        while open_runs:
            for dag_id, run_id in list(open_runs.items()):
                state = self._look(dag_id, run_id)
                if state == "failed":
                    raise StackError(self._why(dag_id, run_id))
                if state in DONE:
                    del open_runs[dag_id]
            if time.monotonic() > deadline:
                raise StackError(f"{', '.join(open_runs)} not done after {limit:.0f} s; see {self.layout.logs}/airflow")
            self._still_here(open_runs)
            time.sleep(POLL if open_runs else 0)

    def wait_for_assets(self, dag_id: str, since: str, limit: float) -> list[str]:
        """Wait until a DAG has worked off every Asset event, and return its runs. Raises StackError as `wait` does."""
        deadline = time.monotonic() + limit
        while True:
            waiting = self.api.queued_events(dag_id)
            runs = [run["dag_run_id"] for run in self.api.runs(dag_id, since)]
            for run_id in runs:
                self.wait({dag_id: run_id}, max(1.0, deadline - time.monotonic()))
            if runs and not waiting and len(self.api.runs(dag_id, since)) == len(runs):
                return runs
            if time.monotonic() > deadline:
                raise StackError(f"{dag_id} was not started by its Assets within {limit:.0f} s")
            time.sleep(POLL)

    def _look(self, dag_id: str, run_id: str) -> str:
        for task in self.api.tasks(dag_id, run_id):
            state = task["state"]
            key = (dag_id, run_id, task["task_id"], task["map_index"])
            if state in TASK_DONE and self.told.get(key) != state:
                self.told[key] = state
                said = IN_WORDS.get(state, state)
                self._say(f"{dag_id:<22} {_name(task):<38} {said:<8} {_seconds(task.get('duration'))}".rstrip())
        return self.api.run_state(dag_id, run_id)

    def _say(self, line: str) -> None:
        self.progress(line)
        self.spoke = time.monotonic()

    def _still_here(self, open_runs: dict[str, str]) -> None:
        if open_runs and time.monotonic() - self.spoke > HEARTBEAT:
            self._say(f"{', '.join(open_runs)}: still running")

    def _why(self, dag_id: str, run_id: str) -> str:
        failed = [task for task in self.api.tasks(dag_id, run_id) if task["state"] == "failed"]
        if not failed:
            return f"{dag_id} failed; see {self.layout.logs}/airflow"
        log = task_log(self.layout, dag_id, run_id, failed[0])
        return f"{dag_id}: {_name(failed[0])} failed: {last_error(log)}; see {log}"


def task_log(layout: Layout, dag_id: str, run_id: str, task: dict[str, Any]) -> Path:
    """Return the log of a task's last try."""
    folder = layout.logs / "airflow" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
    if task["map_index"] >= 0:
        folder /= f"map_index={task['map_index']}"
    return folder / f"attempt={task['try_number']}.log"


def last_error(log: Path) -> str:
    """Return the last exception's text in a task log, which is one JSON object per line."""
    found = "no reason in its log"
    with suppress(OSError):
        for line in log.read_text(errors="replace").splitlines():
            with suppress(ValueError, KeyError, IndexError, TypeError):
                found = json.loads(line)["error_detail"][0]["exc_value"]
    return " ".join(found.split())[:1000]


def _name(task: dict[str, Any]) -> str:
    mapped = f"[{task.get('rendered_map_index') or task['map_index']}]" if task["map_index"] >= 0 else ""
    return f"{task['task_id']}{mapped}"


def _seconds(duration: float | None) -> str:
    return f"{duration:5.1f} s" if duration is not None else ""
