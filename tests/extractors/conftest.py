"""A small world, its simulator, and a warehouse that knows its accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from extractors.accounts import load
from extractors.extract import RunResult, due_accounts, extract_account
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World, build_world

ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


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
        accounts = tmp_path / "undisturbed.yml"
        accounts.write_text(world.accounts_yaml())
        with Simulator(world, now=at[0]) as calm:
            env = {**new_database(migrated_template), **calm.environment()}
            load(Settings.from_environment(env), accounts)
            for instant in at:
                calm.clock.set(instant)
                settings = Settings.from_environment({**env, "PIPELINE_NOW": instant.isoformat()})
                for platform in platforms or ("linkedin", "twitter", "facebook", "instagram"):
                    for account in due_accounts(settings, platform):
                        results = extract_account(settings, account, **asked)
                        assert not [result.error for result in results if result.error]
        return env

    return read


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
