"""The three assertions at work: what a fault leaves behind in the warehouse, the ledger and every sink."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from extractors.registry import PLATFORMS
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import Extract


@pytest.mark.fault("B01")
def test_a_revoked_token_is_explained_and_nowhere_else(
    extract: Extract, environment: dict[str, str], simulator: Simulator, capfd: pytest.CaptureFixture[str]
):
    simulator.faults.add("token_revoked", platform="facebook", times=99)
    extract("facebook")
    every = [stream.full_name for stream in PLATFORMS["facebook"].streams]
    assert_ledger_explains(environment, failed=dict.fromkeys(every, "TokenDead"))
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator), *capfd.readouterr())


@pytest.mark.fault("A08", "A12")
def test_a_burst_of_server_errors_and_a_cut_body_lose_nothing(
    extract: Extract,
    environment: dict[str, str],
    connection: psycopg.Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):
    simulator.faults.add("http_503", platform="facebook", path_contains="published_posts", times=2)
    simulator.faults.add("truncated_json", platform="facebook", path_contains="insights", times=1)
    extract("facebook")
    assert_equal_warehouses(environment, undisturbed("facebook"))
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))
