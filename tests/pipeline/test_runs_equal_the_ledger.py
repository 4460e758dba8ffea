"""Every record of every run, counted from raw and judged by the simulator's truth, against the marts about runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.pipeline import runs
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import REFUSED, Built
from tests.pipeline.runs import Records

ABOUT = ["business_id", "platform", "account_id", "stream"]


@pytest.fixture(scope="session")
def records(builds: Mapping[str, Built]) -> dict[str, Records]:
    """What each build knew of every record."""
    return {name: Records(built) for name, built in builds.items()}


@pytest.fixture
def audited_in(built: Built, builds: Mapping[str, Built], records: dict[str, Records]) -> dict[datetime, Records]:
    """What was known when the runs of an instant were audited: once, by the build that first saw them."""
    early = builds["first"].observed
    return {at: records["first" if at in early else "second"] for at in runs.ended(built)["as_of"]}


def test_every_record_of_a_run_is_accounted_for(built: Built, audited_in: dict[datetime, Records]):
    expected = runs.reconciliation(built, audited_in)
    counted = ["listed", "stored", "unchanged", "quarantined", "staged", "in_core", "in_mart", "difference"]
    values = [*ABOUT, "gate", "finished_at", *counted, "reason", "unexplained"]
    actual = built.table("marts.reconciliation")
    assert_same(actual, expected, ["run_id"], values)
    assert (expected["listed"] == expected["stored"] + expected["unchanged"] + expected["quarantined"]).all()
    reasons = " ".join(expected["reason"].dropna())
    assert {"draft", "dark_post", "ad", "reply", "core_only", "not_modelled"} <= set(reasons.replace(":", "").split())
    refused = actual[actual["gate"] == "quarantined"]
    assert set(refused["account_id"]) == ({REFUSED["account_id"]} if len(built.observed) > 1 else set())


def test_control_totals_are_the_sums_of_what_was_told(built: Built, audited_in: dict[datetime, Records]):
    expected = runs.totals(built, audited_in)
    actual = built.table("marts.reconciliation_totals")
    actual["reason"] = [numbers(reason) for reason in actual["reason"]]
    values = [*ABOUT, "records", "listed", "in_core", "in_mart", "difference", "reason", "unexplained"]
    assert_same(actual, expected, ["run_id", "metric"], values)


def numbers(reason: object) -> dict[str, float]:
    """The numbers of a reason in words: 0 and 0.0 are spelled otherwise and the same."""
    parts = (part.partition(": ") for part in reason.split(", ")) if isinstance(reason, str) else ()
    return {name: float(number) for name, _, number in parts}


def test_the_first_look_listed_what_there_was(builds: Mapping[str, Built]):
    built = builds["first"]
    listed = runs.ended(built).set_index(["platform", "account_id", "stream"])["listed"]
    for account in built.world.accounts:
        # X is asked to leave out what others wrote.
        there = sum(post.kind != "retweet" for post in built.world.listed(account, built.now))
        assert listed[account.platform, account.account_id, f"{account.platform}__posts"] == there


def test_freshness_is_that_of_the_ledger(built: Built):
    actual = built.table("marts.data_freshness")
    expected = runs.freshness(built)
    age = datetime.now(UTC) - expected["last_success_at"]
    expected["age_hours"] = age / timedelta(hours=1)
    expected["is_stale"] = expected["age_hours"] > expected["stale_after_hours"]
    expected["publish_error"] = None
    expected["last_published_at"] = built.table("ops.publications")["ended_at"].max()
    values = ["last_success_at", "last_error", "stale_after_hours", "is_stale", "last_published_at", "publish_error"]
    assert_same(actual, expected, ABOUT, values)
    assert_same(actual, expected, ABOUT, ["age_hours"], within=0.1)
