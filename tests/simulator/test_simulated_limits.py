"""What the simulator charges, and that its ledger says so: rolling windows to the instant, a batch by its parts."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from simulator.exchange import Request
from simulator.limits import Bill, Limits, Meter, Rolling
from simulator.server import Simulator
from simulator.world import World


@dataclass(slots=True)
class Wall:
    """A clock that somebody sets."""

    now: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), min_size=1, max_size=80), calls=st.integers(1, 9)
)
def test_a_rolling_window_refuses_exactly_what_is_too_much_wherever_it_begins(steps: list[tuple[int, int]], calls: int):
    wall, taken = Wall(), list[tuple[float, int]]()
    bill = Bill(Meter(wall))
    for tenths, cost in steps:
        wall.now += tenths / 10
        usage = bill.roll("budget", Rolling(calls=calls, seconds=5.0), calls=cost)
        before = sum(each for at, each in taken if at > wall.now - 5.0)
        assert usage.used == before + cost
        assert usage.exceeded == (before + cost > calls)
        assert bill.charges[-1].is_over == usage.exceeded
        assert bill.charges[-1].instant == wall.now
        if not usage.exceeded:
            taken.append((wall.now, cost))


def batch(world: World, parts: int) -> Request:
    page = next(each for each in world.accounts if each.platform == "facebook")
    token = world.credentials[page.credential].page_tokens[page.account_id]
    calls = json.dumps([{"method": "GET", "relative_url": f"{page.account_id}?fields=id"}] * parts)
    return Request(
        platform="facebook",
        method="POST",
        path="/v26.0/",
        query="",
        headers={"authorization": f"Bearer {token}"},
        body=f"batch={calls}".encode(),
        base_url="http://127.0.0.1",
    )


def test_every_part_of_a_batch_is_a_call_of_the_app_and_of_the_account(world: World):
    wall = Wall()
    limits = Limits(meta_app=Rolling(calls=40, seconds=3600), meta_account_day=10**6)
    simulator = Simulator(world, limits=limits, wall=wall)
    answer, _ = simulator.answer(batch(world, 30))
    assert answer.status == 200
    assert json.loads(answer.headers["X-App-Usage"])["call_count"] == 75
    answer, _ = simulator.answer(batch(world, 11))
    assert answer.status == 400
    assert answer.body["error"]["code"] == 4
    wall.now += 3600
    answer, _ = simulator.answer(batch(world, 40))
    assert answer.status == 200
    charged = [(one.calls, one.is_over) for call in simulator.calls for one in call.charges if one.budget == "meta:app"]
    assert charged == [(30, False), (11, True), (40, False)]
    by_account = [one for call in simulator.calls for one in call.charges if one.budget != "meta:app"]
    assert sum(one.calls for one in by_account) == 70
    assert [len(call.parts) for call in simulator.calls] == [30, 11, 40]
