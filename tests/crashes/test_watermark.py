"""The watermark moves once, by the gate, for a whole run; and never back."""

from __future__ import annotations

from datetime import date
from typing import Any

from expectations.gate import validate_pending
from extractors.extract import extract_account
from extractors.settings import Settings
from tests.crashes.harness import ANCHOR, EXPIRE, POSTS, Lane


def watermarks(lane: Lane) -> list[tuple[Any, ...]]:
    return lane.sql("select stream, watermark, run_id::text from ops.cursors")


def test_the_watermark_of_a_killed_run_moves_once_when_it_is_whole(lane: Lane):
    settings = Settings.from_environment(lane.environment)
    lane.reset()
    lane.run(kill_at=lane.landing[2])
    assert validate_pending(settings, ["facebook"]) == [], "a run that is not over is not judged"
    assert watermarks(lane) == []
    assert lane.finish().is_exact
    (judged,) = validate_pending(settings, ["facebook"])
    assert judged.passed
    assert judged.rows == 83
    assert watermarks(lane) == [("facebook__posts", ANCHOR, judged.run_id)]
    assert validate_pending(settings, ["facebook"]) == []
    assert watermarks(lane) == [("facebook__posts", ANCHOR, judged.run_id)]


def test_an_old_range_read_after_a_newer_one_moves_no_watermark_back(lane: Lane):
    settings = Settings.from_environment(lane.environment)
    lane.reset()
    assert lane.run().is_complete
    validate_pending(settings, ["facebook"])
    before, rows = watermarks(lane), lane.outcome().rows
    (old,) = extract_account(
        settings, lane.account, streams=[POSTS.stream], since=date(2026, 9, 1), until=date(2026, 10, 10)
    )
    assert old.state == "complete"
    assert old.listed > 0
    (judged,) = validate_pending(settings, ["facebook"])
    assert judged.passed
    assert [row[1] for row in watermarks(lane)] == [row[1] for row in before] == [ANCHOR]
    assert lane.outcome().rows == rows


def test_a_run_killed_inside_an_old_range_is_finished_apart_from_the_newer_one(lane: Lane):
    lane.reset()
    asked = {"since": "2026-09-01", "until": "2026-10-10"}
    alone = lane.run(**asked)
    assert alone.is_complete
    expected = lane.outcome().rows
    lane.reset()
    lane.run(**asked, kill_at=lane.landing[0])
    lane.sql(EXPIRE)
    assert lane.run(**asked).is_complete
    assert lane.outcome().rows == expected
    assert lane.run().is_complete
    assert lane.verdict().lost == lane.verdict().twice == 0
