"""JSON as strict as jsonb: what Python would wave through and Postgres refuse is refused here, by name.

Python accepts NaN, Infinity, 1e400, doubled keys and bottomless nesting (measured); jsonb refuses them or, worse, keeps
one of two doubled keys. Texts that jsonb cannot hold (NUL, lone surrogates) are made whole and reported, so that the
record still lands. Numbers land digit by digit as they were sent: what a float would round is a Decimal.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
MAX_DIGITS = 1_000
HEADROOM = 150
# The encoder written in C knows no Decimal: its digits pass as a text that no body can guess, and are unquoted after.
_MARK = secrets.token_hex(16)
_MARKED = re.compile(f'"{_MARK}([^"]+)"')


class NotStrictJson(ValueError):
    """What came is not JSON that the warehouse can hold exactly; the message says why."""


# No platform nests a tenth of this. Met before the parser is at the end of its stack, where even a destructor fails.
MOST_LEVELS, USUAL_LEVELS = 250, 12
BRACKETS = dict(zip(b"[]{}", (1, -1, 1, -1), strict=True))
NO_BRACKETS = bytes(set(range(256)) - set(BRACKETS))
TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def _is_too_deep(body: bytes) -> bool:
    """Whether a body nests deeper than `MOST_LEVELS`; brackets inside texts do not count."""
    marks = body.translate(None, NO_BRACKETS)
    # Each round takes the innermost level away: the usual page is nothing after a handful, at the speed of C.
    for _ in range(USUAL_LEVELS):
        marks = marks.replace(b"[]", b"").replace(b"{}", b"")
        if not marks:
            return False
    return _levels(body) > MOST_LEVELS and _levels(TEXTS.sub(b"", body)) > MOST_LEVELS


def _levels(body: bytes) -> int:
    return max(accumulate(map(BRACKETS.__getitem__, body.translate(None, NO_BRACKETS))), default=0)


def parse(body: bytes) -> Any:
    """Parse a body. Raises NotStrictJson for anything that jsonb could not hold exactly.

    A number with a fraction or an exponent is a float where that is the same text, else a Decimal.
    """
    if _is_too_deep(body):
        raise NotStrictJson("nested too deeply")
    try:
        return _parse_with_headroom(body, HEADROOM)
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"no JSON at character {error.pos}: {error.msg}") from None


def _parse_with_headroom(body: bytes, frames: int) -> Any:
    """Parse from deep in the stack: what nests too deeply to be written again later is refused here."""
    if frames:
        return _parse_with_headroom(body, frames - 1)
    return json.loads(
        body.decode("utf-8-sig"),
        parse_constant=_no_constant,
        parse_float=_exact,
        parse_int=_short_integer,
        object_pairs_hook=_single_keys,
    )


class StorableRow(NamedTuple):
    """A payload ready for jsonb: its canonical text in UTF-8, the contract's hash, and whether it had to be mended."""

    encoded: bytes
    digest: bytes
    is_mended: bool

    @property
    def text(self) -> str:
        """The canonical text."""
        return self.encoded.decode()


def storable_row(payload: dict[str, Any], volatile: Iterable[tuple[str, ...]] = ()) -> StorableRow:
    """Return the payload as canonical text with its sha-256, NUL and lone surrogates replaced by U+FFFD.

    The hash leaves out the `volatile` paths, so it is equal exactly when nothing worth a new version changed.
    Raises NotStrictJson for a payload that jsonb cannot hold even mended.
    """
    try:
        return _storable_row(payload, volatile)
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except NotStrictJson:
        raise
    except ValueError as error:
        raise NotStrictJson(f"no JSON: {error}") from None


def canonical(value: Any) -> str:
    """Return the canonical JSON of the contract: sorted keys, no spaces, every character and digit as it is.

    Raises ValueError for NaN and infinities.
    """
    return _unmarked(_encode(value))


