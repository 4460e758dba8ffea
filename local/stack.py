"""The whole stack on this machine: Postgres, the simulator and Airflow's four components, brought up and down."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from local import environment, health, ports, postgres, processes, simulation, world
from local.layout import (
    DATABASES,
    PROJECT,
    Keys,
    Layout,
    keys,
    read_json,
    write_private,
)
from local.processes import StackError
from local.services import INITIALISE, MIGRATE, SERVICES

Progress = Callable[[str], None]
START_LIMIT = 180.0
"""Seconds until every service must be healthy; a cold file cache on two slow cores needs about 60."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack."""

    layout: Layout
    server: postgres.Server
    keys: Keys
    base_url: str
    simulator: str
    now: datetime
    environment: dict[str, str]


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Let one command at a time start or stop this stack. Raises StackError when another one is at it."""
    layout.create()
    with (layout.root / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("another `python -m local` command is working on this stack; wait for it") from None
        yield


def start(layout: Layout, kept: world.World, progress: Progress) -> Stack:
    """Start everything and wait until it is healthy; nothing may be running. Raises StackError, with the log's path."""
    secrets = keys(layout)
    chosen = ports.choose(layout, ("postgres", "ui", *simulation.PLATFORM_PORTS))
    server = database(layout, chosen["postgres"])
    progress(f"database ready on port {server.port}")
    base = base_environment(layout, server, chosen["ui"], now=kept.now)
    simulation.start(layout, base, chosen, kept)
    initialise(layout, base)
    simulated = simulation.wait(layout)
    full = {**base, **simulated.environment}
    began_at = serve(layout, full)
    now = datetime.fromisoformat(kept.now) if kept.now else began_at
    loaded = simulation.load_accounts(layout, full)
    progress(f"warehouse, simulator and Airflow's metadata ready. {loaded}")
    stack = Stack(layout, server, secrets, full["AIRFLOW__API__BASE_URL"], simulated.url, now, full)
    wait_until_healthy(layout, stack.base_url, began_at)
    progress("Airflow is up: api-server, scheduler, dag-processor, triggerer")
    return stack


def base_environment(layout: Layout, server: postgres.Server, ui_port: int, *, now: str | None) -> dict[str, str]:
    """Return the environment of the stack's processes, all but the platforms' addresses and credentials."""
    return {
        **environment.inherited(),
        processes.MARK: str(layout.root),
        **environment.airflow(layout, server, keys(layout), ui_port),
        **environment.pipeline(layout, server, now=now),
    }


def serve(layout: Layout, variables: Mapping[str, str]) -> datetime:
    """Start Airflow's components over databases that are ready; return when, for `wait_until_healthy`."""
    began_at = datetime.now(UTC)
    for service in SERVICES:
        processes.start(layout, service.name, command(service.command), variables)
    return began_at


def stop(layout: Layout) -> list[str]:
    """Stop everything; the data stays. Return the names of what was running."""
    # The scheduler lets running tasks end; they need the api-server, and what they talk to, until then.
    stopped = processes.stop(layout, first=["scheduler"])
    postgres.stop(layout.postgres)
    return stopped


def database(layout: Layout, port: int | None = None) -> postgres.Server:
    """Start the embedded Postgres, make its two databases, and write the files psql finds it with."""
    server = postgres.start(layout.postgres, port=port)
    login = {key.lower().removeprefix("pg"): value for key, value in server.environment().items()}
    with psycopg.connect(
        host=login["host"], port=login["port"], user=login["user"], password=login["password"],
        dbname="postgres", autocommit=True,
    ) as connection:  # fmt: skip
        present = {row[0] for row in connection.execute("select datname from pg_database")}
        for name in set(DATABASES) - present:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    passfile = layout.root / "pgpass"
    write_private(passfile, f"127.0.0.1:{server.port}:*:{login['user']}:{server.password}\n")
    sections = (
        f"[{name}]\nhost=127.0.0.1\nport={server.port}\nuser={login['user']}\ndbname={name}\npassfile={passfile}\n"
        for name in DATABASES
    )
    write_private(layout.root / "pg_service.conf", "\n".join(sections))
    return server


def initialise(layout: Layout, variables: Mapping[str, str]) -> None:
    """Make the databases ready, as the init service of docker-compose.yml does. Raises StackError with the log's path.

    Airflow's part takes seconds even when there is nothing to do, so it is done once per version of Airflow.
    """
    done_for = layout.root / "initialised"
    current = version("apache-airflow")
    parts = MIGRATE if read_json(done_for) == current else INITIALISE
    log = processes.log_of(layout, "initialise")
    with log.open("wb") as output:
        done = subprocess.run(
            command(parts), env=variables, cwd=PROJECT, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"the databases could not be initialised: {last_line(log)}; see {log}")
    write_private(done_for, json.dumps(current))


def command(parts: tuple[str, ...]) -> list[str]:
    """Return a service's command with the program of this very environment."""
    programs = Path(sys.executable).parent
    program = sys.executable if parts[0] == "python" else str(programs / parts[0])
    return [program, *parts[1:]]


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    with suppress(OSError):
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:500] if lines else "it printed nothing"
    return "it wrote no log"


def mode(layout: Layout) -> str | None:
    """Return 'up' or 'demo' when that command's stack is running, else None."""
    found = read_json(layout.root / "mode.json")
    return str(found["mode"]) if isinstance(found, dict) and processes.running(layout) else None


def remember_mode(layout: Layout, name: str) -> None:
    """Write down which command this stack belongs to."""
    write_private(layout.root / "mode.json", json.dumps({"mode": name, "pid": os.getpid()}))


def wait_until_healthy(layout: Layout, base_url: str, began_at: datetime) -> None:
    """Wait for every service's first heartbeat. Raises StackError with the log of the one that is missing."""
    deadline = time.monotonic() + START_LIMIT
    names = [service.name for service in SERVICES]
    while missing := health.unhealthy(base_url, since=began_at):
        if gone := processes.died(layout, names):
            log = processes.log_of(layout, gone[0])
            raise StackError(f"{gone[0]} stopped by itself: {last_line(log)}; see {log}")
        if time.monotonic() > deadline:
            log = processes.log_of(layout, missing[0])
            raise StackError(f"{', '.join(missing)} not healthy after {START_LIMIT:.0f} s; see {log}")
        time.sleep(0.5)
