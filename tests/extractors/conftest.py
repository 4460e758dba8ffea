"""A small world, its simulator, and a warehouse that knows its accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from extractors.accounts import load
from extractors.extract import RunResult, due_accounts, extract_account
from extractors.limiter import Limiter
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.aftermath import assert_survived
from tests.extractors.sockets import ANCHOR, Caller


@pytest.fixture(scope="session")
def world() -> World:
    """About two hundred posts."""
    return build_world(seed=7, anchor=ANCHOR, scale=0.08)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    """The four platforms, with an empty ledger."""
    with Simulator(world, now=ANCHOR) as running:
        yield running


@pytest.fixture
def environment(warehouse: dict[str, str], simulator: Simulator, world: World, tmp_path: Path) -> dict[str, str]:
    """Everything the commands read, with the world's accounts loaded."""
    env = {**warehouse, **simulator.environment(), **world.environment(), "PIPELINE_NOW": ANCHOR.isoformat()}
    accounts = tmp_path / "accounts.yml"
    accounts.write_text(world.accounts_yaml())
    load(Settings.from_environment(env), accounts)
    return env


# Every promise of the limiter, as if the time had passed already.
PASS_TIME = """
update ops.rate_budgets set
    next_free_at = next_free_at - by,
    blocked_until = blocked_until - by,
    window_resets_at = window_resets_at - by,
    opens_at = opens_at - by,
    last_place_at = last_place_at - by,
    latest_at = latest_at - by,
    probe_until = probe_until - by,
    kept_until = kept_until - by,
    earned_at = earned_at - by,
    marks = array(select mark - by from unnest(marks) with ordinality as ring (mark, place) order by place)
from make_interval(secs => %s) as by
"""


def pass_time(connection: psycopg.Connection, seconds: float) -> None:
    """Let a pause pass without sleeping: the limiter asks the database's clock alone."""
    connection.execute(PASS_TIME, (seconds,))


Extract = Callable[..., list[RunResult]]


@pytest.fixture
def extract(environment: dict[str, str]) -> Extract:
    """Read the accounts of one platform (or all) at an instant, without the gate."""

    def run(
        *platforms: str,
        now: datetime = ANCHOR,
        base_urls: dict[str, str] | None = None,
        warehouse: dict[str, str] | None = None,
        **asked: object,
    ) -> list[RunResult]:
        elsewhere = (warehouse or {}) | {
            f"{platform.upper()}_BASE_URL": url for platform, url in (base_urls or {}).items()
        }
        settings = Settings.from_environment({**environment, **elsewhere, "PIPELINE_NOW": now.isoformat()})
        chosen = platforms or ("linkedin", "twitter", "facebook", "instagram")
        accounts = [account for platform in chosen for account in due_accounts(settings, platform)]
        return [result for account in accounts for result in extract_account(settings, account, **asked)]

    return run


@pytest.fixture
def undisturbed(
    new_database: Callable[[str], dict[str, str]], migrated_template: str, world: World, tmp_path: Path
) -> Callable[..., dict[str, str]]:
    """A maker of the reference: another warehouse, read at the given instants from the same world without a fault."""

    def read(*platforms: str, at: Sequence[datetime] = (ANCHOR,), **asked: object) -> dict[str, str]:
        return read_calmly(new_database(migrated_template), world, tmp_path, *platforms, at=at, **asked)

    return read


def read_calmly(
    database: dict[str, str], world: World, folder: Path, *platforms: str, at: Sequence[datetime], **asked: object
) -> dict[str, str]:
    """Read a world into a migrated database, at each of the instants, without any fault."""
    accounts = folder / "undisturbed.yml"
    accounts.write_text(world.accounts_yaml())
    with Simulator(world, now=at[0]) as calm:
        env = {**database, **calm.environment()}
        load(Settings.from_environment(env), accounts)
        for instant in at:
            calm.clock.set(instant)
            settings = Settings.from_environment({**env, "PIPELINE_NOW": instant.isoformat()})
            for platform in platforms or ("linkedin", "twitter", "facebook", "instagram"):
                for account in due_accounts(settings, platform):
                    results = extract_account(settings, account, **asked)
                    assert not [result.error for result in results if result.error]
    return env


@contextmanager
def http_answering(body: bytes) -> Iterator[str]:
    """A server that answers every GET with the same bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def caller(warehouse: dict[str, str]) -> Iterator[Caller]:
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        connection.autocommit = True
        slept: list[float] = []
        limiter = Limiter(connection)

        def sleep(seconds: float) -> None:
            """A pause passes by moving every promise of the limiter into the past."""
            slept.append(seconds)
            pass_time(connection, seconds + 0.01)

        limiter.sleep = sleep
        yield Caller(limiter, slept)


#: What the gate does with good runs, also with several of one stream.
PASS = """
with passed as (update ops.extract_runs set gate = 'passed' where gate = 'pending' returning *)
insert into ops.cursors (business_id, platform, account_id, stream, watermark, run_id)
select distinct on (business_id, platform, account_id, stream)
    business_id, platform, account_id, stream, window_until, run_id
from passed
where state = 'complete'
order by business_id, platform, account_id, stream, window_until desc
on conflict (business_id, platform, account_id, stream) do update set
    watermark = greatest(cursors.watermark, excluded.watermark), run_id = excluded.run_id
"""
#: Before every post of the world.
ALWAYS = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Survival:
    """Reads streams of one platform, and ends a case with the three assertions."""

    extract: Extract
    environment: dict[str, str]
    simulator: Simulator
    undisturbed: Callable[..., dict[str, str]]
    connection: psycopg.Connection[Any]
    capfd: pytest.CaptureFixture[str]

    def read(self, platform: str, now: datetime = ANCHOR, **asked: Any) -> list[str]:
        """Read, let the gate pass what landed, and return the classes of what failed."""
        self.simulator.clock.set(max(now, self.simulator.clock.now()))
        results = self.extract(platform, now=now, **asked)
        self.connection.execute(PASS)
        return [type(each.error).__name__ for each in results if each.error]

    def heals(self, platform: str, *streams: str, now: datetime = ANCHOR, since: date | None = ALWAYS) -> None:
        """The fault is over: everything is read, also what is old, and the three assertions hold."""
        assert self.read(platform, now, streams=streams, since=since) == []
        self.equals(platform, *streams, at=(now,), since=since)

    def equals(self, platform: str, *streams: str, at: tuple[datetime, ...] = (ANCHOR,), **asked: Any) -> None:
        """What is there now equals what an undisturbed run stores at these instants, and the rest of the three."""
        calm = self.undisturbed(platform, at=at, streams=streams, **asked)
        names = [f"{platform}__{stream}" for stream in streams]
        assert_survived(self.environment, calm, self.simulator, *self.capfd.readouterr(), names=names)


@pytest.fixture
def survival(
    extract: Extract, environment: dict[str, str], simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]], connection: psycopg.Connection[Any],
    capfd: pytest.CaptureFixture[str],
) -> Survival:  # fmt: skip
    return Survival(extract, environment, simulator, undisturbed, connection, capfd)
