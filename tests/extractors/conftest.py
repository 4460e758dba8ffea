"""A small world, its simulator, and a warehouse that knows its accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

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

    def run(*platforms: str, now: datetime = ANCHOR, **asked: object) -> list[RunResult]:
        settings = Settings.from_environment({**environment, "PIPELINE_NOW": now.isoformat()})
        chosen = platforms or ("linkedin", "twitter", "facebook", "instagram")
        accounts = [account for platform in chosen for account in due_accounts(settings, platform)]
        return [result for account in accounts for result in extract_account(settings, account, **asked)]

    return run
