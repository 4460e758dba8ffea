"""JSON as strict as jsonb: what Python would wave through and Postgres refuse is refused here, by name.

Python accepts NaN, Infinity, 1e400, doubled keys and bottomless nesting (measured); jsonb refuses them or, worse, keeps
one of two doubled keys. Texts that jsonb cannot hold (NUL, lone surrogates) are made whole and reported, so that the
record still lands.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
MAX_DIGITS = 1_000


class NotStrictJson(ValueError):
    """The bytes are not JSON that the warehouse can hold exactly; the message says why."""


def parse(body: bytes) -> Any:
    """Parse a body. Raises NotStrictJson for anything that jsonb could not hold exactly."""
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short_integer,
            object_pairs_hook=_single_keys,
        )
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"no JSON at character {error.pos}: {error.msg}") from None


@dataclass(frozen=True, slots=True)
class StorableRow:
    """A payload ready for jsonb: its canonical text, the contract's hash, and whether the text had to be mended."""

    text: str
    digest: bytes
    is_mended: bool


def storable_row(payload: dict[str, Any], volatile: Iterable[tuple[str, ...]] = ()) -> StorableRow:
    """Return the payload as canonical text with its sha-256, NUL and lone surrogates replaced by U+FFFD.

    The hash leaves out the `volatile` paths, so it is equal exactly when nothing worth a new version changed.
    """
    text, is_mended = canonical(payload), False
    if UNSTORABLE.search(text) or "\\u0000" in text:
        payload, before = _mended(payload), payload
        text, is_mended = canonical(payload), payload != before
    hashed = text
    if volatile:
        kept = payload
        for path in volatile:
            kept = _without(kept, path)
        hashed = canonical(kept)
    return StorableRow(text, hashlib.sha256(hashed.encode()).digest(), is_mended)


# One encoder for all records: building it anew would cost as much as a small record.
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""Canonical JSON of the contract: sorted keys, no spaces, every character as it is."""


def _without(value: Any, path: tuple[str, ...]) -> Any:
    """A copy without what the path names; `*` stands for every element of a list."""
    head, *rest = path
    if head == "*":
        return [_without(item, tuple(rest)) for item in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or head not in value:
        return value
    if not rest:
        return {name: part for name, part in value.items() if name != head}
    return {**value, head: _without(value[head], tuple(rest))}


def _mended(value: Any) -> Any:
    match value:
        case str():
            return UNSTORABLE.sub(REPLACEMENT, value)
        case list():
            return [_mended(item) for item in value]
        case dict():
            return {_mended(name): _mended(item) for name, item in value.items()}
        case _:
            return value


def _no_constant(name: str) -> Any:
    raise NotStrictJson(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise NotStrictJson("a number is too large")
    return number


def _short_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise NotStrictJson(f"an integer has {len(text)} digits")
    return int(text)


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJson("an object names a key twice")
    return found
