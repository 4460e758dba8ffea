"""Daily values that platforms blur on purpose: kept as told, the last one counts, and no grain must equal another."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from expectations.gate import validate_pending
from extractors.settings import Settings
from simulator.server import Simulator
from tests.aftermath import assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import ANCHOR, Extract

Connection = psycopg.Connection[Any]


@pytest.mark.fault("B38")
def test_values_that_are_off_by_a_little_each_time_pass_the_gate_as_new_versions(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    settings = Settings.from_environment({**environment, "PIPELINE_NOW": ANCHOR.isoformat()})
    simulator.faults.add("privacy_noise", times=999)
    for _ in range(2):
        assert not [result.error for result in extract("facebook", "linkedin", "instagram") if result.error]
        gates = validate_pending(settings)
        assert gates
        assert all(gate.passed for gate in gates), [line for gate in gates for line in gate.lines()]
    again = connection.execute(
        "select count(*) from (select 1 from raw.facebook__account_daily group by account_id, record_key "
        "having count(*) > 1) as restated"
    ).fetchone()
    assert again is not None
    assert again[0] > 0, "the second look told other values"
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))