def original(value: Any) -> bytes:
    """Return a parsed value as JSON in ASCII, for the quarantine: parsed again it is the same, digit by digit.

    Unlike `canonical` it takes everything that `parse` gives, lone surrogates and NUL as well.
    """
    return _unmarked(_encode_ascii(value)).encode()


def _storable_row(payload: dict[str, Any], volatile: Iterable[tuple[str, ...]]) -> StorableRow:
    encoded, is_mended = _encoded(payload), False
    if encoded is None:
        payload, before = _mended(payload), payload
        encoded, is_mended = canonical(payload).encode(), payload != before
    kept = payload
    for path in volatile:
        kept = _without(kept, path)
    hashed = encoded if kept is payload else _canonical_bytes(kept)
    return StorableRow(encoded, hashlib.sha256(hashed).digest(), is_mended)


def _encoded(payload: dict[str, Any]) -> bytes | None:
    """The canonical text in UTF-8; None when jsonb would refuse it, for NUL (always escaped) or a lone surrogate."""
    try:
        encoded = _canonical_bytes(payload)
    except UnicodeEncodeError:
        return None
    return None if b"\\" in encoded and rb"\u0000" in encoded else encoded


def _canonical_bytes(payload: dict[str, Any]) -> bytes:
    """The text of `canonical` in UTF-8, in two thirds of its time where no number needs a closer look."""
    encoded = _encode_fast(payload)
    return canonical(payload).encode() if any(search(encoded) for search in _UNSURE) else encoded


def _marked(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{_MARK}{value}"
    raise TypeError(f"{type(value).__name__} is no JSON")


def _unmarked(text: str) -> str:
    return _MARKED.sub(r"\1", text) if _MARK in text else text


# One encoder for all records: building it anew would cost as much as a small record.
_encode = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    default=_marked,
).encode
# It writes some fractions and exponents otherwise, and NaN as null: with any of these the encoder above decides. One
# expression for all three places where a value begins would take five times as long to find nothing.
_encode_fast = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
_UNSURE = tuple(re.compile(begin + rb"(?:-?[0-9]++[.eE]|null)").search for begin in (rb'":', rb",", rb"\["))
_encode_ascii = json.JSONEncoder(check_circular=False, default=_marked).encode


def _without(value: Any, path: tuple[str, ...]) -> Any:
    """A copy without what the path names, or the value itself if nothing is there; `*` is each element of a list."""
    head, *rest = path
    if head == "*":
        if not isinstance(value, list):
            return value
        parts = [_without(item, tuple(rest)) for item in value]
        return value if all(part is item for part, item in zip(parts, value, strict=True)) else parts
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest:
        return {name: part for name, part in value.items() if name != head}
    inner = _without(value[head], tuple(rest))
    return value if inner is value[head] else {**value, head: inner}


def _mended(value: Any) -> Any:
    match value:
        case str():
            return UNSTORABLE.sub(REPLACEMENT, value)
        case list():
            return [_mended(item) for item in value]
        case dict():
            mended = {_mended(name): _mended(item) for name, item in value.items()}
            if len(mended) != len(value):
                raise NotStrictJson("two keys of an object are alike once their text is mended")
            return mended
        case _:
            return value


def _no_constant(name: str) -> Any:
    raise NotStrictJson(f"{name} is no JSON number")


def _exact(text: str) -> float | Decimal:
    number = float(text)
    if repr(number) == text:
        return number
    if number in (float("inf"), float("-inf")):
        raise NotStrictJson("a number is too large")
    try:
        exact = Decimal(text)
    except ArithmeticError:
        raise NotStrictJson("a number has an absurd exponent") from None
    _, digits, exponent = exact.as_tuple()
    if len(digits) > MAX_DIGITS or not isinstance(exponent, int) or abs(exponent) > MAX_DIGITS:
        raise NotStrictJson(f"a number has more than {MAX_DIGITS} digits")
    return exact


def _short_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise NotStrictJson(f"an integer has {len(text)} digits")
    return int(text)


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJson("an object names a key twice")
    return found
