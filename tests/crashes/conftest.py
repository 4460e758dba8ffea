"""Lanes over one simulator and one throw-away server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import postgres
from simulator.server import Simulator
from tests.crashes.harness import Lane, Nursery, make_lane, make_world, simulated


@pytest.fixture(scope="session")
def platforms() -> Iterator[Simulator]:
    with simulated(make_world()) as running:
        yield running


@pytest.fixture(scope="session")
def lanes(server: postgres.Server, platforms: Simulator) -> Iterator[list[Lane]]:
    made = [make_lane(server, platforms, f"crashes_{number}") for number in range(2)]
    yield made
    for lane in made:
        lane.close()


@pytest.fixture
def lane(lanes: list[Lane]) -> Lane:
    return lanes[0]


@pytest.fixture(scope="session")
def other() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()
