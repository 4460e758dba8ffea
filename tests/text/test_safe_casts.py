"""Foreign texts as days and instants: what Python's own calendar accepts, and NULL for everything else."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DIGITS = st.text("0123456789-T:+Z. infynow", max_size=28)
NEARLY_DAYS = st.builds("{:04d}-{:02d}-{:02d}".format, st.integers(0, 9999), st.integers(0, 14), st.integers(0, 33))
CLOCKS = st.builds("{:02d}:{:02d}:{:02d}".format, st.integers(0, 25), st.integers(0, 61), st.integers(0, 61))
OFFSETS = st.sampled_from(["Z", "+0000", "+05:45", "-0800", "+15:59", "+16:00", "", "+1"])
NEARLY_INSTANTS = st.builds("{}T{}{}".format, NEARLY_DAYS, CLOCKS, OFFSETS)


def day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def instant(text: str) -> datetime | None:
    shape = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if re.fullmatch(shape, text) else None
    except (ValueError, OverflowError):
        return None


def ask(texts: psycopg.Connection[Any], function: str, values: list[str]) -> list[str | None]:
    query = (
        f"select {function}(value)::text from unnest(%s::text[]) with ordinality as given (value, place) order by place"
    )
    return [row[0] for row in texts.execute(query, (values,))]


@settings(max_examples=60, deadline=None)
@given(values=st.lists(NEARLY_DAYS | DIGITS, max_size=50))
def test_a_day_is_one_of_the_calendar_or_null(texts: psycopg.Connection[Any], values: list[str]):
    expected = [found.isoformat() if (found := day(value)) else None for value in values]
    assert ask(texts, "ops.day_of", values) == expected


@pytest.mark.fault("B34")
@settings(max_examples=60, deadline=None)
@given(values=st.lists(NEARLY_INSTANTS | DIGITS, max_size=50))
def test_an_instant_has_an_offset_or_is_null(texts: psycopg.Connection[Any], values: list[str]):
    found = ask(texts, "ops.instant_of", values)
    for value, ours in zip(values, found, strict=True):
        assert (ours is None) == (instant(value) is None) or value[:4] in ("0000", "0001", "9999"), value


def test_both_work_in_parallel_workers(texts: psycopg.Connection[Any]):
    # An error handler would open a subtransaction, which a worker refuses.
    with texts.transaction(force_rollback=True):
        texts.execute("set local debug_parallel_query = on")
        row = texts.execute(
            "select ops.day_of(v), ops.instant_of(w) from (values ('2026-02-29', '2026-02-29T00:00:00Z')) as t (v, w)"
        ).fetchone()
        assert row == (None, None)
        row = texts.execute("select ops.day_of(v) from (values ('2028-02-29')) as t (v)").fetchone()
        assert row == (date(2028, 2, 29),)
