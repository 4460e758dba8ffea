"""A small world and a simulator over it, with the clock at the anchor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from simulator.model import Account
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.simulator.reading import LINKEDIN_HEADERS, Reader

ANCHOR = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

Ask = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(seed=11, anchor=ANCHOR, scale=0.12)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture
def reader(simulator: Simulator) -> Iterator[Reader]:
    reading = Reader(simulator)
    yield reading
    reading.session.close()


@pytest.fixture
def account_of(world: World) -> Callable[[str, int], Account]:
    """The first account of a platform in a business."""

    def find(platform: str, business_id: int = 1) -> Account:
        return next(one for one in world.accounts if (one.platform, one.business_id) == (platform, business_id))

    return find


@pytest.fixture
def ask(simulator: Simulator, reader: Reader) -> Ask:
    """One request to a platform; `token` and extra `headers` as the test likes, None for no token at all."""

    def send(platform: str, path: str, *, token: str | None = None, method: str = "GET", **more: Any) -> Any:
        headers = dict(LINKEDIN_HEADERS) if platform == "linkedin" else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers |= more.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        url = simulator.base_urls[platform] + path
        return reader.session.request(method, url, headers=headers, timeout=5, allow_redirects=False, **more)

    return send
