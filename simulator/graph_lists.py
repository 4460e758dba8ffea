"""Lists below an object: stories, comments, replies, what others publish; with cursors as Graph has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from simulator import graph
from simulator.fields import Field
from simulator.graph import Ask
from simulator.model import Json

T = TypeVar("T")


def page(
    ask: Ask, items: Sequence[T], ids: Sequence[str], *, limit: int, after: str | None, most: int = 100
) -> tuple[list[T], Json]:
    """One page of a list and its `paging` (empty for an empty list); 400 for a limit or cursor Graph does not take."""
    if not 1 <= limit <= most:
        raise graph.error(100, f"(#100) Param limit must be a number between 1 and {most}")
    size = min(limit, ask.policy.largest_page or limit)
    start = 0
    if after:
        stands_at = graph.read_cursor(after)
        if stands_at not in ids:
            raise graph.error(100, "(#100) Invalid cursors values")
        start = list(ids).index(stands_at) + 1
    kept = list(items[start : start + size])
    if not kept:
        return [], {}
    first, last = graph.make_cursor(ids[start]), graph.make_cursor(ids[start + len(kept) - 1])
    paging: Json = {"cursors": {"before": first, "after": last}}
    if start + size < len(items):
        paging["next"] = ask.address(after=last, limit=str(limit))
    return kept, paging


def nested(one: Field, default: int) -> tuple[int, str | None]:
    """The limit and cursor of a nested list, `comments.limit(50).after(x)`."""
    limit = one.arguments.get("limit", (str(default),))[0]
    after = one.arguments.get("after", ("",))[0]
    if not limit.isdigit():
        raise graph.error(100, "(#100) Param limit must be an integer")
    return int(limit), after or None


def body(data: Sequence[Json], paging: Json) -> Json:
    """A list as it is answered."""
    return {"data": list(data)} | ({"paging": paging} if paging else {})
