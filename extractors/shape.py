"""Reading a parsed body defensively: the right shape, or ContractBroken saying what came instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from extractors.errors import ContractBroken
from extractors.spec import Json, Read, Scope

LOOK = "the response format changed, see docs/runbook.md#contract"


# What a reader meets in a body that nobody foresaw.
UNFORESEEN = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def foreseen(read: Read, scope: Scope, body: Any) -> Iterator[None]:
    """Take a body apart inside: what a read does not foresee becomes ContractBroken, naming account and list."""
    where = f"{scope.account}: {read.name}"
    try:
        yield
    except ContractBroken as error:
        raise located(scope, error, read.name) from None
    except UNFORESEEN as error:
        what = f"{where}: {outline(body)} came, which cannot be taken apart ({type(error).__name__})"
        raise ContractBroken(what, LOOK) from None


def located(scope: Scope, error: ContractBroken, where: str) -> ContractBroken:
    """Return the error with account and list in its line."""
    if str(scope.account) not in error.what:
        error.what = f"{scope.account}: {where}: {error.what}"
        error.args = (error.what, error.remedy)
    return error


def objects(body: Any, name: str, where: str) -> list[Json]:
    """Return the list of objects under `name`. Raises ContractBroken when it is absent or holds something else."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ContractBroken(f"{where}: no list of objects under {name!r}, but {outline(body)}", LOOK)
    return found


def mapping(body: Any, where: str) -> Json:
    """Return the body when it is an object. Raises ContractBroken otherwise."""
    if not isinstance(body, dict):
        raise ContractBroken(f"{where}: an object was expected, but {outline(body)} came", LOOK)
    return body


def text(item: Json, name: str, where: str) -> str:
    """Return a required text. Raises ContractBroken when it is absent, empty or no text."""
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise ContractBroken(f"{where}: {name!r} is {outline(value)}, a text was expected", LOOK)
    return value


def epoch_milliseconds(value: Any, where: str) -> datetime:
    """Return the instant of a LinkedIn timestamp. Raises ContractBroken outside 2004 to 2100 (seconds, nonsense)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1_072_915_200_000 <= value <= 4_102_444_800_000:
        raise ContractBroken(f"{where}: {outline(value)} is no epoch in milliseconds", LOOK)
    return datetime.fromtimestamp(value / 1000, UTC)


def instant(value: Any, where: str) -> datetime:
    """Return an ISO 8601 instant with offset as UTC. Raises ContractBroken for anything else."""
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ContractBroken(f"{where}: {outline(value)} is no instant with an offset", LOOK)


def count_at(path: str) -> str:
    """Return SQL for the number at a path of the payload; NULL for anything that is no number, never an error."""
    return f"""jsonb_path_query_first(payload, '{path} ? (@.type() == "number")')::numeric"""


def series_key(scope: Scope, name: str, day: date) -> str:
    """Return the key of a record without an id of its own: account, list, day."""
    return f"{scope.account.account_id}:{name}:{day.isoformat()}"


def _names(value: Json) -> str:
    """The first keys, each cut short and escaped: a key may be anything, and ends in a log."""
    names = [name[:40].encode("unicode_escape").decode() for name in sorted(map(str, value))[:8]]
    return f"{names}"


def outline(value: Any) -> str:
    """Say what a value is without quoting it: bodies never reach a log."""
    match value:
        case None:
            return "nothing"
        case dict():
            return f"an object with the keys {_names(value)}"
        case list():
            return f"a list of {len(value)}"
        case str():
            return f"a text of {len(value)} characters"
        case _:
            return f"a {type(value).__name__}"


def withheld(body: bytes) -> bytes:
    """Return what may be kept of an answer that names members: its structure, every value replaced by its outline.

    It is wrapped, so that a replay cannot take it for the answer: such a list is read again instead.
    """
    try:
        shape = _without_values(json.loads(body))
    except (ValueError, RecursionError):
        shape = f"{len(body)} bytes that are no JSON"
    return json.dumps({"withheld, for it names members": shape}).encode()


def _without_values(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _without_values(each) for name, each in value.items()}
        case list():
            return [_without_values(each) for each in value]
        case _:
            return outline(value)
