"""Taking people out of what others wrote: the words stay, who wrote them and whom they name does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

# Handles are ASCII, whatever surrounds them.
ADDRESS = re.compile(r"(?<!\w)[@＠]\w+", re.ASCII)
ADDRESSED = re.compile(r"^(?:[@＠]\w+\s*)+", re.ASCII)
HIDDEN = "@member"


def only(value: Any, names: Collection[str], words: Callable[[str], str] = str) -> Any:
    """Return a JSON value with nothing but the members named, at any depth, and its texts passed through `words`.

    What a platform adds is left out until it is known to name nobody.
    """
    match value:
        case dict():
            return {name: only(inner, names, words) for name, inner in value.items() if name in names}
        case list():
            return [only(inner, names, words) for inner in value]
        case str():
            return words(value)
        case _:
            return value


def without_handles(text: str) -> str:
    """Return a text without handles: those it is addressed to go, one named later is `@member`."""
    return ADDRESS.sub(HIDDEN, ADDRESSED.sub("", text))


def without_spans(text: str, spans: Collection[tuple[int, int]]) -> str:
    """Return a text with `@member` for each span of (start, length), counted in UTF-16 units.

    A span that would cut a word may have been counted in code points: then what either means is hidden.
    """
    for start, length in sorted(spans, reverse=True):
        first, last = _code_points(text, start), _code_points(text, start + length)
        if _cuts_a_word(text, first) or _cuts_a_word(text, last):
            last = max(last, start + length)
        text = text[:first] + HIDDEN + text[last:]
    return text


def _code_points(text: str, units: int) -> int:
    """How many characters the first `units` UTF-16 units hold."""
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "ignore"))


def _cuts_a_word(text: str, edge: int) -> bool:
    return text[max(edge - 1, 0) : edge].isalnum() and text[edge : edge + 1].isalnum()
