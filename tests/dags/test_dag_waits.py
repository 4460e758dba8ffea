"""Who has to wait: until when a run waits for it, in which group, and what is left to the next run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from extractors.chunks import CHUNK
from extractors.status import Line

NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("airflow_environment")]


def line(account: int, *, waits: datetime | None = None, action: str | None = "wait", state: str = "failed") -> Line:
    return Line(
        business_id=1, platform="twitter", account_id=str(account), stream="twitter__posts", state=state, stored=0,
        unchanged=0, calls=1, age_hours=None, next_allowed_at=waits, error="it broke; mend it", action=action,
    )  # fmt: skip


def waiting(*lines: Line) -> dict[tuple[int, str], datetime]:
    from dags.later import waiting

    return waiting(lines, now=NOW, until=NOW + HOUR)


def test_who_waits_within_the_time_is_read_then_and_who_waits_longer_is_left_to_the_next_run() -> None:
    soon, late = NOW + HOUR / 2, NOW + 2 * HOUR
    assert waiting(line(1, waits=soon), line(2, waits=late)) == {(1, "1"): soon}


def test_an_account_waits_for_the_last_of_its_limits_that_ends_in_time() -> None:
    first, last, late = NOW + HOUR / 4, NOW + HOUR / 2, NOW + 2 * HOUR
    assert waiting(*(line(1, waits=at) for at in (last, late, first))) == {(1, "1"): last}


def test_whose_turn_did_not_come_is_read_at_once_unless_only_a_person_can_help() -> None:
    dead = line(2, action="renew the token")
    assert waiting(line(1, state="never ran"), dead, line(2, state="never ran")) == {(1, "1"): NOW}


def test_what_a_person_must_do_is_told_beside_what_is_waited_for() -> None:
    from dags.later import is_later

    waits, denied = line(1, waits=NOW + HOUR / 2), line(1, action="fix the permission")
    found = waiting(waits, denied)
    assert (is_later(waits, found), is_later(denied, found)) == (True, False)


def test_limits_that_end_within_minutes_make_one_group_and_no_group_is_larger_than_a_chunk() -> None:
    from dags.later import _groups

    alike = {(1, str(n)): NOW + timedelta(seconds=n) for n in range(CHUNK + 2)}
    apart = {(2, "1"): NOW + HOUR / 2}
    groups = list(_groups(alike | apart))
    assert [len(group) for _, group in groups] == [CHUNK, 2, 1]
    assert [until for until, _ in groups] == [NOW + timedelta(seconds=n) for n in (CHUNK - 1, CHUNK + 1, 1800)]


def context(**asked: Any) -> dict[str, Any]:
    run = SimpleNamespace(run_type="manual", start_date=NOW, data_interval_start=None)
    return {"dag_run": run, "params": asked}


@pytest.mark.parametrize(
    ("platform", "until"),
    [("twitter", datetime(2026, 11, 21, 9, tzinfo=UTC)), ("linkedin", datetime(2026, 11, 22, 3, tzinfo=UTC))],
)
def test_a_run_waits_no_longer_than_until_the_next_one_begins(platform: str, until: datetime) -> None:
    from dags.schedules import run_timeout, waits_until

    assert waits_until(platform, context()) == until
    assert until - NOW < run_timeout(platform)


def test_a_run_whose_days_no_schedule_reads_again_waits_a_day() -> None:
    from dags.schedules import waits_until

    assert waits_until("twitter", context(since="2026-11-01")) == NOW + timedelta(days=1)
