"""What Facebook's and Instagram's comments share: batches of lists that go on, and nothing of who wrote them.

Members are no account of ours: their names and ids are taken out before anything is kept, also out of the texts.
docs/adr/0021-comments-without-members.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from extractors.errors import ContractBroken
from extractors.platforms import graph_batch, meta
from extractors.shape import located, withheld
from extractors.spec import Batch, Follow, Json, Params, Read, Record, Scope, Stream, Unread
from extractors.strict_json import original

MEMBER = "@member"
Taken = tuple[list[Record], dict[str, str]]
"""The comments of one part, and the lists it says go on, each with its place."""


@dataclass(frozen=True, slots=True)
class Thread:
    """How one platform tells comments: the address of a list at a place, and what its body holds."""

    url: Callable[[str, str], str]
    take: Callable[[Scope, str, str, Json], Taken]


def comments(platform: str, thread: Thread, batch: Batch) -> Stream:
    """Return the stream of an account's comments, fifty lists to a call."""
    where = f"{platform}__comments"

    def form(scope: Scope) -> Params:
        return graph_batch.form(thread.url(key, place) for key, place in _lists(scope))

    def records(scope: Scope, body: Any) -> list[Record | Unread]:
        parts = _parts(scope, body, thread, where)
        failed = [told for told in parts if isinstance(told, Unread)]
        graph_batch.raise_if_all_failed(failed, len(parts))
        return [record for told in parts if not isinstance(told, Unread) for record in told[0]] + failed

    def places(scope: Scope, body: Any) -> Params:
        parts = _parts(scope, body, thread, where)
        return {key: place for told in parts if not isinstance(told, Unread) for key, place in told[1].items()}

    read = Read(
        name="comments",
        path=graph_batch.path,
        params=lambda scope: {},
        form=form,
        weight=lambda scope: graph_batch.weight(form(scope)),
        records=records,
        batch=batch,
        follow=Follow(places=places, size=graph_batch.LARGEST),
        names_members=True,
    )
    return Stream(platform=platform, name="comments", kind="entity", reads=(read,))


def _lists(scope: Scope) -> list[tuple[str, str]]:
    """Every list of a call with its place: those that go on, then the posts that are new."""
    return [*scope.places.items(), *((post, "") for post in scope.ids)]


def _parts(scope: Scope, body: Any, thread: Thread, where: str) -> list[Taken | Unread]:
    lists = _lists(scope)
    told = graph_batch.elements(body, len(lists), where)
    return [_part(scope, *each, element, thread) for each, element in zip(lists, told, strict=True)]


def _part(scope: Scope, key: str, place: str, element: Any, thread: Thread) -> Taken | Unread:
    answer = graph_batch.answer_of(element, scope)
    error = meta.classify(answer, scope.account)
    if error is not None:
        return graph_batch.unread(key, element, error)
    try:
        return thread.take(scope, key, place, answer.body)
    except ContractBroken as broken:
        return Unread(key, located(scope, broken, "comments"), withheld(original(element)))


def kept(item: Json, names: Sequence[str]) -> Json:
    """Return the plain values of an allow-list; whatever else an object holds may name somebody."""
    return {name: item[name] for name in names if name in item and not isinstance(item[name], dict | list)}


def next_place(found: Json) -> str | None:
    """Return the cursor of the next page of a list that may be nested; None when it ends."""
    return (meta.after_cursor(found, {}) or {}).get("after")
