"""Accounts dealt into chunks, one task each; pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil

from extractors.spec import Account

#: Accounts of one task: ten thousand make forty tasks, and a task that dies costs no more than its last pages.
CHUNK = 250
#: Parts of a chunk: a credential's accounts share a budget, so they stay together, but never fill a chunk alone.
PIECES = 4


def chunks(accounts: Sequence[Account], size: int = CHUNK) -> list[list[Account]]:
    """Deal accounts into as few chunks of at most `size` as there can be, alike in length; the same for any order.

    Accounts of one credential stay together in pieces, so that a throttled credential holds up few chunks; each piece
    goes to the chunk that has the fewest accounts.
    """
    if not accounts:
        return []
    count = ceil(len(accounts) / size)
    room = ceil(len(accounts) / count)
    dealt: list[list[Account]] = [[] for _ in range(count)]
    for piece in sorted(_pieces(accounts, max(1, room // PIECES)), key=len, reverse=True):
        _deal(piece, dealt, room)
    return dealt


def _pieces(accounts: Sequence[Account], length: int) -> list[list[Account]]:
    ordered = sorted(accounts, key=lambda each: (each.credential, each.business_id, each.account_id))
    found = []
    for _, group in groupby(ordered, key=lambda each: each.credential):
        same = list(group)
        found += [same[start : start + length] for start in range(0, len(same), length)]
    return found


def _deal(piece: list[Account], dealt: list[list[Account]], room: int) -> None:
    """Put a piece into the emptiest chunk; what does not fit goes to the next emptiest."""
    while piece:
        chunk = min(dealt, key=len)
        fits = room - len(chunk)
        chunk += piece[:fits]
        piece = piece[fits:]
