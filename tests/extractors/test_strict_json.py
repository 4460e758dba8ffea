"""What JSON allows and jsonb refuses, and what Python would wave through."""

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.strict_json import NotStrictJson, canonical, original, parse, storable_row

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_every_proper_value_survives(value):
    assert parse(json.dumps(value).encode()) == value
    row = storable_row({"value": value})
    assert json.loads(row.text) == {"value": value}
    assert not row.is_mended


@pytest.mark.fault("B29", "B30", "B31")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 100_000, "deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "5000 digits"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": ', "character"),
        (b"", "character"),
    ],
)
def test_what_the_warehouse_could_not_hold_is_refused_by_name(body, reason):
    with pytest.raises(NotStrictJson, match=reason):
        parse(body)


@pytest.mark.fault("B25")
def test_integers_of_any_size_stay_exact():
    assert parse(b'{"a": 18446744073709551617}') == {"a": 2**64 + 1}


@pytest.mark.fault("B27", "B28")
def test_nul_and_lone_surrogates_are_replaced_and_reported():
    broken = parse(rb'{"a\u0000": ["x\ud800y", {"b": "fine"}]}')
    row = storable_row(broken)
    assert json.loads(row.text) == {"a\ufffd": ["x\ufffdy", {"b": "fine"}]}
    assert row.is_mended


def test_a_backslash_before_u0000_is_text_and_stays():
    value = parse(rb'{"a": "\\u0000"}')
    row = storable_row(value)
    assert json.loads(row.text) == {"a": "\\u0000"}
    assert not row.is_mended


def test_the_hash_ignores_order_and_what_changes_by_itself():
    one = {"id": "1", "attachments": {"data": [{"url": "https://a/1", "type": "share"}]}}
    two = {"attachments": {"data": [{"type": "share", "url": "https://a/2"}]}, "id": "1"}
    volatile = (("attachments", "data", "*", "url"),)
    assert storable_row(one, volatile).digest == storable_row(two, volatile).digest
    assert storable_row(one).digest != storable_row(two).digest


def test_the_canonical_form_is_the_contract_s():
    payload = {"b": 1, "a": ["ü", None]}
    assert storable_row(payload).text == '{"a":["ü",null],"b":1}'
    assert storable_row(payload).digest == hashlib.sha256('{"a":["ü",null],"b":1}'.encode()).digest()


def test_the_quarantine_s_json_gives_back_what_was_parsed():
    body = rb'{"b": "\ud800\u0000\u00fc", "a": [0.10, 1e2, -0.0, 18446744073709551617]}'
    kept = original(parse(body))
    assert parse(kept) == parse(body)
    assert b"0.10" in kept
    assert b"1E+2" in kept


def test_keys_that_mending_would_make_one_are_refused():
    with pytest.raises(NotStrictJson, match="alike once their text is mended"):
        storable_row(parse(rb'{"a\u0000": 1, "a\ud800": 2}'))


def test_what_is_no_json_at_all_is_refused_by_name():
    with pytest.raises(NotStrictJson, match="no JSON"):
        storable_row({"a": float("nan")})


@pytest.mark.parametrize("text", ["0.10", "1.50", "123456789.123456789012345678"])
def test_a_number_keeps_its_digits_in_the_canonical_form(text):
    assert storable_row(parse(f'{{"a": {text}}}'.encode())).text == f'{{"a":{text}}}'


def test_levels_are_counted_before_the_parser_meets_them():
    assert parse(b"[" * 200 + b"]" * 200) is not None
    for deep in (b"[" * 251 + b"]" * 251, b'{"a":' * 251 + b"1" + b"}" * 251, b"[" * 100_000):
        with pytest.raises(NotStrictJson, match="nested too deeply"):
            parse(deep)


def test_brackets_in_texts_are_no_levels():
    body = json.dumps({"text": "[" * 5_000 + '"\\' + "{" * 5_000}).encode()
    assert parse(body)["text"].count("[") == 5_000


# What another encoder would spell in its own way, and texts that look like it.
SPELLED = [
    1e16,
    1e-5,
    1e22,
    5e-324,
    -0.0,
    100.0,
    Decimal("1E+5"),
    Decimal("1.50"),
    ",1.5",
    '":2.5',
    "[3e4",
    "\x7f",
    10**30,
]
ANY_JSON = st.recursive(
    JSON | st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(SPELLED),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(TEXT, ANY_JSON, max_size=4))
def test_the_stored_text_is_the_canonical_one(payload: dict[str, object]):
    text = canonical(payload)
    row = storable_row(payload)
    assert (row.text, row.is_mended) == (text, False)
    assert row.digest == hashlib.sha256(text.encode()).digest()
