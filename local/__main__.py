"""The local stack's command line: `python -m local demo|up|down|status|clean|psql`."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Sequence

from local import (
    compose_env,
    demo,
    environment,
    health,
    ports,
    postgres,
    processes,
    stack,
    world,
)
from local.layout import Layout, default, keys, relative
from local.processes import StackError
from local.services import SERVICES

COMMANDS = {
    "demo": "run the whole pipeline once against the simulator, with a summary at the end, and stop",
    "up": "start the stack and leave it running, schedules on",
    "down": "stop the stack; nothing is lost",
    "status": "say what runs",
    "clean": "stop the stack and delete its data",
    "psql": "open psql on the warehouse; what follows is handed to psql",
    "compose-env": "print a fresh .env for docker-compose.yml, with generated secrets",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 it failed (one line says why), 2 it was not understood."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    layout = default()
    if given[:1] == ["psql"]:  # its options are psql's, not ours
        return psql(layout, given[1:])
    parser = argparse.ArgumentParser(prog="python -m local", description="The local stack; its state is in .local/.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words, description=words)
    chosen = parser.parse_args(given).command
    signal.signal(signal.SIGTERM, _stop_asked)
    try:
        return ACTIONS[chosen](layout)
    except (StackError, postgres.PostgresError) as error:
        print(f"{chosen} failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{chosen} was interrupted; everything it started is stopped", file=sys.stderr)
    return 1


def run_demo(layout: Layout) -> int:
    """Run the demo in a stack of its own."""
    with stack.alone(layout):
        _refuse_if_up(layout)
        stack.stop(layout)  # what a crash left behind
        stack.remember_mode(layout, "demo")
        demo.run(layout)
    return 0


def up(layout: Layout) -> int:
    """Start the stack and leave it running."""
    with stack.alone(layout):
        if stack.mode(layout) == "up" and not processes.died(layout, [service.name for service in SERVICES]):
            print("the stack is up already; `make down` stops it, `python -m local status` says more")
            return 0
        stack.stop(layout)
        stack.remember_mode(layout, "up")
        try:
            running = stack.start(layout, world.live(layout), lambda line: print(line, flush=True))
        except BaseException:
            stack.stop(layout)
            raise
    print(f"\nAirflow's UI:  {running.base_url}\nuser:          admin\npassword:      {running.keys.admin}")
    print(f"database:      PGSERVICEFILE={relative(layout.root / 'pg_service.conf')} psql service=warehouse")
    print("\nThe schedules are on. `make down` stops the stack and loses nothing.")
    return 0


def down(layout: Layout) -> int:
    """Stop the stack."""
    with stack.alone(layout):
        stopped = stack.stop(layout)
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def status(layout: Layout) -> int:
    """Say what runs."""
    layout.create()
    alive = processes.running(layout)
    database = ports.remembered(layout, "postgres")
    listening = database is not None and not ports.is_free(database)
    print(f"{'postgres':<14} {f'port {database}' if listening else 'not running'}")
    for name in ("simulator", *(service.name for service in SERVICES)):
        print(f"{name:<14} {f'pid {alive[name]}' if name in alive else 'not running'}")
    if alive:
        url = f"http://127.0.0.1:{ports.remembered(layout, 'ui')}"
        names = [service.name for service in SERVICES]
        sick = sorted({*health.unhealthy(url), *processes.died(layout, names)})
        print(f"\nAirflow's UI:  {url} (user admin, password {keys(layout).admin})")
        print(f"not healthy:   {', '.join(sick) if sick else 'nobody'}")
    return 0


def clean(layout: Layout) -> int:
    """Stop the stack and delete its data."""
    if layout.root.exists():
        with stack.alone(layout):
            stack.stop(layout)
            postgres.remove(layout.postgres)
        shutil.rmtree(layout.root)
    print(f"removed {layout.root}")
    return 0


def psql(layout: Layout, arguments: Sequence[str]) -> int:
    """Run psql on the warehouse. A database that does not run is started for it, and stopped again."""
    layout.create()
    if processes.running(layout):
        return _run_psql(layout, arguments)
    with stack.alone(layout):
        stack.database(layout, ports.choose(layout, ("postgres",))["postgres"])
        try:
            return _run_psql(layout, arguments)
        finally:
            postgres.stop(layout.postgres)


def _run_psql(layout: Layout, arguments: Sequence[str]) -> int:
    found = {"PGSERVICEFILE": str(layout.root / "pg_service.conf"), "PGSERVICE": "warehouse"}
    command = [str(postgres.client("psql")), *arguments]
    return subprocess.run(command, env={**environment.inherited(), **found}, check=False).returncode


def print_compose_env(_: Layout) -> int:
    """Print what docker-compose.yml asks for, freshly generated."""
    print(compose_env.text(), end="")
    return 0


def _refuse_if_up(layout: Layout) -> None:
    if stack.mode(layout) == "up":
        raise StackError("the stack is up; `make down` stops it first (its data stays)")


def _stop_asked(number: int, frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt


ACTIONS: dict[str, Callable[[Layout], int]] = {
    "demo": run_demo,
    "up": up,
    "down": down,
    "status": status,
    "clean": clean,
    "compose-env": print_compose_env,
}

if __name__ == "__main__":
    sys.exit(main())
