"""Lanes over one simulator and one throw-away server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local import postgres
from simulator.server import Simulator
from tests.aftermath import assert_ledger_explains, assert_no_exposed_address, assert_no_secret, tokens
from tests.crashes.harness import TARGETS, Lane, Nursery, make_lane, make_world, simulated


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


@pytest.fixture(scope="session", params=TARGETS[1:], ids=lambda target: target.table)
def other_lane(server: postgres.Server, platforms: Simulator, request: pytest.FixtureRequest) -> Iterator[Lane]:
    """A lane that reads another kind of stream: cut by dates, or in batches of ids."""
    made = make_lane(server, platforms, f"crashes_{request.param.table}", target=request.param)
    yield made
    made.close()


@pytest.fixture
def explained(platforms: Simulator) -> Callable[[Lane], None]:
    """What every case ends with: an exact verdict on the rows, a ledger that explains, and no secret anywhere."""

    def check(lane: Lane) -> None:
        assert lane.verdict().is_exact
        assert_ledger_explains(lane.environment)
        assert_no_secret(lane.environment, tokens(platforms))
        assert_no_exposed_address(platforms)

    return check


@pytest.fixture
def lane(lanes: list[Lane]) -> Lane:
    return lanes[0]


@pytest.fixture(scope="session")
def other() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()
