"""Lists as random graphs of pages: every walk ends, a sound list is read whole, a circle is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import EmptyPages, PageLoop
from extractors.walk import EMPTY_PAGES, REPEATS, Walk

AT = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
#: A page: the keys on it, and the page after it (None: the end).
Graph = dict[int, tuple[tuple[str, ...], int | None]]


def read(graph: Graph, most: int = 500) -> tuple[list[str], int, bool]:
    """Follow a graph from page 0: keys, calls, and whether a circle was named."""
    walk, page, calls, keys = Walk("a list"), 0, 0, []
    while page is not None:
        calls += 1
        assert calls <= most, "the walk does not end"
        found, after = graph[page]
        keys += found
        try:
            walk.take(found, None if after is None else {"after": str(after)}, AT)
        except PageLoop:
            return keys, calls, True
        except EmptyPages:
            return keys, calls, False
        page = after
    return keys, calls, False


def sound(pages: list[tuple[str, ...]]) -> Graph:
    """A list that ends: page n leads to n + 1."""
    last = len(pages) - 1
    return {number: (keys, None if number == last else number + 1) for number, keys in enumerate(pages)}


KEYS = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=5).map(tuple)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any finite graph of pages: chains, circles of any length, pages with nothing on them."""
    size = draw(st.integers(1, 12))
    after = st.one_of(st.none(), st.integers(0, size - 1))
    return {page: (draw(st.one_of(st.just(()), KEYS)), draw(after)) for page in range(size)}


@pytest.mark.fault("B12")
@given(graph=graphs())
def test_every_walk_over_any_graph_ends_and_a_circle_is_named_or_empty(graph: Graph):
    _, calls, is_loop = read(graph)
    page, steps = 0, 0
    while page is not None and steps <= len(graph):
        page, steps = graph[page][1], steps + 1
    goes_round = page is not None
    assert calls <= len(graph) + REPEATS + max(EMPTY_PAGES, REPEATS)
    if is_loop and not goes_round:
        keys = [found for found, _ in graph.values() if found]
        assert len(keys) != len(set(keys)), "a list without repeated pages was called a circle"


@pytest.mark.fault("B12")
@given(length=st.integers(1, 20), lead=st.integers(0, 5))
def test_a_circle_of_any_length_costs_at_most_a_few_calls_more(length: int, lead: int):
    size = lead + length
    graph = {n: ((f"k{n}",), n + 1 if n + 1 < size else lead) for n in range(size)}
    keys, calls, is_loop = read(graph)
    assert is_loop
    assert set(keys) == {f"k{n}" for n in range(size)}, "what the circle listed is kept"
    assert calls <= size + REPEATS + 1


@pytest.mark.fault("B12")
def test_pages_that_repeat_under_ever_new_cursors_are_a_circle_too():
    graph = {n: (("a", "b") if n % 2 else ("c", "d"), n + 1) for n in range(100)}
    _, calls, is_loop = read(graph)
    assert is_loop
    assert calls == 2 + REPEATS + 1


@given(pages=st.lists(KEYS, min_size=1, max_size=30, unique=True))
def test_a_sound_list_is_read_whole_in_as_many_calls_as_it_has_pages(pages: list[tuple[str, ...]]):
    keys, calls, is_loop = read(sound(pages))
    assert not is_loop
    assert calls == len(pages)
    assert keys == [key for page in pages for key in page]


@pytest.mark.fault("B11")
@given(pages=st.lists(KEYS, min_size=2, max_size=10, unique=True), data=st.data())
def test_a_page_served_again_loses_nothing(pages: list[tuple[str, ...]], data: st.DataObject):
    twice = data.draw(st.integers(0, len(pages) - 2))
    walk, listed = Walk("a list"), []
    for number, page in enumerate(pages):
        # The page comes once more in place of the next one, with its own next: the same place is asked again.
        if number == twice + 1:
            walk.take(pages[twice], {"after": str(number)}, AT)
            listed += pages[twice]
        walk.take(page, {"after": str(number + 1)} if number + 1 < len(pages) else None, AT)
        listed += page
    assert set(listed) == {key for page in pages for key in page}


@pytest.mark.fault("B13")
def test_empty_pages_without_end_are_given_up_for_a_while():
    walk = Walk("a list")
    for number in range(EMPTY_PAGES - 1):
        walk.take([], {"after": str(number)}, AT)
    with pytest.raises(EmptyPages, match="10 empty pages in a row") as raised:
        walk.take([], {"after": "one more"}, AT)
    assert raised.value.at > AT


def test_empty_pages_between_full_ones_are_no_fault():
    walk = Walk("a list")
    for number in range(100):
        walk.take([] if number % EMPTY_PAGES else [f"k{number}"], {"after": str(number)}, AT)


PER_PAGE = 4


@st.composite
def restless(draw: st.DrawFn) -> tuple[list[int], dict[int, tuple[list[int], int]]]:
    """A list newest first, and per page read: which are deleted then, and how many are published on top."""
    size = draw(st.integers(1, 24))
    events = st.tuples(st.lists(st.integers(0, size - 1), max_size=3), st.integers(0, 2))
    return list(range(size, 0, -1)), draw(st.dictionaries(st.integers(1, 8), events, max_size=4))


@pytest.mark.fault("B14")
@given(case=restless())
def test_of_a_list_with_counted_places_nothing_that_stays_is_passed_over(case):
    living, events = case
    always = set(living)
    walk, listed, start, calls = Walk("a list"), set(), 0, 0
    while start is not None:
        calls += 1
        page = living[start : start + PER_PAGE]
        after = start + PER_PAGE if start + PER_PAGE < len(living) else None
        listed |= set(page)
        walk.take([str(one) for one in page], None if after is None else {"start": str(after)}, AT, len(living))
        start = after
        if start is None and walk.has_shrunk and walk.begin_again():
            start = 0
        deleted, published = events.get(calls, ([], 0))
        for place in sorted(set(deleted), reverse=True):
            if place < len(living):
                always.discard(living.pop(place))
        for _ in range(published):
            living.insert(0, 1000 + calls * 10 + len(living))
    # The last reading may be disturbed once more: two new beginnings are the bound, the next run reads again.
    assert always <= listed or walk.restarts == 2
