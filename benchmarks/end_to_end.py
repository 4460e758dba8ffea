"""From the platforms over HTTP to raw: rows per second, and the share of what the client could parse if that were all.

The simulator runs in a process of its own. Three passes over the same world: through a relay that keeps every body (not
timed), straight (timed), and a strict parse of the kept bodies from memory (timed). The straight pass is what a user
waits for: it includes the simulator's own work, which the real platforms do elsewhere.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread

import psycopg
import requests

from benchmarks import calls
from benchmarks.measure import Figure, timed
from extractors import accounts
from extractors.extract import due_accounts, extract_account
from extractors.migrate import migrate
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.strict_json import parse
from local import postgres
from simulator.world import build_world

ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
#: A pass takes a tenth of a second: one alone says little.
PASSES = 7
PASSED_ON = ("content-type", "date", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A simulator in another process: how to reach it, and the accounts it plays."""

    environment: dict[str, str]
    accounts: Path


def measure(server: postgres.Server, scale: float) -> list[Figure]:
    """Return rows per second end to end beside a bare parse, and the table of calls for the same world."""
    world = build_world(seed=7, anchor=ANCHOR, scale=scale)
    with _simulator(scale) as simulated, ExitStack() as relays:
        environment = {**simulated.environment, **world.environment(), "PIPELINE_NOW": ANCHOR.isoformat()}
        bodies: list[bytes] = []
        relayed = {
            name: relays.enter_context(_relay(url, bodies)) if name.endswith("_BASE_URL") else url
            for name, url in environment.items()
        }
        _extract(_warehouse(server, "relayed_bench", relayed, simulated.accounts))
        settings = _warehouse(server, "straight_bench", environment, simulated.accounts)
        with timed() as watch:
            _extract(settings)
    rows = calls.rows_listed(settings)
    end_to_end, alone = rows / watch.seconds, rows / median(_parse(bodies) for _ in range(PASSES))
    mebibytes = sum(map(len, bodies)) / 2**20
    return [
        Figure(what=f"strict parse alone, {mebibytes:.1f} MiB of bodies", value=alone, unit="rows/s"),
        Figure(
            what=f"end to end over HTTP, simulator included, {rows:,} rows in {len(bodies)} calls",
            value=end_to_end,
            unit="rows/s",
            ratio=end_to_end / alone,
            against="strict parse alone",
        ),
        *calls.table(settings, world),
    ]


def _warehouse(server: postgres.Server, database: str, environment: Mapping[str, str], accounts_file: Path) -> Settings:
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(f"create database {database}")
    settings = Settings.from_environment({**environment, **server.environment(database)})
    migrate(settings)
    accounts.load(settings, accounts_file)
    return settings


def _parse(bodies: Sequence[bytes]) -> float:
    """Seconds of one strict parse of all bodies."""
    with timed() as watch:
        for body in bodies:
            parse(body)
    return watch.seconds


def _extract(settings: Settings) -> None:
    for platform in PLATFORMS:
        for account in due_accounts(settings, platform):
            failed = [result for result in extract_account(settings, account) if result.error]
            if failed:
                raise RuntimeError(f"the benchmark's world was not read: {failed[0].error}")


@contextmanager
def _simulator(scale: float) -> Iterator[World]:
    with TemporaryDirectory() as directory:
        state, variables, file = (Path(directory, name) for name in ("state.json", "variables", "accounts.yml"))
        command = [sys.executable, "-m", "simulator", "--scale", str(scale), "--anchor", ANCHOR.isoformat()]
        command += ["--state", str(state), "--write-environment", str(variables), "--write-accounts", str(file)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                while not state.exists():
                    if process.poll() is not None:
                        raise RuntimeError("the simulator did not start")
                    time.sleep(0.05)
                lines = (line.partition("=") for line in variables.read_text().splitlines())
                yield World(environment={name: value for name, _, value in lines}, accounts=file)
            finally:
                process.terminate()


@contextmanager
def _relay(base_url: str, bodies: list[bytes]) -> Iterator[str]:
    """Pass every request on and keep what came back."""
    session = requests.Session()
    session.trust_env = False

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

        def _pass_on(self, form: bytes | None) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = session.request(self.command, base_url + self.path, data=form, headers=headers, timeout=60)
            bodies.append(answer.content)
            # Not send_response, which would add a date of its own beside the platform's.
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() in PASSED_ON or name.lower().startswith("x-"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
