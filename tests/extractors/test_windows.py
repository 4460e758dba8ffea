"""Which days are asked for: no day twice, none missing, none beyond what a platform offers."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.spec import Window
from extractors.windows import calls, first_day

PACIFIC = ZoneInfo("America/Los_Angeles")
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))


def test_the_first_run_reads_the_history_and_later_ones_look_back():
    window = Window(days=90, history=365, oldest=730, lookback=7)
    today = date(2026, 11, 21)
    assert first_day(window, today, asked=None, read_until=None) == today - timedelta(days=365)
    assert first_day(window, today, asked=None, read_until=today) == today - timedelta(days=7)


def test_after_ten_days_down_the_gap_is_read_as_well():
    window = Window(days=90, history=365, oldest=730, lookback=3)
    today = date(2026, 11, 21)
    assert first_day(window, today, asked=None, read_until=date(2026, 11, 11)) == date(2026, 11, 8)


def test_a_start_before_what_the_platform_offers_is_clamped():
    window = Window(days=30, history=30, oldest=30, lookback=3)
    assert first_day(window, date(2026, 11, 21), asked=date(1999, 1, 1), read_until=None) == date(2026, 10, 22)


@given(since=DAYS, length=st.integers(0, 900), span=st.integers(1, 120), lag=st.integers(0, 3))
def test_calls_cover_every_ready_day_once_and_never_exceed_the_span(since, length, span, lag):
    window = Window(days=span, history=1, oldest=2000, lookback=1, lag=lag, calendar=UTC)
    today = since + timedelta(days=length)
    now = datetime(today.year, today.month, today.day, 13, tzinfo=UTC)
    spans = calls(window, now, since=since, until=None)
    days = [start.date() + timedelta(days=n) for start, end in spans for n in range((end - start).days)]
    ready = today - timedelta(days=lag)
    assert days == [since + timedelta(days=n) for n in range(max((ready - since).days, 0))]
    assert all((end - start).days <= span for start, end in spans)


@given(since=DAYS, length=st.integers(1, 400))
def test_no_call_is_longer_than_its_days_in_seconds_even_across_a_25_hour_day(since, length):
    # Instagram refuses a span above 30 * 86,400 seconds; an autumn month in California has an hour more.
    window = Window(days=30, history=1, oldest=2000, lookback=1, calendar=PACIFIC)
    today = since + timedelta(days=length)
    now = datetime(today.year, today.month, today.day, 12, tzinfo=PACIFIC)
    for start, end in calls(window, now, since=since, until=None):
        assert end.timestamp() - start.timestamp() <= 30 * 86_400
        assert end.timetz().replace(tzinfo=None).isoformat() == "00:00:00"


def test_single_days_keep_their_midnights_when_the_clocks_change():
    window = Window(days=1, history=30, oldest=365, lookback=3, calendar=PACIFIC)
    now = datetime(2026, 11, 3, 12, tzinfo=PACIFIC)
    spans = calls(window, now, since=date(2026, 10, 31), until=None)
    hours = [(end.timestamp() - start.timestamp()) / 3600 for start, end in spans]
    assert hours == [24, 25, 24]


def test_nonsense_windows_are_refused_when_built():
    with pytest.raises(ValueError, match="window out of order"):
        Window(days=0, history=1, oldest=1, lookback=1)
