"""Where a list has led so far, and whether it leads anywhere new; pure. docs/adr/0013-lists-that-misbehave.md."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from extractors.errors import EmptyPages, PageLoop, PipelineError
from extractors.shape import LOOK
from extractors.spec import Params

# A page may be served twice by a cache that is behind; a loop goes on.
REPEATS = 3
EMPTY_PAGES = 10
# The longest list of any platform, in its smallest pages, is a tenth of this.
MAX_PAGES = 10_000
RESTARTS = 2
EMPTY_FOR = timedelta(minutes=15)


@dataclass(slots=True)
class Walk:
    """The pages of one list as they come. `where` names the list in messages.

    A list whose total shrinks was shortened while it was read: with counted places the rest moved up, and something
    was passed over. `restarts` counts how often it was begun again, for that or for a cursor that expired.
    """

    where: str
    places: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    contents: set[bytes] = field(default_factory=set)
    pages: int = 0
    repeats: int = 0
    empty: int = 0
    restarts: int = 0
    total: int | None = None
    has_shrunk: bool = False

    def take(self, keys: Sequence[str], following: Params | None, at: datetime, total: int | None = None) -> None:
        """Take note of a page: the keys of its records, the place after it, and how long the list says it is.

        Raises PageLoop for a list that leads in circles or never ends, EmptyPages for one that goes on with nothing.
        """
        self.pages += 1
        self.empty = 0 if keys else self.empty + 1
        self.repeats += self._is_known(keys, following)
        self.has_shrunk |= None not in (total, self.total) and total < self.total  # type: ignore[operator]
        self.total = total if total is not None else self.total
        if following is None:
            return
        if self.repeats > REPEATS or self.pages >= MAX_PAGES:
            reason = f"{self.repeats} pages came again" if self.repeats > REPEATS else f"{self.pages} pages and no end"
            raise PageLoop(f"{self.where} leads in circles ({reason})", f"what it listed is kept; {LOOK}")
        if self.empty >= EMPTY_PAGES:
            raise EmptyPages(
                f"{self.where} answered {self.empty} empty pages in a row and names one more", at + EMPTY_FOR
            )

    def begin_again(self, error: PipelineError | None = None) -> bool:
        """Forget the places and say True, when the list may be begun again; else raise the error, or say False."""
        if self.restarts >= RESTARTS:
            if error is not None:
                raise error
            return False
        self.restarts += 1
        self.places.clear()
        self.contents.clear()
        self.repeats = self.empty = 0
        self.total, self.has_shrunk = None, False
        return True

    def _is_known(self, keys: Sequence[str], following: Params | None) -> bool:
        """Whether the page or the place after it was there before."""
        place = tuple(sorted((following or {}).items()))
        digest = hashlib.blake2b("\0".join(keys).encode("utf-8", "surrogatepass"), digest_size=12).digest()
        is_known = (following is not None and place in self.places) or (bool(keys) and digest in self.contents)
        self.places.add(place)
        self.contents.add(digest)
        return is_known
