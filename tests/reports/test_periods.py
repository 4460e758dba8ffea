"""Periods as people write them, and the last one that has ended."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import ConfigurationError
from reports.periods import KINDS, latest_complete_period, parse_period, period_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("kind", "text", "first", "after"),
    [
        ("day", "2026-02-28", date(2026, 2, 28), date(2026, 3, 1)),
        ("week", "2026-W01", date(2025, 12, 29), date(2026, 1, 5)),
        ("week", "2026-W53", date(2026, 12, 28), date(2027, 1, 4)),
        ("month", "2026-12", date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_period_is_the_days_it_names(kind: str, text: str, first: date, after: date) -> None:
    period = parse_period(kind, text)
    assert (period.first_day, period.day_after, str(period)) == (first, after, text)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("week", "2026-11", "is a month, and this report is by week; write it like 2026-W47"),
        ("week", "2026-11-21", "is a day, and this report is by week"),
        ("month", "2026-W47", "is a week, and this report is by month"),
        ("week", "2025-W53", "is on no calendar"),
        ("week", "2026-W00", "is on no calendar"),
        ("day", "2026-02-29", "is on no calendar"),
        ("month", "0000-01", "is on no calendar"),
        ("week", "9999-W53", "is on no calendar"),
        ("week", "2026-w47", "is not written like YYYY-Www"),
        ("week", "../../etc", "is not written like YYYY-Www"),
        ("day", "２０２６-11-21", "is not written like YYYY-MM-DD"),
        ("day", "2026-11-21\n", "is not written like YYYY-MM-DD"),
    ],
)
def test_a_wrong_period_is_refused_with_an_example(kind: str, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_period(kind, text)
    assert message in str(caught.value)


@given(kind=st.sampled_from(KINDS), day=st.dates(date(1, 1, 8), date(9999, 11, 1)))
def test_every_day_is_in_exactly_the_period_that_is_written(kind: str, day: date) -> None:
    period = period_of(kind, day)
    assert period.first_day <= day < period.day_after
    assert parse_period(kind, str(period)) == period
    assert period_of(kind, period.day_after).first_day == period.day_after


@pytest.mark.parametrize(
    ("kind", "now", "timezone", "expected"),
    [
        ("week", "2026-11-16T04:30:00+00:00", "Europe/Berlin", "2026-W46"),
        ("week", "2026-11-16T04:30:00+00:00", "America/Los_Angeles", "2026-W45"),
        ("day", "2026-11-16T10:30:00+00:00", "Pacific/Kiritimati", "2026-11-16"),
        ("month", "2026-01-01T00:00:00+00:00", "UTC", "2025-12"),
        ("week", "2027-01-04T00:00:00+00:00", "UTC", "2026-W53"),
    ],
)
def test_the_last_period_has_ended_where_the_business_is(kind: str, now: str, timezone: str, expected: str) -> None:
    assert str(latest_complete_period(kind, datetime.fromisoformat(now), timezone)) == expected
