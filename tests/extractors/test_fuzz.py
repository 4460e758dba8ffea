"""Bodies made by hypothesis, from HTML to bottomless nesting: each lands exactly, or is refused by name; nothing else.

Postgres's own parser is the oracle for what lands as it came. `FUZZ_EXAMPLES` raises the number of bodies for a soak.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from extractors.strict_json import NotStrictJson, parse, storable_row

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20500"))
BATCH = 1_000

REASONS = re.compile(
    r"nested too deeply|not UTF-8 at byte \d+|no JSON at character \d+: .|(NaN|-?Infinity) is no JSON number"
    r"|a number is too large|a number has (an absurd exponent|more than 1000 digits)|an integer has \d+ digits"
    r"|an object names a key twice|two keys of an object are alike once their text is mended|exact|mended"
)

DIGITS = st.integers(0, 10**30).map(str)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "-"]),
        DIGITS,
        st.one_of(st.just(""), DIGITS.map(lambda digits: f".{digits}")),
        st.one_of(st.just(""), st.integers(-300, 270).map(lambda n: f"e{n}"), st.sampled_from(["E+2", "e-07", "E0"])),
    ),
    st.sampled_from(["-0", "-0.0", "0.10", "1e2", "1.50E+3", "123456789.123456789012345678", "1e-400", "0e0"]),
)
WORDS = st.sampled_from(["id", "text", "é", "👩‍👧", "\u202e", "\\u0000", "", "a b", "\ue000", "\u2028"])
NICE_TEXTS = WORDS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
ODD_TEXTS = st.sampled_from(["\x00", "\ud800", "a\udfff\ud800b", "x\x00y", "\ud83d"]) | WORDS
ODD_NUMBERS = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e999999", "1e-9999999999999999999", "0e99999", "1e-99999", "01", "1."]
) | st.sampled_from(["9" * 1_001, "1." + "3" * 1_200, "9" * 1_000])


def documents(texts: st.SearchStrategy[str], numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON texts, members in any order, keys possibly twice."""
    strings = st.builds(json.dumps, texts, ensure_ascii=st.just(True)) | texts.map(_raw)
    scalars = st.one_of(numbers, strings, st.sampled_from(["null", "true", "false"]))
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
            | st.lists(st.tuples(strings, inner), max_size=3).map(
                lambda pairs: "{" + ",".join(f"{name}:{item}" for name, item in pairs) + "}"
            )
        ),
        max_leaves=5,
    )


