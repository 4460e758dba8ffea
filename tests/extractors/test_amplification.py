"""An hour of refusals: how many calls it costs more than the runs asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from extractors.errors import PipelineError
from extractors.http import Client
from extractors.limiter import BURST, MOST_EARNED, RETRY_SHARE
from extractors.registry import PLATFORMS
from extractors.spec import Account, Scope
from simulator.server import Simulator
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import Extract, pass_time
from tests.extractors.sockets import ANCHOR, Caller

Connection = psycopg.Connection[Any]

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
    found = {"mix": mix, "asked": hour.asked, "begun": hour.begun, "made": hour.made}
    print(found | {"per begun call": round(hour.made / hour.begun, 3)})
    record_property("amplification", found)
    assert hour.asked == 600
    assert hour.amplification <= 1.10
    if mix in ("5xx alone", "429 and 5xx"):
        # The circuit turns nearly every call away before it begins: a first burst is all that is retried.
        assert hour.begun >= 8
        assert hour.made - hour.begun <= BURST
    else:
        assert hour.begun >= 60
        assert hour.made / hour.begun <= 1.10


@pytest.mark.fault("A08")
@pytest.mark.parametrize("platform", ["linkedin", "facebook"])
def test_single_hiccups_spread_over_a_healthy_run_all_recover_in_that_run(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    platform: str,
):
    """From the very first call on, when nothing has been answered yet, and then after every second answer."""
    for number in range(8):
        simulator.faults.add(SERVER_ERRORS[number % len(SERVER_ERRORS)], platform=platform, after=2 * number)
    results = extract(platform)
    assert simulator.faults.waiting() == []
    assert [result.error for result in results if result.error] == []
    retried = connection.execute("select sum(retries), sum(calls) from ops.extract_runs").fetchone()
    print({"retries, calls": retried})
    assert retried is not None
    assert retried[0] == 8
    streams = [f"{platform}__{name}" for name in ("posts", "profile")]
    assert_equal_warehouses(environment, undisturbed(platform), streams)
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("A08")
def test_an_hour_of_outage_after_an_hour_of_answers_costs_what_those_answers_paid(caller: Caller, simulator: Simulator):
    caller.find_it_well()
    hour = an_hour(caller, simulator, SERVER_ERRORS)
    # Eight unanswered calls open the circuit: a burst's retries, and those that sixty answers have paid for.
    assert BURST <= hour.made - hour.begun <= BURST + MOST_EARNED
    paid = round(MOST_EARNED / RETRY_SHARE)
    assert (hour.made + paid) / (hour.begun + paid) <= 1.10
