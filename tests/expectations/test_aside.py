"""Few bad records are set aside and the rest passes; above one in a hundred, or fifty, the whole run is held back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from expectations.gate import validate_pending
from expectations.runs import Run
from tests.expectations.conftest import AS_OF, World
from tests.expectations.samples import ACCOUNT, good

((KEY, POST),) = good("twitter__posts").items()


def posts(bad: int, of: int, **wrong: Any) -> dict[str, dict[str, Any]]:
    """So many posts, the first of them with other counts."""
    made = {}
    for number in range(of):
        post = copy.deepcopy(POST) | {"id": f"{number}"}
        if number < bad:
            post["public_metrics"] |= wrong
        made[f"{number}"] = post
    return made


def stored(world: World) -> int:
    return int(world.one("select count(*) from raw.twitter__posts"))


@pytest.mark.fault("B21", "B26", "E04")
@pytest.mark.parametrize("wrong", ["1.2K", "12", {"value": 1}, -3])
def test_two_bad_records_of_two_hundred_are_set_aside_with_the_reason(world: World, wrong: Any) -> None:
    run_id = world.run("twitter__posts", posts(2, 200, like_count=wrong))
    (result,) = validate_pending(world.settings)
    assert (result.passed, result.rows, result.set_aside) == (True, 198, 2)
    assert world.gate(run_id) == "passed"
    assert world.watermark("twitter__posts") == AS_OF
    assert stored(world) == 198
    kept = world.connection.execute(
        "select record_key, reason, detail, convert_from(body, 'UTF8')::jsonb from ops.quarantine order by 1"
    ).fetchall()
    assert [(key, reason) for key, reason, _, _ in kept] == [("0", "SetAside"), ("1", "SetAside")]
    assert all("$.public_metrics.like_count" in detail for _, _, detail, _ in kept)
    assert kept[0][3] == posts(1, 1, like_count=wrong)["0"]
    ledger = "select array[listed, stored, unchanged, quarantined], coverage from ops.extract_runs"
    assert world.connection.execute(ledger).fetchone() == ([200, 198, 0, 2], 99)
    (line,) = result.lines()
    assert "set aside" in line
    assert "quarantine list" in line


def test_what_comes_again_as_it_was_is_one_entry(world: World) -> None:
    for _ in range(3):
        world.run("twitter__posts", posts(1, 200, like_count="many"))
        (result,) = validate_pending(world.settings)
        assert result.set_aside == 1
    assert world.one("select array_agg(times) from ops.quarantine") == [3]
    assert world.one("select last_run_id::text from ops.quarantine") == result.run_id


@pytest.mark.parametrize(("bad", "of"), [(3, 200), (51, 6_000)])
def test_more_than_that_holds_the_run_back(world: World, bad: int, of: int) -> None:
    run_id = world.run("twitter__posts", posts(bad, of, like_count="many"))
    (result,) = validate_pending(world.settings)
    assert (result.passed, result.set_aside) == (False, 0)
    assert world.gate(run_id) == "quarantined"
    assert stored(world) == of
    assert world.one("select count(*) from ops.quarantine") == 0
    assert result.report[0]["count"] == bad


@pytest.mark.fault("B21", "B26")
@pytest.mark.parametrize(("bad", "of", "passes"), [(1, 40, True), (1, 10, True), (1, 9, False), (2, 199, False)])
def test_a_short_run_may_miss_one_of_ten(world: World, bad: int, of: int, passes: bool) -> None:
    """Else one post that stays broken would hold back every run of a small account for ever."""
    world.run("twitter__posts", posts(bad, of, like_count="many"))
    (result,) = validate_pending(world.settings)
    assert (result.passed, result.set_aside) == (passes, bad if passes else 0)
    assert stored(world) == (of - bad if passes else of)


def test_fifty_of_many_pass(world: World) -> None:
    world.run("twitter__posts", posts(50, 5_000, like_count="many"))
    (result,) = validate_pending(world.settings)
    assert (result.passed, result.set_aside) == (True, 50)


def test_what_could_not_be_read_counts_as_well(world: World) -> None:
    run_id = world.run("twitter__posts", posts(1, 200, like_count="many"), listed=202, stored=200)
    world.connection.execute("update ops.extract_runs set unchanged = 0, quarantined = 2")
    unread(world, run_id, "ContractBroken", 2)
    (result,) = validate_pending(world.settings)
    assert [item["expectation"] for item in result.report] == ["expect_column_values_to_be_null"]
    assert not result.passed


@pytest.mark.fault("B37")
@pytest.mark.parametrize(("reason", "passes"), [("ContractBroken", False), ("Unstorable", False), ("ObjectGone", True)])
def test_a_budget_counts_what_has_another_form_not_what_the_platform_refuses(
    world: World, reason: str, passes: bool
) -> None:
    run_id = world.run("twitter__posts", posts(0, 100), listed=103, stored=100)
    world.connection.execute("update ops.extract_runs set unchanged = 0, quarantined = 3")
    unread(world, run_id, reason, 3)
    (result,) = validate_pending(world.settings)
    assert result.passed is passes
    assert [item["expectation"] for item in result.report] == ([] if passes else ["quarantine_budget"])
    assert world.one("select coverage from ops.extract_runs") == pytest.approx(97, abs=0.1)


def unread(world: World, run_id: str, reason: str, number: int) -> None:
    world.connection.execute(
        "insert into ops.quarantine (run_id, business_id, platform, account_id, stream, record_key, reason, detail,"
        " body, observed_at, last_run_id, last_seen_at) select run_id, business_id, platform, account_id, stream,"
        " n::text, %s, 'odd', '{}', as_of, run_id, as_of from ops.extract_runs, generate_series(1, %s) as n"
        " where run_id = %s",
        (reason, number, run_id),
    )


@pytest.mark.parametrize(
    ("stream", "change"),
    [
        ("facebook__posts", {"insights": {"data": [], "paging": {"next": "https://x/?access_token=EAAG"}}}),
        ("linkedin__posts", {"author": "urn:li:organization:1"}),
    ],
)
def test_a_token_or_a_foreign_record_is_never_set_aside(world: World, stream: str, change: dict[str, Any]) -> None:
    key, record = next(iter(good(stream).items()))
    rows = {f"{key}{number}": copy.deepcopy(record) | {"id": f"{key}{number}"} for number in range(200)}
    rows[f"{key}7"] |= change
    world.run(stream, rows)
    (result,) = validate_pending(world.settings)
    assert not result.passed
    assert world.one("select count(*) from ops.quarantine") == 0


def test_a_replay_moves_no_watermark_and_need_not_be_whole(world: World) -> None:
    world.run("linkedin__profile", dict(list(good("linkedin__profile").items())[:1]))
    world.connection.execute("update ops.extract_runs set kind = 'replay'")
    (result,) = validate_pending(world.settings)
    assert result.passed
    assert world.watermark("linkedin__profile") is None


def test_a_run_is_whole_when_it_is_complete_and_no_replay() -> None:
    common = {"run_id": "1", "business_id": 1, "platform": "twitter", "account_id": ACCOUNT, "stream": "twitter__posts"}
    counts = {"lease_epoch": 1, "stored": 0, "listed": 0, "unread": 0, "window_since": None, "window_until": AS_OF}
    kinds = [("scheduled", "complete"), ("asked", "complete"), ("replay", "complete"), ("scheduled", "failed")]
    whole = [Run(**common, **counts, kind=kind, state=state).is_whole for kind, state in kinds]  # type: ignore[arg-type]
    assert whole == [True, True, False, False]
