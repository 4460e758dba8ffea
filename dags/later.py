"""Accounts that have to wait for a limit: who, until when, and in which groups they are read then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from dags.airflow_settings import settings
from dags.asked import origin
from dags.schedules import waits_until
from extractors.chunks import CHUNK
from extractors.origins import notable
from extractors.status import Line

#: Accounts whose limits end within this time are read together, when the last one ends.
TOGETHER = timedelta(minutes=10)
Account = tuple[int, str]


def waits(platform: str, chunks: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the run reads later, group by group, the earliest first: `accounts`, and their names for the UI."""
    accounts = [
        {"business_id": business, "account_id": name} for chunk in chunks for business, name in chunk["accounts"]
    ]
    with closing(settings().warehouse.connect()) as connection:
        lines = notable(connection, origin(context), platform, accounts)
    found = waiting(lines, now=datetime.now(UTC), until=waits_until(platform, context))
    return [
        {
            "accounts": [list(account) for account in group],
            "who": (who := _who(platform, group)),
            "label": f"wait until {clock(until)}: {who}",
        }
        for until, group in _groups(found)
    ]


def waiting(lines: Iterable[Line], *, now: datetime, until: datetime) -> dict[Account, datetime]:
    """Return which accounts wait for an instant within the time that is left, and for which.

    An account whose turn did not come, and that has no other trouble, waits for nothing but its turn.
    """
    found: dict[Account, datetime] = {}
    unread, troubled = set(), set()
    for line in lines:
        account = (line.business_id, line.account_id)
        if line.action == "wait" and line.next_allowed_at is not None and line.next_allowed_at <= until:
            found[account] = max(line.next_allowed_at, found.get(account, now))
        elif line.state == "never ran":
            unread.add(account)
        elif line.todo is not None:
            troubled.add(account)
    return dict.fromkeys(sorted(unread - troubled - found.keys()), now) | found if now <= until else found


def is_later(line: Line, accounts: Mapping[Account, datetime]) -> bool:
    """Say whether what a line complains of is done later in the same run."""
    return line.action == "wait" and (line.business_id, line.account_id) in accounts


def clock(at: datetime) -> str:
    """Return an instant as people read it in a list of tasks."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _groups(found: Mapping[Account, datetime]) -> Iterator[tuple[datetime, list[Account]]]:
    """Give accounts in groups of alike instants, none larger than a chunk, with the group's last instant."""
    group: list[Account] = []
    first = last = datetime.min.replace(tzinfo=UTC)
    for account, at in sorted(found.items(), key=lambda item: item[1]):
        if group and (at - first > TOGETHER or len(group) == CHUNK):
            yield last, group
            group = []
        first, last = (at, at) if not group else (first, at)
        group.append(account)
    if group:
        yield last, group


def _who(platform: str, group: Sequence[Account]) -> str:
    return f"{platform} {group[0][1]} of business {group[0][0]}" if len(group) == 1 else f"{len(group)} accounts"
