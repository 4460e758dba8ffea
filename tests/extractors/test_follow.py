"""Many lists at once: every page is read once, in full calls, whatever leads where and wherever a run is taken up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import follow
from extractors.errors import ObjectGone, Transient
from extractors.spec import Account, Batch, Follow, Params, Read, Record, Scope, Unread

pytestmark = pytest.mark.unit
ACCOUNT = Account(business_id=1, platform="instagram", account_id="1", credential="none", timezone="UTC")
SCOPE = Scope(account=ACCOUNT, now=datetime(2026, 11, 21, tzinfo=UTC))
Position = Params | None

# How many pages each list of a post has: its comments, then replies that the first page leads to.
LISTS = st.dictionaries(st.sampled_from("abcdefghij"), st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1)


def reading(size: int) -> tuple[Read, Follow]:
    """A read over lists; the body of a call says for each list asked how many pages it and its replies have."""

    def places(scope: Scope, body: Any) -> Params:
        found: dict[str, str] = {}
        for key in (*scope.places, *scope.ids):
            pages, replies = body[key]
            page = int(scope.places.get(key) or "0")
            if page + 1 < pages:
                found[key] = str(page + 1)
            if page == 0 and replies and "/" not in key:
                found[f"{key}/r"] = "0"
        return found

    batch = Batch(of="posts", size=size, where="true")
    leading = Follow(places=places, size=size)
    return Read(
        name="lists",
        path=lambda scope: "/",
        params=lambda scope: {},
        records=lambda scope, body: [],
        batch=batch,
        follow=leading,
    ), leading


def calls(lists: dict[str, tuple[int, int]], size: int, position: Position) -> Iterator[tuple[list[str], Position]]:
    """Every call from a position: the pages it reads, and the position behind it."""
    read, leading = reading(size)
    scope = Scope(account=ACCOUNT, now=SCOPE.now, ids=tuple(sorted(lists)))
    body = {**lists, **{f"{key}/r": (replies, 0) for key, (_, replies) in lists.items()}}
    while position is not None:
        asked = follow.asked(read, leading, scope, position)
        pages = [f"{key}:{asked.places.get(key, '0')}" for key in (*asked.places, *asked.ids)]
        _, position = follow.following(read, leading, scope, position, body, [])
        yield pages, position


def every_page(lists: dict[str, tuple[int, int]]) -> Counter[str]:
    found = Counter(f"{key}:{page}" for key, (pages, _) in lists.items() for page in range(pages))
    return found + Counter(f"{key}/r:{page}" for key, (_, replies) in lists.items() for page in range(replies))


@given(LISTS, st.integers(1, 6))
def test_every_page_of_every_list_is_read_once_and_no_call_is_larger_than_allowed(
    lists: dict[str, tuple[int, int]], size: int
):
    made = list(calls(lists, size, follow.START))
    assert Counter(page for pages, _ in made for page in pages) == every_page(lists)
    assert all(1 <= len(pages) <= size for pages, _ in made)


@given(LISTS, st.integers(1, 6), st.integers(0, 20))
def test_a_run_taken_up_at_any_position_reads_exactly_the_rest(
    lists: dict[str, tuple[int, int]], size: int, number: int
):
    made = list(calls(lists, size, follow.START))
    stopped = number % len(made)
    position = made[stopped][1]
    rest = [page for pages, _ in calls(lists, size, position) for page in pages]
    before = [page for pages, _ in made[: stopped + 1] for page in pages]
    assert Counter(before + rest) == every_page(lists)


def test_no_call_leaves_half_empty_while_new_ids_wait():
    made = [pages for pages, _ in calls({**dict.fromkeys("bcdefg", (1, 0)), "a": (3, 0)}, 3, follow.START)]
    assert made == [["a:0", "b:0", "c:0"], ["a:1", "d:0", "e:0"], ["a:2", "f:0", "g:0"]]


def test_an_id_that_became_due_behind_the_last_one_taken_is_read_when_a_run_is_taken_up():
    lists = dict.fromkeys("bcd", (1, 0))
    (_, position), *_ = calls(lists, 2, follow.START)
    rest = [page for pages, _ in calls({**lists, "a": (1, 0), "e": (1, 0)}, 2, position) for page in pages]
    assert rest == ["d:0", "e:0"]


def test_what_hiccuped_is_asked_once_more_and_what_is_gone_is_not():
    read, leading = reading(5)
    scope = Scope(account=ACCOUNT, now=SCOPE.now, ids=("a", "b", "c"))
    body = {"a": (1, 0), "b": (1, 0), "c": (1, 0)}
    hiccup = Unread("b", Transient("late", "again"), b"")
    gone = Unread("c", ObjectGone("gone", "no"), b"")
    kept, position = follow.following(read, leading, scope, follow.START, body, [Record("a", {}), hiccup, gone])
    assert kept == [Record("a", {}), gone]
    assert position is not None
    again = follow.asked(read, leading, scope, position)
    assert (dict(again.places), again.ids) == ({"b": ""}, ())
    kept, position = follow.following(read, leading, scope, position, body, [hiccup])
    assert (kept, position) == ([hiccup], None)
