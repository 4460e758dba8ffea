"""`python -m simulator`: the four platforms in a process of their own."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from simulator.model import PLATFORMS
from simulator.server import Simulator
from simulator.world import World, build_world

PRIVATE = 0o600
STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="LinkedIn, X, Facebook and Instagram on loopback, with a seeded world behind them.",
        epilog="Any of the ports also answers /_simulator/calls, clock, faults, token, minimum and about.",
    )
    for platform in PLATFORMS:
        parser.add_argument(
            f"--{platform}-port", type=int, default=0, metavar="N", help="0 (default) takes a free port"
        )
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same world (default 7)")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 (default) is over 2,200 posts; less is fewer")
    parser.add_argument(
        "--anchor", type=moment, default=None, metavar="ISO", help="the world's first now (default: now)"
    )
    parser.add_argument(
        "--now",
        default=None,
        metavar="ISO|real",
        help="the clock: frozen at an instant (default: the anchor), or running with the real time",
    )
    parser.add_argument(
        "--expiring-tokens",
        action="store_true",
        help="access tokens of X and LinkedIn end by the clock; the environment holds refresh tokens",
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="written once it listens: base URLs, pid, anchor")
    parser.add_argument("--write-accounts", type=Path, metavar="FILE", help="write accounts.yml of this world")
    parser.add_argument(
        "--write-environment",
        type=Path,
        metavar="FILE",
        help="write NAME=VALUE lines: base URLs and credentials (0600)",
    )
    return parser


def moment(text: str) -> datetime:
    """An ISO 8601 instant with offset; an argparse error otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 instant") from problem
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write 2026-11-21T12:00:00+00:00")
    return at.astimezone(UTC)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is either there whole or not there, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(PRIVATE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_simulator(arguments: argparse.Namespace) -> Simulator:
    """The simulator that the arguments describe; its clock starts at the anchor unless they say otherwise."""
    anchor = arguments.anchor or datetime.now(UTC).replace(microsecond=0)
    world: World = build_world(seed=arguments.seed, anchor=anchor, scale=arguments.scale)
    ports = {platform: getattr(arguments, f"{platform}_port") for platform in PLATFORMS}
    if arguments.now == "real":
        return Simulator(world, now=datetime.now(UTC), ports=ports, running=True, expiring=arguments.expiring_tokens)
    now = moment(arguments.now) if arguments.now else None
    return Simulator(world, now=now, ports=ports, expiring=arguments.expiring_tokens)


def announce(simulator: Simulator, arguments: argparse.Namespace) -> None:
    """Write the files that were asked for, the state last: who sees it may start."""
    if arguments.write_accounts:
        write_whole(arguments.write_accounts, simulator.world.accounts_yaml())
    if arguments.write_environment:
        lines = [f"{name}={value}" for name, value in simulator.environment().items()]
        write_whole(arguments.write_environment, "\n".join(lines) + "\n")
    state = {
        "base_urls": simulator.base_urls,
        "pid": os.getpid(),
        "anchor": simulator.world.anchor.isoformat(),
        "now": simulator.clock.now().isoformat(),
        "seed": simulator.world.seed,
        "scale": simulator.world.scale,
    }
    if arguments.state:
        write_whole(arguments.state, json.dumps(state, indent=2) + "\n")
    print(json.dumps(state, indent=2), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit status 2 when the arguments or a port do not work."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # waited for below; a handler could interrupt itself
    try:
        with make_simulator(arguments) as simulator:
            announce(simulator, arguments)
            signal.sigwait(STOPPING)
    except (OSError, argparse.ArgumentTypeError) as problem:
        print(f"simulator: {problem}", file=sys.stderr)
        return 2
    if arguments.state:
        arguments.state.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
