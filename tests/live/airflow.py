"""Airflow as `make up` runs it (scheduler, api-server, dag-processor, triggerer), over platforms that tests steer."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from extractors import accounts
from extractors.settings import Settings
from local import postgres, stack
from local.airflow_api import AirflowApi
from local.demo import wait_until_known
from local.layout import Layout, keys
from simulator.server import Simulator
from simulator.world import build_world
from tests import crowd
from tests.crowd import Crowd

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
#: X is the crowd, every account with a login of its own; the other platforms are the simulator's.
CROWD = 200
DAGS = ("extract_linkedin", "extract_twitter", "extract_facebook", "extract_instagram", "sync", "transform")
TOKENS = [f"crowd{number:03}{hashlib.sha256(str(number).encode()).hexdigest()[:40]}" for number in range(CROWD)]
#: Airflow takes a second or two per task, a loaded machine with two cores some times as long.
LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Square:
    """A task instance as the grid shows it: its name, what its square is called, and its colour."""

    task: str
    label: str
    state: str
    tries: int
    map_index: int


@dataclass(frozen=True, slots=True)
class Live:
    """A running Airflow with a warehouse, and the platforms it reads."""

    layout: Layout
    server: postgres.Server
    variables: dict[str, str]
    api: AirflowApi
    crowd: Crowd
    simulator: Simulator

    def squares(self, dag_id: str, run_id: str) -> list[Square]:
        """What the grid of a run shows."""
        return [
            Square(
                each["task_id"], each.get("rendered_map_index") or "", str(each["state"]), each["try_number"],
                each["map_index"],
            )
            for each in self.api.tasks(dag_id, run_id)
        ]  # fmt: skip

    def finished(self, dag_id: str, run_id: str) -> str:
        """Wait for a run's end and return its state."""
        return self.wait(lambda: (state := self.api.run_state(dag_id, run_id)) in ("success", "failed") and state)

    def log(self, dag_id: str, run_id: str, square: Square) -> str:
        """What the task's page shows as the log of its last try."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{square.task}/logs/{square.tries}"
        return str(self.api.get(path, map_index=square.map_index)["content"])

    def rows(self, query: str, database: str = "warehouse") -> list[tuple[Any, ...]]:
        """Rows of the warehouse, or of Airflow's own metadata."""
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def connect(self, database: str = "warehouse") -> psycopg.Connection[Any]:
        """A connection that commits by itself."""
        return psycopg.connect(self.server.url(database, "postgresql"), autocommit=True)

    @staticmethod
    def wait(found: Callable[[], Any]) -> Any:
        """Return the first true answer. Raises TimeoutError."""
        deadline = time.monotonic() + LIMIT
        while not (answer := found()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing after {LIMIT:.0f} s")
            time.sleep(0.5)
        return answer


def run_path(dag_id: str, run_id: str) -> str:
    """Where the API keeps a run."""
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


@contextmanager
def running(folder: Path) -> Iterator[Live]:
    """The whole stack, its state below a folder, stopped and removed at the end."""
    layout = Layout(folder).create()
    with (
        crowd.serving(Crowd(posts=3, quotes=True)) as platform,
        Simulator(build_world(seed=77, anchor=NOW, scale=0.01), now=NOW, expiring=True) as simulator,
    ):
        try:
            server = stack.database(layout)
            variables = {
                **stack.base_environment(layout, server, postgres.free_port(), now=NOW.isoformat()),
                **simulator.environment(),
                **crowd.environment(platform, {}, CROWD, tokens=TOKENS),
            }
            stack.initialise(layout, variables)
            load_accounts(layout, variables, simulator)
            began_at = stack.serve(layout, variables)
            base_url = variables["AIRFLOW__API__BASE_URL"]
            stack.wait_until_healthy(layout, base_url, began_at)
            api = AirflowApi(base_url, keys(layout).admin)
            wait_until_known(api, set(DAGS))
            yield Live(layout, server, variables, api, platform, simulator)
        finally:
            stack.stop(layout)
            postgres.remove(layout.postgres)
            shutil.rmtree(layout.root, ignore_errors=True)


def load_accounts(layout: Layout, variables: Mapping[str, str], simulator: Simulator) -> None:
    """Put the simulator's accounts into the warehouse, and the crowd in place of those on X."""
    settings = Settings.from_environment(variables)
    layout.accounts.write_text(simulator.world.accounts_yaml())
    accounts.load(settings, layout.accounts)
    with settings.warehouse.connect() as connection:
        for table in ("ops.accounts", "ops.competitors"):
            connection.execute(f"delete from {table} where platform = 'twitter'")
        crowd.load(connection, CROWD)
