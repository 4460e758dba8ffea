"""The simulator as a process of the stack: its world, its clock, its ports, and the credentials it accepts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import processes
from local.layout import PROJECT, Layout, read_json
from local.processes import StackError
from local.world import World

PLATFORM_PORTS = ("linkedin", "twitter", "facebook", "instagram")
START_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulator that answers: where, and with which environment the pipeline reaches it."""

    url: str
    environment: dict[str, str]


def command(layout: Layout, ports: Mapping[str, int], world: World) -> list[str]:
    """Return the command that serves a world; it writes accounts.yml, the environment, and at last its state."""
    parts = ["--seed", str(world.seed), "--anchor", world.anchor, "--now", world.now or "real", "--expiring-tokens"]
    for platform in PLATFORM_PORTS:
        parts += [f"--{platform}-port", str(ports[platform])]
    files = {
        "--write-accounts": layout.accounts,
        "--write-environment": environment_file(layout),
        "--state": state_file(layout),
    }
    return [sys.executable, "-m", "simulator", *parts, *(str(part) for pair in files.items() for part in pair)]


def start(layout: Layout, variables: dict[str, str], ports: Mapping[str, int], world: World) -> None:
    """Start the simulator's process; `wait` says when it answers."""
    state_file(layout).unlink(missing_ok=True)
    processes.start(layout, "simulator", command(layout, ports, world), variables)


def wait(layout: Layout) -> Simulation:
    """Return the simulator once it answers. Raises StackError with the log's path."""
    deadline = time.monotonic() + START_LIMIT
    while (state := read_json(state_file(layout))) is None:
        if processes.died(layout, ["simulator"]) or time.monotonic() > deadline:
            raise StackError(f"the simulator did not start; see {processes.log_of(layout, 'simulator')}")
        time.sleep(0.1)
    lines = environment_file(layout).read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if line)
    return Simulation(state["base_urls"]["linkedin"], found)


def load_accounts(layout: Layout, variables: dict[str, str]) -> str:
    """Load the world's accounts.yml with the pipeline's own command; return what it said. Raises StackError."""
    done = subprocess.run(
        [sys.executable, "-m", "extractors", "accounts", "load", str(layout.accounts)],
        env=variables, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"the accounts could not be loaded: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout.strip()


def state_file(layout: Layout) -> Path:
    """Return the file whose presence says that the simulator listens."""
    return layout.root / "simulator.json"


def environment_file(layout: Layout) -> Path:
    """Return the file with the base URLs and the simulated tokens, mode 0600."""
    return layout.root / "simulator.env"
