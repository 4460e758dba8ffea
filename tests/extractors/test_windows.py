"""Which days are asked for: no day twice, none missing, none beyond what a platform offers."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.extract import window_end
from extractors.registry import PLATFORMS
from extractors.schedule import as_asked
from extractors.spec import Account, Window
from extractors.windows import calls, first_day

PACIFIC = ZoneInfo("America/Los_Angeles")
DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))


def test_the_first_run_reads_the_history_and_later_ones_look_back():
    window = Window(days=90, history=365, oldest=730, lookback=7)
    today = date(2026, 11, 21)
    assert first_day(window, today, asked=None, read_until=None) == today - timedelta(days=365)
    assert first_day(window, today, asked=None, read_until=today) == today - timedelta(days=7)


@pytest.mark.fault("D07")
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


@pytest.mark.fault("D08")
def test_single_days_keep_their_midnights_when_the_clocks_change():
    window = Window(days=1, history=30, oldest=365, lookback=3, calendar=PACIFIC)
    now = datetime(2026, 11, 3, 12, tzinfo=PACIFIC)
    spans = calls(window, now, since=date(2026, 10, 31), until=None)
    hours = [(end.timestamp() - start.timestamp()) / 3600 for start, end in spans]
    assert hours == [24, 25, 24]


def test_nonsense_windows_are_refused_when_built():
    with pytest.raises(ValueError, match="window out of order"):
        Window(days=0, history=1, oldest=1, lookback=1)


def hours_of(spans: list[tuple[datetime, datetime]]) -> list[float]:
    return [(end.timestamp() - start.timestamp()) / 3600 for start, end in spans]


@pytest.mark.fault("D08")
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight itself did not exist; Brazil has no summer time since
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("America/Sao_Paulo", date(2026, 10, 18), 24),
        ("Asia/Kathmandu", date(2026, 10, 25), 24),
        ("America/Los_Angeles", date(2026, 3, 8), 23),
        ("America/Los_Angeles", date(2026, 11, 1), 25),
    ],
)
def test_days_of_23_and_25_hours_are_one_day_and_leave_no_hole(zone: str, day: date, hours: int):
    window = Window(days=1, history=30, oldest=10_000, lookback=3, calendar=ZoneInfo(zone))
    now = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)) + timedelta(days=3)
    spans = calls(window, now, since=day - timedelta(days=1), until=day + timedelta(days=2))
    assert hours_of(spans) == [24, hours, 24]
    assert all(before[1].timestamp() == after[0].timestamp() for before, after in pairwise(spans))


@pytest.mark.fault("D08")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Auckland"])
@given(day=DAYS)
def test_an_asked_range_is_whole_days_of_the_business_s_calendar(zone: str, day: date):
    account = Account(business_id=1, platform="facebook", account_id="1", credential="c", timezone=zone)
    stream, now = PLATFORMS["facebook"].stream("posts"), datetime(2027, 6, 1, tzinfo=UTC)
    start, end = as_asked(account, stream, now, day).since, window_end(account, day, now)
    assert start is not None
    assert end is not None
    local = [edge.astimezone(ZoneInfo(zone)) for edge in (start, end)]
    assert [edge.date() for edge in local] == [day, day + timedelta(days=1)]
    assert all(edge.time().isoformat() in ("00:00:00", "01:00:00") for edge in local)
    assert 23 <= (end - start).total_seconds() / 3600 <= 25
    assert end == as_asked(account, stream, now, day + timedelta(days=1)).since, "the next range begins where it ends"


@pytest.mark.fault("D09")
@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2027, 1, 1), date(2026, 12, 25), date(2026, 12, 31)),
        (date(2027, 1, 3), date(2026, 12, 27), date(2027, 1, 2)),  # ISO week 53 of 2026 ends on 2027-01-03
        (date(2028, 2, 29), date(2028, 2, 22), date(2028, 2, 28)),
        (date(2028, 3, 1), date(2028, 2, 23), date(2028, 2, 29)),
        (date(2027, 3, 1), date(2027, 2, 22), date(2027, 2, 28)),
        (date(2100, 3, 1), date(2100, 2, 22), date(2100, 2, 28)),  # no leap year
    ],
)
def test_the_last_seven_days_at_the_ends_of_years_and_februaries(today: date, first: date, last: date):
    window = Window(days=1, history=365, oldest=730, lookback=7)
    since = first_day(window, today, asked=None, read_until=today)
    spans = calls(window, datetime(today.year, today.month, today.day, 13, tzinfo=UTC), since=since, until=None)
    assert (spans[0][0].date(), spans[-1][0].date(), len(spans)) == (first, last, 7)


@pytest.mark.fault("D09")
def test_a_year_back_from_a_leap_day_exists():
    window = Window(days=365, history=365, oldest=365, lookback=14)
    assert first_day(window, date(2028, 2, 29), asked=None, read_until=None) == date(2027, 3, 1)
    assert first_day(window, date(2028, 2, 29), asked=date(2024, 2, 29), read_until=None) == date(2027, 3, 1)