def _raw(text: str) -> str:
    """Quoted with every character as it is, but lone surrogates, which UTF-8 does not have."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", quoted)


DOCUMENTS = documents(NICE_TEXTS, NUMBERS) | documents(ODD_TEXTS, NUMBERS) | documents(WORDS, ODD_NUMBERS | NUMBERS)
DEEP = st.builds(
    lambda opened, closed, depth, missing: (opened * depth + "1" + closed * max(0, depth - missing)).encode(),
    *(st.shared(st.sampled_from([("[", "]"), ('{"a":', "}")]), key="pair").map(lambda p, i=i: p[i]) for i in (0, 1)),
    st.sampled_from([50, 300, 700, 900, 1_000, 5_000, 100_000]),
    st.integers(0, 1),
)
HTML = st.sampled_from([b"<!DOCTYPE html><html><h1>502</h1></html>", b"<?xml version='1.0'?>", b"Bad Gateway"])
NOISE = (
    st.sampled_from([b"\xff", b"\x00", b"\xed\xa0\x80", b"\xc3", b"\xf5\x80\x80\x80", b"\xef\xbb\xbf"])
    | st.binary(max_size=30)
    | HTML
    | DEEP
)


@st.composite
def bodies(draw: st.DrawFn) -> list[bytes]:
    """A document, and what the network may make of it: cut, with a byte order mark, with noise inside or alone."""
    whole, noise = draw(DOCUMENTS).encode(), draw(NOISE)
    at = draw(st.integers(0, 200)) % (len(whole) + 1)
    return [whole, whole[:at], b"\xef\xbb\xbf" + whole, whole[:at] + noise + whole[at:], noise]


@dataclass(slots=True)
class Landing:
    """A real jsonb column that takes many bodies per round trip and gives them back."""

    connection: psycopg.Connection[Any]
    waiting: list[tuple[bytes, str, bool]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def take(self, body: bytes) -> None:
        """Parse and store a body, or count why it was refused."""
        try:
            value = {"value": parse(body)}
            row = storable_row(value)
        except NotStrictJson as error:
            reason = str(error)
        else:
            reason = "mended" if row.is_mended else "exact"
            self.waiting.append((body, row.text, row.is_mended))
        assert REASONS.match(reason), reason
        self.outcomes[re.sub(r"\d+", "n", reason).split(":")[0]] += 1
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Copy what waits into Postgres and compare what it holds now with what came."""
        self.connection.execute("truncate fuzz")
        with self.connection.cursor().copy("copy fuzz (n, payload, original) from stdin") as copy:
            for number, (body, text, is_mended) in enumerate(self.waiting):
                original = None if is_mended else '{"value":' + body.decode("utf-8-sig") + "}"
                copy.write_row((number, text, original))
        wrong = self.connection.execute(
            "select n, payload::text, original from fuzz where original is not null "
            "and (payload <> original::jsonb or payload::text <> original::jsonb::text)"
        ).fetchall()
        assert not wrong, wrong[0]
        mended = self.connection.execute("select n, payload::text from fuzz where original is null").fetchall()
        for number, text in mended:
            body = self.waiting[number][0]
            expected = {"value": json.loads(body.decode("utf-8-sig"), parse_float=Decimal)}
            assert json.loads(text, parse_float=Decimal) == _whole(expected) != expected, body
        self.waiting.clear()


def _whole(value: Any) -> Any:
    """What a mended value must be: every NUL and lone surrogate is U+FFFD, all else as it was."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def landing(new_database) -> Iterator[Landing]:
    environment = new_database("template0")
    place = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    options = {name: environment[variable] for name, variable in place.items()}
    with psycopg.connect(**options, password=environment.get("PGPASSWORD"), autocommit=True) as connection:
        connection.execute("create unlogged table fuzz (n int, payload jsonb, original text)")
        yield Landing(connection)


CALM = {
    "deadline": None,
    "database": None,
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
}


@pytest.mark.fault("B25", "B27", "B28", "B29", "B30", "B31")
def test_every_body_lands_exactly_or_is_refused_by_name(landing: Landing):
    @settings(max_examples=EXAMPLES // 5, **CALM)
    @given(bodies())
    def each(made: list[bytes]) -> None:
        for body in made:
            landing.take(body)

    each()
    landing.flush()
    made = sum(landing.outcomes.values())
    assert made >= EXAMPLES // 5 * 5, landing.outcomes
    assert min(landing.outcomes["exact"], landing.outcomes["mended"]) >= made // 50, landing.outcomes
    assert len(landing.outcomes) >= 11, landing.outcomes


@settings(max_examples=500, **CALM)
@given(documents(NICE_TEXTS, NUMBERS))
def test_a_proper_body_is_refused_for_a_doubled_key_alone(text: str):
    try:
        parsed = parse(text.encode())
    except NotStrictJson as error:
        reason = str(error)
    else:
        assert not storable_row({"value": parsed}).is_mended
        return
    assert reason == "an object names a key twice"


NUMBER_TEXTS = ["0.10", "1e2", "1E-7", "1.50e3", "-0.0", "123456789.123456789012345678", "1e-400", "0.1", "5.0E-4"]


@pytest.mark.parametrize("text", [*NUMBER_TEXTS, "9" * 1_000, "1.7976931348623157e308", "18446744073709551617"])
def test_a_number_lands_digit_by_digit(landing: Landing, text: str):
    row = storable_row({"value": parse(text.encode())})
    query = "select (%s::jsonb -> 'value')::text, (%s::jsonb -> 'value')::numeric::text, %s::numeric::text"
    landed, as_number, sent = landing.connection.execute(query, (row.text, row.text, text)).fetchone()
    assert landed == as_number == sent
