"""`ops.hashtags` and `ops.fold_hashtag`, against X's own cases and an independent reading of its rules."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors.migrate import migrate
from extractors.settings import Settings
from local import postgres
from tests.text import readings

CASES = Path(__file__).parents[3] / "shared" / "data" / "hashtags" / "twitter_text_hashtags.yml"
FRAGMENTS = [
    *"aZ9_#＃&/:.,?-@$()' \n\t",
    *["ä", "ı", "İ", "ß", "漢", "ﾊﾟ", "ー", "・", "·", "״", "़", "٣", "𝒳", "😀", "✌🏿", "#️⃣", "\ufe0e", "\ufe0f"],
    *["\u200d", "\u200c", "\u20e3", "\u00a0", "\u3000", "://", "http://", "https://example.com", "/a", "x.co/", "tag"],
]
SNIPPETS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
)
BATCHES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def column(connection: psycopg.Connection, call: str, values: list[Any]) -> list[Any]:
    """Return what an SQL call makes of each value, in one round trip."""
    query = f"select {call} from unnest(%s::text[]) with ordinality as given (value, number) order by number"
    return [row[0] for row in connection.execute(query, [values])]


@pytest.mark.skipif(not CASES.exists(), reason="X's conformance cases are not beside the repository")
def test_every_case_of_x_gives_the_expected_tags(texts: psycopg.Connection) -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["hashtags"]
    found = column(texts, "ops.hashtags(value)", [case["text"] for case in cases])
    wrong = {case["text"]: tags for case, tags in zip(cases, found, strict=True) if tags != case["expected"]}
    assert len(cases) == 65
    assert wrong == {}


@given(batch=st.lists(SNIPPETS, min_size=20, max_size=20))
@BATCHES
def test_tags_are_those_of_an_independent_reading_of_the_rules(texts: psycopg.Connection, batch: list[str]) -> None:
    assert column(texts, "ops.hashtags(value)", batch) == [readings.hashtags(text) for text in batch]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", []),
        ("no tag at all", []),
        ("#twice #Twice", ["twice", "Twice"]),
        ("##double", ["double"]),
        ("#one#two", []),
        ("AT&T&#8217; &#tag", []),
        ("#️⃣ #⃣a", []),
        ("read https://example.com/a-#b, then #c", ["c"]),
        ("read https://t.co/Ab1-#b", ["b"]),
        ("read (https://example.com/x_(y)_#z) #c", ["c"]),
        ("read https://bücher.example/#a ＃b", ["b"]),
        ("mail me@example.com/#a", ["a"]),
    ],
)
def test_a_tag_begins_and_ends_where_x_says(texts: psycopg.Connection, text: str, tags: list[str]) -> None:
    assert column(texts, "ops.hashtags(value)", [text]) == [tags]


def test_null_stays_null(texts: psycopg.Connection) -> None:
    calls = ["hashtags(null)", "fold_hashtag(null)", "linkedin_text(null)", "linkedin_hashtags(null)"]
    row = texts.execute("select " + ", ".join(f"ops.{call}" for call in [*calls, "twitter_text(null)"])).fetchone()
    assert row == (None,) * 5


def test_every_character_folds_as_unicode_says(texts: psycopg.Connection) -> None:
    points = map(chr, range(1, sys.maxunicode + 1))
    characters = [point for point in points if unicodedata.category(point) not in ("Cn", "Co", "Cs")]
    folded = column(texts, "ops.fold_hashtag(value)", characters)
    expected = [readings.fold(character) for character in characters]
    assert [pair for pair in zip(folded, expected, strict=True) if pair[0] != pair[1]] == []


@given(batch=st.lists(SNIPPETS, min_size=20, max_size=20))
@BATCHES
def test_folding_is_that_of_unicode_and_folds_no_further(texts: psycopg.Connection, batch: list[str]) -> None:
    folded = column(texts, "ops.fold_hashtag(value)", batch)
    assert folded == [readings.fold(text) for text in batch]
    assert column(texts, "ops.fold_hashtag(value)", folded) == folded


def test_a_turkish_database_reads_and_folds_alike(server: postgres.Server) -> None:
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        try:
            connection.execute("create database turkish template template0 locale_provider icu icu_locale 'tr-TR'")
        except psycopg.errors.FeatureNotSupported:
            pytest.skip("this server is built without ICU")
    turkish = Settings.from_environment(server.environment("turkish"))
    migrate(turkish)
    with turkish.warehouse.connect() as connection:
        assert column(connection, "lower(value)", ["I"]) == ["ı"]
        assert column(connection, "ops.fold_hashtag(value)", ["IŞIK", "İŞ", "STRASSE", "straße"]) == [
            "işik",
            "i̇ş",
            "strasse",
            "strasse",
        ]
        assert column(connection, "ops.hashtags(value)", ["#IŞIK und #Straße"]) == [["IŞIK", "Straße"]]


def test_functions_may_run_in_parallel_and_in_indexes(texts: psycopg.Connection) -> None:
    # What gives rows, or nothing, or is a trigger, is called from elsewhere than an expression.
    expressions = "not proretset and prorettype not in ('trigger'::regtype, 'void'::regtype, 'record'::regtype)"
    rows = texts.execute(
        f"select proname from pg_proc where pronamespace = 'ops'::regnamespace and {expressions}"
        " and (provolatile <> 'i' or proparallel <> 's' or not proisstrict)"
    ).fetchall()
    assert rows == []
    known = texts.execute(
        f"select count(*) from pg_proc where pronamespace = 'ops'::regnamespace and {expressions}"
    ).fetchone()
    assert known is not None
    assert known[0] > 5
