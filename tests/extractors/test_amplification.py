"""An hour of refusals: how many calls it costs more than the runs asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from extractors.errors import PipelineError
from extractors.http import Client
from extractors.registry import PLATFORMS
from extractors.spec import Account, Scope
from simulator.server import Simulator
from tests.extractors.conftest import pass_time
from tests.extractors.sockets import ANCHOR, Caller

SERVER_ERRORS = ("http_500", "http_503", "http_504", "transient_2", "html_error_page", "connection_reset")
MIXES = {
    "429 alone": ("rate_limited",),
    "429 of the day": ("rate_limited_day",),
    "5xx alone": SERVER_ERRORS,
    "429 and 5xx": ("rate_limited", *SERVER_ERRORS),
    "429, 5xx and answers": ("rate_limited", *SERVER_ERRORS, *("slow_10s",) * 7),
}


@dataclass(slots=True)
class Hour:
    """`asked`: calls the runs wanted; `begun`: those that made one at least, the others were turned away before."""

    asked: int = 0
    begun: int = 0
    made: int = 0

    @property
    def amplification(self) -> float:
        return self.made / self.asked


def an_hour(caller: Caller, simulator: Simulator, faults: tuple[str, ...]) -> Hour:
    """Sixty runs, a minute apart, of ten calls each, for other accounts each time; pauses pass without sleeping."""
    chance = random.Random(11)
    for _ in range(2000):
        simulator.faults.add(chance.choice(faults), platform="linkedin", times=1, seconds=0)
    read = PLATFORMS["linkedin"].stream("profile").reads[0]
    hour = Hour()
    for minute in range(60):
        account = Account(
            business_id=1, platform="linkedin", account_id=str(minute), credential=f"c{minute}", timezone="UTC"
        )
        client = Client(PLATFORMS["linkedin"], account, simulator.base_urls["linkedin"], "t", caller.limiter)
        scope = Scope(account=account, now=ANCHOR)
        for _ in range(10):
            before = client.tally.calls
            with pytest.raises(PipelineError):  # an answer that comes through is one about a token nobody knows
                client.call(read, scope, read.params(scope))
            hour.asked += 1
            hour.begun += client.tally.calls > before
        pass_time(caller.limiter.connection, 60)
    hour.made = len(simulator.calls)
    return hour


@pytest.mark.fault("A05", "A08")
@pytest.mark.parametrize("mix", MIXES)
def test_an_hour_of_refusals_costs_at_most_a_tenth_more_calls(
    caller: Caller, simulator: Simulator, record_property: Callable[[str, object], None], mix: str
):
    hour = an_hour(caller, simulator, MIXES[mix])
    print({"mix": mix, "hour": hour, "amplification": round(hour.amplification, 3)})
    record_property("amplification", {"mix": mix, "asked": hour.asked, "begun": hour.begun, "made": hour.made})
    assert hour.asked == 600
    assert hour.amplification <= 1.10
    if mix in ("429 of the day", "429, 5xx and answers"):
        assert hour.begun >= 60
        assert hour.made / hour.begun <= 1.10
