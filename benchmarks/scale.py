"""What a day costs when the history is long: dbt on a large synthetic warehouse, and BI's queries on what it publishes.

Two sizes of history get the same day, so that its cost can be compared; the larger one also gets a day that changes one
row in a hundred. A day without news is what dbt itself costs: that is subtracted nowhere, but shown beside the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from benchmarks.bi import measure_bi
from benchmarks.measure import Figure, measured_server, timed
from benchmarks.scale_world import ANCHOR, READINGS, Day, add_day, businesses_of, fill
from extractors.migrate import migrate
from extractors.settings import Settings
from local import postgres

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {
    "shared_buffers": "4GB", "max_wal_size": "16GB", "wal_compression": "on", "work_mem": "128MB",
    "maintenance_work_mem": "1GB", "effective_cache_size": "12GB", "random_page_cost": "1.1", "jit": "off",
}  # fmt: skip
LAYERS = {"core": ("staging", "intermediate", "core"), "marts": ("publish",)}
#: Reconciliation shows the audits of 30 days: those of a history that was lived through are as old as its runs.
AGED = """
update core.fct_run_audits set audited_at = finished_at;
update core.fct_run_totals as totals set audited_at = audits.finished_at
from core.fct_run_audits as audits where audits.run_id = totals.run_id;
"""
#: One business's worth of a day's news in a hundred: what both sizes get.
SMALL_DAY = Day(number=1, readings=10_000, new_posts=1_000, businesses=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of one build: by the clock, and inside the database by node."""

    seconds: float
    nodes: Mapping[str, float]

    @property
    def in_database(self) -> float:
        """Seconds of all nodes; four run side by side."""
        return sum(self.nodes.values())

    def dearest(self, count: int = 6) -> str:
        """The nodes that took longest."""
        ranked = sorted(self.nodes.items(), key=lambda item: -item[1])[:count]
        return ", ".join(f"{name} {seconds:.1f}" for name, seconds in ranked)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A filled database and dbt on it."""

    settings: Settings
    environment: dict[str, str]
    posts: int

    def build(self, layer: str, now: datetime) -> Cost:
        """Build one layer as the DAG does, and say on stderr what it cost and where."""
        program = str(Path(sys.executable).with_name("dbt"))
        where = ["--project-dir", "dbt_project", "--profiles-dir", "dbt_project"]
        chosen = ["--select", *LAYERS[layer], "--exclude-resource-type", "unit_test"]
        environment = {**os.environ, **self.environment, "PIPELINE_NOW": now.isoformat()}
        with timed() as watch:
            subprocess.run([program, "build", *where, *chosen], cwd=ROOT, env=environment, check=True)
        results = json.loads((Path(self.environment["DBT_TARGET_PATH"]) / "run_results.json").read_text())["results"]
        cost = Cost(
            seconds=watch.seconds,
            nodes={each["unique_id"].split(".", 2)[-1]: each["execution_time"] for each in results},
        )
        load = os.getloadavg()[0]
        print(
            f"{layer}, {self.posts:,} posts: {cost.seconds:.1f} s, load {load:.1f}; {cost.dearest()}", file=sys.stderr
        )
        return cost

    def day(self, day: Day) -> dict[str, Cost]:
        """Land a day and build both layers."""
        with self.connect() as connection:
            add_day(connection, day)
        return {layer: self.build(layer, day.at) for layer in LAYERS}

    def connect(self) -> psycopg.Connection:
        """Open a connection that commits by itself."""
        connection = self.settings.warehouse.connect()
        connection.autocommit = True
        return connection


def measure(server: postgres.Server, posts: int) -> Iterator[Figure]:
    """Yield the cost of days on a tenth of the posts and on all of them, and the speed of BI's queries on the marts."""
    with TemporaryDirectory() as directory:
        _, small, _ = yield from _history(server, posts // 10, Path(directory))
        warehouse, large, full = yield from _history(server, posts, Path(directory))
        yield from _figures("the same day, core, ten times the history", large["core"], small["core"], "a tenth of it")
        yield from _figures(
            "the same day, marts, ten times the history", large["marts"], small["marts"], "a tenth of it"
        )
        hundredth = replace(
            SMALL_DAY,
            number=2,
            readings=posts * READINGS // 100,
            new_posts=posts // 100,
            businesses=businesses_of(posts),
        )
        costs = warehouse.day(hundredth)
        for layer, cost in costs.items():
            yield from _figures(f"a day that changes 1 %, {layer}", cost, full[layer], "everything new")
        quiet = {layer: warehouse.build(layer, hundredth.at) for layer in LAYERS}
        for layer, cost in quiet.items():
            yield from _figures(f"a day without news, {layer}", cost, full[layer], "everything new")
        yield from measure_bi(warehouse.settings, hundredth.at)


def _history(
    server: postgres.Server, posts: int, directory: Path
) -> Generator[Figure, None, tuple[Warehouse, dict[str, Cost], dict[str, Cost]]]:
    """Yield what the first build costs; return the warehouse, the cost of the small day on it, and that of all."""
    warehouse = prepare(server, posts, directory)
    full = {"core": warehouse.build("core", ANCHOR)}
    with warehouse.connect() as connection:
        connection.execute(AGED.encode())
    full["marts"] = warehouse.build("marts", ANCHOR)
    for layer, cost in full.items():
        yield Figure(what=f"everything new, {posts:,} posts, {layer}", value=cost.seconds, unit="s")
    with warehouse.connect() as connection:
        connection.execute("vacuum analyze")
    day = warehouse.day(replace(SMALL_DAY, businesses=min(SMALL_DAY.businesses, businesses_of(posts))))
    return warehouse, day, full


def prepare(server: postgres.Server, posts: int, directory: Path) -> Warehouse:
    """A database with so many posts, ten readings each, not yet transformed."""
    name = f"scale_{posts}"
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    environment = {**server.environment(name), "DBT_TARGET_PATH": str(directory / name)}
    settings = Settings.from_environment({**server.environment(name)})
    migrate(settings)
    warehouse = Warehouse(settings, environment, posts)
    with warehouse.connect() as connection, timed() as watch:
        fill(connection, posts)
    print(f"{posts:,} posts were made in {watch.seconds:.0f} s", file=sys.stderr)
    return warehouse


def _figures(what: str, cost: Cost, other: Cost, against: str) -> Iterator[Figure]:
    """By the clock, start-up of dbt included, and inside the database alone."""
    yield Figure(what=what, value=cost.seconds, unit="s", ratio=cost.seconds / other.seconds, against=against)
    inside, others = cost.in_database, other.in_database
    yield Figure(what=f"{what}, all nodes", value=inside, unit="s", ratio=inside / others, against=against)


def measure_apart(posts: int) -> Iterator[Figure]:
    """Measure on a server of its own, with the settings of a warehouse of this size."""
    with measured_server(SETTINGS) as server:
        yield from measure(server, posts)


def main(arguments: Sequence[str]) -> None:
    """Measure this part alone: `python -m benchmarks.scale 100000`."""
    for figure in measure_apart(int(arguments[0])):
        print("  ".join(figure.cells()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
