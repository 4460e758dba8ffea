"""What stands in a CSV: whole texts that no spreadsheet runs, numbers that stay numbers."""

from __future__ import annotations

import csv
import io
import sys
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.renderers import DANGEROUS, cell, count_csv_rows, csv_bytes, neutralise, restore

pytestmark = pytest.mark.unit

TEXTS = st.text(
    st.one_of(
        st.sampled_from("=+-@'＝＋－＠ \t\r\n\u00a0\ufeff\u200b\"',;a1"),
        st.characters(exclude_characters="\x00", exclude_categories=["Cs"]),
    ),
    max_size=8,
)
# Written anew, character by character, so that the pattern is not checked with itself.
SIGNS = set("=+-@＝＋－＠−﹢﹣﹦﹫")
SKIPPED = {"Zs", "Zl", "Zp", "Cc", "Cf"}


def is_dangerous(text: str) -> bool:
    """Tell whether some spreadsheet might run this, or skip over a line break or tab to what follows."""
    for character in text.lstrip("'"):
        if character in SIGNS or character in "\t\r\n":
            return True
        if unicodedata.category(character) not in SKIPPED:
            return False
    return False


@pytest.mark.fault("F01")
@pytest.mark.parametrize(
    "text",
    [
        *["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\ufeff=1", "＝1", "＋1", "－1"],
        *["＠A", "\ufeff\u00a0 ＝1", "'=1", "''=1", "\u200b=1", "\u2066=1", "\tword", "\x00=1", "\u2212 1"],
        '=HYPERLINK("https://example.com","a")',
    ],
)
def test_a_formula_becomes_a_text(text: str) -> None:
    assert neutralise(text) == "'" + text
    assert restore(neutralise(text)) == text


@pytest.mark.parametrize("text", ["", "word", "1-1", "a=1", "'quoted'", "#tag", "ünï", "😀 =1", "5", "'"])
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    assert neutralise(text) == text
    assert restore(text) == text


@pytest.mark.fault("F01")
@given(text=TEXTS)
def test_no_cell_begins_a_formula_and_every_text_comes_back(text: str) -> None:
    written = neutralise(text)
    assert written.startswith("'") or not is_dangerous(written)
    assert (written != text) == is_dangerous(text)
    assert restore(written) == text


def test_every_character_that_shows_nothing_is_looked_through() -> None:
    points = (chr(point) for point in range(1, sys.maxunicode + 1))
    hidden = [point for point in points if unicodedata.category(point) in SKIPPED]
    assert [point for point in hidden if not DANGEROUS.match(f"{point}=1")] == []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (-5, "-5"),
        (Decimal("-5.10"), "-5.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("5.6666666666666667"), "5.6666666666666667"),
        (2**70, "1180591620717411303424"),
        (0.5, "0.5"),
        (False, "false"),
        (date(2026, 11, 9), "2026-11-09"),
        (datetime(2026, 11, 9, 1, tzinfo=timezone(timedelta(hours=2))), "2026-11-08T23:00:00Z"),
        (datetime(2026, 11, 9, 1, 2, 3, 4, tzinfo=UTC), "2026-11-09T01:02:03.000004Z"),
        (["ä", "b"], '["ä", "b"]'),
        ("-5", "'-5"),
    ],
)
def test_a_value_is_written_by_its_type(value: object, written: str) -> None:
    assert cell(value) == written


@pytest.mark.fault("F11")
@given(rows=st.lists(st.tuples(TEXTS, TEXTS, st.one_of(st.none(), st.integers())), max_size=20))
def test_any_rows_survive_the_round_trip(rows: list[tuple[str, str, int | None]]) -> None:
    data = b"".join(csv_bytes(("a", "b", "n"), rows)).decode()
    header, *read = list(csv.reader(io.StringIO(data, newline="")))
    assert header == ["a", "b", "n"]
    assert [(restore(a), restore(b), n) for a, b, n in read] == [
        (a, b, "" if n is None else str(n)) for a, b, n in rows
    ]
    assert count_csv_rows(io.StringIO(data, newline="")) == len(rows)


def test_a_long_export_comes_in_pieces() -> None:
    chunks = list(csv_bytes(("text",), (("x" * 1000,) for _ in range(1000))))
    assert len(chunks) > 10
    assert max(map(len, chunks)) < 100_000
