"""Some items of a good answer are errors: each is kept by itself, the others land, and the ledger says how many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
import pytest

from expectations.gate import validate_pending
from extractors.settings import Settings
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import Extract
from tests.extractors.tampering import tampered

Connection = psycopg.Connection[Any]
ALWAYS = date(2020, 1, 1)
KEPT = "select record_key, reason, detail, read, ids from ops.quarantine order by record_key"


@pytest.mark.fault("B37")
def test_a_post_that_x_names_as_an_error_is_a_warning_and_the_page_lands(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    capfd: pytest.CaptureFixture[str],
):
    simulator.faults.add("partial_errors", platform="twitter", path_contains="/tweets", times=1)
    results = extract("twitter", streams=["posts"])
    assert {result.state for result in results} == {"complete"}
    (line,) = [line for result in results for line in result.warnings]
    key = line.rpartition(": ")[2]
    lost = connection.execute("select count(*) from raw.twitter__posts where record_key = %s", (key,)).fetchone()
    assert (key.isdigit(), lost) == (True, (0,))
    assert connection.execute(KEPT).fetchall() == [], "what is not there is no bad data"
    assert all(gate.passed for gate in validate_pending(Settings.from_environment(environment)))
    extract("twitter", streams=["posts"], since=ALWAYS)
    calm = undisturbed("twitter", streams=["posts"], since=ALWAYS)
    assert_equal_warehouses(environment, calm, ["twitter__posts"])
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator), *capfd.readouterr())


@pytest.mark.fault("B37")
def test_an_error_about_an_expansion_is_no_lost_post(extract: Extract, connection: Connection, simulator: Simulator):
    problem = {"resource_type": "user", "parameter": "author_id", "resource_id": "7", "title": "Not Found Error"}

    def change(_path: str, body: Any) -> Any:
        return {**body, "errors": [problem, {**problem, "resource_type": "tweet", "parameter": "referenced_tweets.id"}]}

    with tampered(simulator.base_urls["twitter"], change) as url:
        results = extract("twitter", streams=["posts"], base_urls={"twitter": url})
    assert {(result.state, result.quarantined) for result in results} == {("complete", 0)}
    assert connection.execute(KEPT).fetchall() == []


@pytest.mark.fault("B37")
@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (None, "Transient"),
        ({"code": 200, "body": "{"}, "ContractBroken"),
        ({"code": 200, "body": '{"data": {}}'}, "ContractBroken"),
        ({"code": 200, "body": "[]"}, "ContractBroken"),
        ({"code": 200, "body": 7}, "ContractBroken"),
        ({"code": "many", "body": '{"error": {"code": 1}}'}, "Transient"),
        ({"code": 400, "body": '{"error": "no"}'}, "ContractBroken"),
    ],
)
def test_a_batch_part_that_cannot_be_read_costs_itself_alone(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    capfd: pytest.CaptureFixture[str],
    element: Any,
    reason: str,
):
    extract("instagram", streams=["posts"])
    calm = undisturbed("instagram", streams=["posts", "post_metrics"])

    def change(_path: str, body: Any) -> Any:
        return [element, *body[1:]] if isinstance(body, list) and len(body) > 1 else body

    with tampered(simulator.base_urls["instagram"], change) as url:
        results = extract("instagram", streams=["post_metrics"], base_urls={"instagram": url})
    assert {result.state for result in results} == {"complete"}, [str(result.error) for result in results]
    short = [result for result in results if result.quarantined]
    assert [result.quarantined for result in short] == [1] * len(short)
    kept = connection.execute(KEPT).fetchall()
    assert [(why, read) for _, why, _, read, _ in kept] == [(reason, "reels")] * len(short)
    assert short
    for key, _, detail, _, ids in kept:
        assert key in ids
        assert "account" in detail or "instagram__post_metrics" in detail
    extract("instagram", streams=["post_metrics"])
    assert_equal_warehouses(environment, calm, ["instagram__post_metrics"])
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator), *capfd.readouterr())
