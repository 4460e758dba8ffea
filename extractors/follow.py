"""What one answer leads to, asked in the next call: lists that go on, and objects that a list named; pure.

A position is the objects under way with their places, and the last id that was taken from the batch: small enough for
the page cursor, however many ids there are, and enough to go on after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from extractors.errors import Transient
from extractors.spec import Follow, Params, Read, Record, Scope, Unread

Item = Record | Unread

START: Params = {}
TAKEN = ""
# Marks an object that an answer left out for the moment; it is asked once more.
AGAIN = "again "


def asked(read: Read, follow: Follow, scope: Scope, position: Params) -> Scope:
    """Return the scope of the next call: what is under way first, and new ids of the batch as far as they fit.

    Without a batch, the ids of the scope choose among what is under way: so some can be asked again by themselves.
    """
    chosen = sorted(_under_way(position))[: follow.size]
    if read.batch is None and scope.ids:
        chosen = [key for key in chosen if key in scope.ids]
    fresh = _ahead(read, scope, position)[: follow.size - len(chosen)]
    return replace(scope, ids=tuple(fresh), places={key: position[key] for key in chosen})


def following(
    read: Read, follow: Follow, scope: Scope, position: Params, body: Any, records: Sequence[Item]
) -> tuple[Sequence[Item], Params | None]:
    """Return the records of an answer and the position behind it, None when all is read; `scope` is the whole step's.

    What does not fit into one call waits for a later one. An object that only hiccuped is asked once more before it
    counts as unread. Raises what `follow.places` raises.
    """
    call = asked(read, follow, scope, position)
    again = {
        item.key: call.places.get(item.key, "")
        for item in records
        if isinstance(item, Unread) and isinstance(item.error, Transient) and AGAIN + item.key not in position
    }
    waiting = {key: place for key, place in _under_way(position).items() if key not in call.places}
    ahead = {**waiting, **follow.places(call, body), **again}
    taken = {TAKEN: call.ids[-1]} if call.ids else {TAKEN: position[TAKEN]} if TAKEN in position else {}
    kept = [item for item in records if item.key not in again]
    if not ahead and not _ahead(read, scope, taken):
        return kept, None
    return kept, {**ahead, **{AGAIN + key: "" for key in again}, **taken}


def _under_way(position: Params) -> dict[str, str]:
    return {key: place for key, place in position.items() if key != TAKEN and not key.startswith(AGAIN)}


def _ahead(read: Read, scope: Scope, position: Params) -> Sequence[str]:
    """Ids of the batch not taken yet; they come sorted."""
    if read.batch is None:
        return ()
    return [key for key in scope.ids if key > position[TAKEN]] if TAKEN in position else scope.ids
