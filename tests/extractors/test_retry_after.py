"""What an answer says of waiting, and how a wait is kept: by the database's clock, and never for long in a worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import RetryLater
from extractors.http import retry_after
from tests.extractors.sockets import ANCHOR, Caller, http, raw_server

Connection = psycopg.Connection[Any]

IMF = "%a, %d %b %Y %H:%M:%S GMT"


@pytest.mark.fault("A01")
def test_a_pause_in_seconds_is_kept(caller: Caller):
    with raw_server(http(b'{"message": "DAY limit"}', status=429, Retry_After="7"), http()) as server:
        assert caller.call(server.port).status == 200
    assert 6.5 < sum(caller.slept) <= 7.0
    assert len(server.requests) == 2


@pytest.mark.fault("A02", "B17")
def test_a_date_to_wait_for_counts_from_the_servers_own_clock(caller: Caller):
    wrong = datetime.now(UTC) + timedelta(minutes=10)
    ends = (wrong + timedelta(seconds=30)).strftime(IMF)
    asked = http(b"{}", status=503, Retry_After=ends, Date=wrong.strftime(IMF))
    with raw_server(asked, http()) as server:
        assert caller.call(server.port).status == 200
    assert 29 < sum(caller.slept) <= 30


@pytest.mark.fault("A04")
@pytest.mark.parametrize("said", ["-5", "abc", "", "7, 7", "1e3", "Thu, 01 Jan 1970 00:00:00 GMT", "٧"])
def test_a_pause_that_makes_no_sense_is_ignored(said: str):
    assert retry_after({"retry-after": said, "date": ANCHOR.strftime(IMF)}) is None


@pytest.mark.fault("A04")
def test_a_pause_of_years_is_a_day_and_nobody_sleeps_for_it(caller: Caller):
    with raw_server(http(b"{}", status=429, Retry_After="99999999")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert timedelta(hours=23, minutes=59) < error.at - datetime.now(UTC) <= timedelta(hours=24)
    assert caller.slept == []
    assert len(server.requests) == 1


@pytest.mark.fault("A04")
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_text_makes_a_pause_below_zero_or_above_a_day(said: str, date: str):
    pause = retry_after({"retry-after": said, "date": date})
    assert pause is None or timedelta(0) <= pause <= timedelta(hours=24)


@pytest.mark.fault("A04")
def test_a_pause_above_two_minutes_releases_the_worker(caller: Caller):
    with raw_server(http(b'{"message": "MEMBER MINUTE limit"}', status=429, Retry_After="121")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert caller.slept == []


@pytest.mark.fault("A03")
def test_a_limit_without_a_pause_uses_the_known_window(caller: Caller):
    with raw_server(http(b'{"message": "APPLICATION DAY limit"}', status=429)) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert error.at.strftime("%H:%M:%S") == "00:00:00"


@pytest.mark.fault("B17", "D16")
def test_a_wrong_clock_here_does_not_block_the_others(
    caller: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
):
    class Fast(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=3)

    monkeypatch.setattr("extractors.limiter.datetime", Fast)
    with raw_server(http(b"{}", status=429, Retry_After="600")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    (left,) = connection.execute("select max(blocked_until) - clock_timestamp() from ops.rate_budgets").fetchone()
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)
