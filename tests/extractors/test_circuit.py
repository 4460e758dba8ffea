"""A platform that answers nobody, or ended our version, is left alone by every process, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import psycopg
import pytest

from extractors.circuit import FAILURES, FIRST_PAUSE_SECONDS
from extractors.errors import RetryLater, Transient, VersionSunset
from extractors.limiter import Limiter
from extractors.platforms import linkedin
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from simulator.server import Simulator
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import Extract, pass_time
from tests.extractors.sockets import Caller, RawServer, ask, http, raw_server

Connection = psycopg.Connection[Any]
HTML = b"<html>We will be back soon</html>"
#: What opens the circuit, and one call at the end of each pause: 5, 15, 35, 75, 135, 195, 255 and 315 minutes later.
CALLS_IN_SIX_HOURS = FAILURES + 8


@pytest.mark.fault("A09")
def test_a_maintenance_of_six_hours_costs_sixteen_calls_and_nothing_is_complete(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    record_property: Callable[[str, object], None],
):
    simulator.faults.add("html_error_page", platform="linkedin", times=10_000, status=503)
    for _ in range(6 * 12):
        results = extract("linkedin", streams=["posts"])
        assert {result.state for result in results} == {"failed"}
        pass_time(connection, 300)
    made = len(simulator.calls)
    print({"calls in six hours of maintenance": made, "runs": 72, "accounts": len(results)})
    record_property("maintenance", made)
    assert made <= CALLS_IN_SIX_HOURS
    assert connection.execute("select count(*) from ops.extract_runs where state = 'complete'").fetchone() == (0,)
    assert connection.execute("select count(*) from raw.linkedin__posts").fetchone() == (0,)
    assert_ledger_explains(environment, failed={"linkedin__posts": "RetryLater"})

    simulator.faults.clear()
    pass_time(connection, 3600)
    extract("linkedin", streams=["posts"])
    assert_equal_warehouses(environment, undisturbed("linkedin", streams=["posts"]), ["linkedin__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def knock(caller: Caller, server: RawServer) -> None:
    """Call until the circuit is open."""
    while len(server.requests) < FAILURES:
        assert isinstance(caller.error(server.port), Transient)


@pytest.mark.fault("A09")
def test_the_circuit_opens_for_all_lets_one_call_try_and_closes_with_an_answer(
    caller: Caller, warehouse: dict[str, str]
):
    platform = PLATFORMS["linkedin"]
    with raw_server(*[http(HTML, status=503)] * (FAILURES + 1), http()) as server:
        knock(caller, server)
        assert len(server.requests) == FAILURES
        with closing(Settings.from_environment(warehouse).warehouse.connect()) as elsewhere:
            elsewhere.autocommit = True
            other = Limiter(elsewhere, sleep=lambda _seconds: None)
            with pytest.raises(RetryLater, match="linkedin left 8 calls in a row unanswered") as raised:
                other.reserve([], platform, who="somebody")
            left = (raised.value.at - other.now()).total_seconds()
            assert FIRST_PAUSE_SECONDS - 60 < left <= FIRST_PAUSE_SECONDS

            # Half open: one probe, refused to the others until it has an answer; it fails, and the pause is longer.
            pass_time(elsewhere, FIRST_PAUSE_SECONDS)
            other.reserve([], platform)
            with pytest.raises(RetryLater):
                caller.limiter.reserve([], platform)
            pass_time(elsewhere, FIRST_PAUSE_SECONDS)
            assert isinstance(caller.error(server.port), Transient)
            assert len(server.requests) == FAILURES + 1
            pass_time(elsewhere, FIRST_PAUSE_SECONDS)
            with pytest.raises(RetryLater):
                other.reserve([], platform)

            pass_time(elsewhere, FIRST_PAUSE_SECONDS)
            assert caller.call(server.port).status == 200
            other.reserve([], platform)
            other.reserve([], platform)


@pytest.mark.fault("A09")
def test_of_many_who_come_at_the_end_of_the_pause_one_tries_the_platform_out(caller: Caller, warehouse: dict[str, str]):
    with raw_server(http(HTML, status=503)) as server:
        knock(caller, server)
    pass_time(caller.limiter.connection, FIRST_PAUSE_SECONDS + 60)
    together, tried = Barrier(8), []

    def come() -> None:
        with closing(Settings.from_environment(warehouse).warehouse.connect()) as mine:
            mine.autocommit = True
            together.wait()
            with suppress(RetryLater):
                Limiter(mine).reserve([], PLATFORMS["linkedin"])
                tried.append(mine)

    comers = [Thread(target=come) for _ in range(8)]
    for comer in comers:
        comer.start()
    for comer in comers:
        comer.join()
    assert len(tried) == 1


def test_answers_between_failures_keep_the_circuit_closed(caller: Caller):
    with raw_server(*[http(HTML, status=503), http()] * FAILURES) as server:
        for _ in range(FAILURES):
            assert caller.call(server.port).status == 200


def test_a_platform_is_left_alone_without_the_others(caller: Caller):
    with raw_server(http(HTML, status=503)) as server:
        knock(caller, server)
    caller.limiter.reserve([], PLATFORMS["twitter"])
    with pytest.raises(RetryLater):
        caller.limiter.reserve([], PLATFORMS["linkedin"])


@pytest.mark.fault("B36")
@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook", "instagram"])
def test_a_version_that_is_over_fails_the_platform_at_once_and_the_last_data_stays(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    platform: str,
):
    extract(platform, streams=["profile"])
    counted = f"select count(*) from raw.{platform}__profile"
    before = connection.execute(counted).fetchone()
    simulator.clear_calls()
    simulator.faults.add("version_sunset", platform=platform, times=99)
    for _ in range(2):
        results = extract(platform, streams=["profile"])
        assert {type(result.error) for result in results} == {VersionSunset}
    assert len(simulator.calls) == 1, "one call finds out for all accounts and all processes"
    assert connection.execute(counted).fetchone() == before
    assert_ledger_explains(environment, failed={f"{platform}__profile": "VersionSunset"})
    assert_equal_warehouses(environment, undisturbed(platform, streams=["profile"]), [f"{platform}__profile"])
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B36")
def test_a_new_version_is_asked_at_once(caller: Caller):
    with raw_server(http(b'{"message": "not active"}', status=426), http()) as server:
        assert isinstance(caller.error(server.port), VersionSunset)
        assert isinstance(caller.error(server.port), VersionSunset)
        assert len(server.requests) == 1
        client = caller.client(server.port)
        client.platform = replace(linkedin.PLATFORM, version="209901")
        assert ask(client).status == 200
