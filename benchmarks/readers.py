"""Readers in a loop while marts are published over and over: errors, mixed builds, and how much longer they wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.measure import Figure, measured_server
from benchmarks.transform import ANCHOR, ROOT, extract_world
from extractors.settings import Settings
from local import postgres
from simulator.server import Simulator
from simulator.world import build_world

#: Two marts of posts in one query: of one build they always agree.
QUERY = """
select
    (select count(*) from marts.post_performance),
    (select count(*) from marts.post_analytics),
    (select sum(posts) from marts.analytics_summaries where period = 'day' and platform <> 'all')
"""
#: One post comes or goes with every publication, so that two builds never agree.
CHANGES = (
    "create table if not exists public.put_aside as select * from core.fct_posts where false",
    "with gone as (delete from core.fct_posts where post_key = (select max(post_key) from core.fct_posts) returning *)"
    " insert into public.put_aside select * from gone",
    "with back as (delete from public.put_aside returning *) insert into core.fct_posts select * from back",
)
#: What a person's dashboard waits between two queries.
PAUSE_SECONDS = 0.2


@dataclass(slots=True)
class Seen:
    """What the readers saw, and the seconds each query took."""

    seconds: list[float] = field(default_factory=list)
    mixed: int = 0
    errors: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return a percentile of the waiting, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(server: postgres.Server, publications: int, readers: int = 50) -> Iterator[Figure]:
    """Yield what readers wait without publications, and beside them; nothing may fail or be mixed."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("create database readers_bench")
    environment = server.environment("readers_bench")
    publication = _warehouse(environment)
    settings = Settings.from_environment(environment)
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        connection.execute(CHANGES[0])
        began = time.perf_counter()
        with reading(settings, readers) as beside:
            for number in range(publications):
                connection.execute(CHANGES[1 + number % 2].encode())
                connection.execute(publication.encode())
        took = time.perf_counter() - began
    with reading(settings, readers) as alone:
        time.sleep(min(took, 60))
    yield from figures(alone, beside, publications, readers, took)


def figures(alone: Seen, beside: Seen, publications: int, readers: int, took: float) -> Iterator[Figure]:
    """Yield the table's rows."""
    what = f"{readers} readers during {publications} publications"
    yield Figure(what=f"{what}: errors", value=len(beside.errors), unit="")
    yield Figure(what=f"{what}: mixed builds", value=beside.mixed, unit=f"of {len(beside.seconds):,} reads")
    yield Figure(what="one publication beside them", value=1000 * took / publications, unit="ms")
    for name, share in (("median", 0.5), ("p99", 0.99)):
        quiet, busy = alone.percentile(share), beside.percentile(share)
        yield Figure(what=f"{readers} readers, {name} without publications", value=quiet, unit="ms")
        yield Figure(
            what=f"{what}: {name}", value=busy, unit="ms", ratio=busy / quiet, against="without publications",
        )  # fmt: skip
        yield Figure(what=f"{what}: added wait, {name}", value=busy - quiet, unit="ms")


@contextmanager
def reading(settings: Settings, readers: int, pause: float = PAUSE_SECONDS) -> Iterator[Seen]:
    """Read with so many connections while the block runs."""
    seen, done = Seen(), threading.Event()

    def read_on(number: int) -> None:
        try:
            with settings.warehouse.connect() as connection:
                connection.autocommit = True
                done.wait(pause * number / readers)
                while not done.is_set():
                    began = time.perf_counter()
                    found = connection.execute(QUERY).fetchone()
                    seen.seconds.append(time.perf_counter() - began)
                    seen.mixed += found is None or len(set(found)) > 1
                    done.wait(pause)
        except Exception as error:
            seen.errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=read_on, args=(number,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _warehouse(environment: Mapping[str, str]) -> str:
    """Extract and publish a world; return the SQL of a publication."""
    world = build_world(seed=7, anchor=ANCHOR)
    with Simulator(world, now=ANCHOR) as simulator, TemporaryDirectory() as directory:
        given = {**environment, **simulator.environment(), **world.environment()}
        given |= {"PIPELINE_NOW": ANCHOR.isoformat(), "DBT_TARGET_PATH": directory}
        extract_world(Settings.from_environment(given), world.accounts_yaml(), Path(directory) / "accounts.yml")
        _dbt(given, "build", "--exclude-resource-type", "unit_test")
        printed = _dbt(given, "run-operation", "show_publication")
    return printed[printed.index("rollback;") :]


def _dbt(environment: Mapping[str, str], *command: str) -> str:
    program = str(Path(sys.executable).with_name("dbt"))
    where = ["--project-dir", "dbt_project", "--profiles-dir", "dbt_project"]
    done = subprocess.run(
        [program, *command, *where], cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout


def main(arguments: Sequence[str]) -> None:
    """Measure this part alone: `python -m benchmarks.readers 1000`."""
    with measured_server() as server:
        for figure in measure(server, int(arguments[0])):
            print("  ".join(filter(None, figure.cells())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
