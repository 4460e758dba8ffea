"""What a page is written by: the right to write, what was asked, and what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from extractors.spec import Account, Record, Scope, Stream, Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write one run: an older epoch belongs to a process that was given up for dead.

    `former_ids`: ids the account had before; what was stored under one of them is not stored again as it was.
    """

    run_id: str
    epoch: int
    account: Account
    stream: Stream
    former_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an answer was asked for: the list, its step, and the scope with its ids, metrics and window."""

    read: str
    step: str
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one call brought: its records, when it came, where to go on, and what it cost (`charged`: by weight).

    A `late` page came from the quarantine: its records are versions of then, behind those that came since.
    """

    records: Sequence[Record | Unread]
    observed_at: datetime
    next_cursor: dict[str, Any] | None
    calls: int
    retries: int
    charged: int = 0
    late: bool = False
    question: Question | None = None
