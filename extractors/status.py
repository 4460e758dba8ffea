"""What the ledger says of each account and stream, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from extractors import errors
from extractors.registry import PLATFORMS

LATEST = """
select
    account.business_id, account.platform, account.account_id, stream.name,
    run.state, run.gate, run.stored, run.unchanged, run.calls,
    round(extract(epoch from clock_timestamp() - success.finished_at) / 3600, 1)::float8 as age_hours,
    run.next_allowed_at, run.error_class, run.error_message, run.gate_report -> 0 ->> 'expectation',
    coalesce(run.warnings, '{}')
from ops.accounts as account
inner join unnest(%(names)s::text[], %(owners)s::text[]) as stream (name, platform)
    on account.platform = stream.platform
left join lateral (
    select * from ops.extract_runs as latest
    where latest.business_id = account.business_id and latest.platform = account.platform
        and latest.account_id = account.account_id and latest.stream = stream.name and latest.kind <> 'replay'
    order by latest.started_at desc limit 1
) as run on true
left join lateral (
    -- The last one begun: counting through the history of fifty thousand streams would take seconds.
    select passed.finished_at from ops.extract_runs as passed
    where passed.business_id = account.business_id and passed.platform = account.platform
        and passed.account_id = account.account_id and passed.stream = stream.name
        and passed.state = 'complete' and passed.gate = 'passed' and passed.kind <> 'replay'
    order by passed.started_at desc limit 1
) as success on true
where account.is_enabled
    and (%(platforms)s::text[] is null or account.platform = any (%(platforms)s))
    and (%(business_ids)s::bigint[] is null or account.business_id = any (%(business_ids)s))
order by account.business_id, account.platform, account.account_id, stream.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The last run of one stream of one account. `age_hours` counts from the last success, by the real clock."""

    business_id: int
    platform: str
    account_id: str
    stream: str
    state: str
    stored: int | None
    unchanged: int | None
    calls: int | None
    age_hours: float | None
    next_allowed_at: datetime | None
    error: str | None
    action: str | None
    warnings: tuple[str, ...] = ()

    @property
    def todo(self) -> str | None:
        """What a person is to do, and why, in one line; None when all is well."""
        return f"{self.action or 'look'}: {' '.join(self.error.split())}" if self.error else None

    @property
    def account(self) -> str:
        """The account in words."""
        return f"{self.platform} account {self.account_id} of business {self.business_id}"

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


def latest(
    connection: psycopg.Connection[Any], platforms: Sequence[str] | None, business_ids: Sequence[int] | None
) -> list[Line]:
    """Return one line per enabled account and stream, also for what never ran."""
    pairs = [(stream.full_name, key) for key, platform in PLATFORMS.items() for stream in platform.streams]
    rows = connection.execute(
        LATEST,
        {
            "names": [name for name, _ in pairs],
            "owners": [owner for _, owner in pairs],
            "platforms": list(platforms) if platforms else None,
            "business_ids": list(business_ids) if business_ids else None,
        },
    )
    return [line_of(row) for row in rows]


def line_of(row: Sequence[Any], *, unread: str | None = None) -> Line:
    """Return the line of a row of LATEST's columns; `unread` is what is wrong with a stream that has no run."""
    (
        business_id,
        platform,
        account_id,
        stream,
        state,
        gate,
        stored,
        unchanged,
        calls,
        age,
        allowed,
        kind,
        message,
        rule,
        warnings,
    ) = row
    if gate == "quarantined":
        state, message = "refused", f"the gate refused the run: {rule}; see ops.extract_runs.gate_report"
    if state is None:
        message, kind = unread, "AlreadyRunning" if unread else None
    return Line(
        business_id=business_id,
        platform=platform,
        account_id=account_id,
        stream=stream,
        state=state or "never ran",
        stored=stored,
        unchanged=unchanged,
        calls=calls,
        age_hours=age,
        next_allowed_at=allowed,
        error=message,
        action=_action(kind, gate),
        warnings=tuple(warnings),
    )


def _action(error_class: str | None, gate: str | None) -> str | None:
    if gate == "quarantined":
        return "look at the rows"
    return errors.named(error_class).action if error_class else None


def report(lines: Sequence[Line], *, of: int) -> str:
    """Return the lines as a table for people, and under it one line per account that needs one, and the warnings.

    `of`: how many streams there are, shown or not.
    """
    if not of:
        return "No account is loaded; `python -m extractors accounts load accounts.yml` does that."
    if not lines:
        return f"All is well: none of {of} streams needs a look."
    parts = [table(lines)]
    if found := problems(lines):
        parts.append("\n".join(["What to do, account by account", *found]))
    if warned := warnings(lines):
        parts.append("\n".join(["Warnings", *warned]))
    return "\n\n".join(parts)


def worst(lines: Sequence[Line]) -> list[Line]:
    """Return the gravest problem of each account that has one: what a person must do goes before what passes."""
    found: dict[str, Line] = {}
    for line in lines:
        if line.todo is not None:
            known = found.setdefault(line.account, line)
            if known.action == "wait" and line.action != "wait":
                found[line.account] = line
    return list(found.values())


def problems(lines: Sequence[Line]) -> list[str]:
    """Return one line per account with a problem: which of the things to do it is, and why."""
    return [f"{line.account}: {line.todo}" for line in worst(lines)]


def warnings(lines: Sequence[Line]) -> list[str]:
    """Return each warning once: what a platform no longer tells, though everything else landed."""
    return list(dict.fromkeys(f"{line.stream}, {line.account}: {text}" for line in lines for text in line.warnings))


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table for people."""
    heads = ("business", "account", "stream", "state", "stored", "same", "calls", "age h", "what to do")
    rows = [heads, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    numbers = (line.stored, line.unchanged, line.calls, line.age_hours)
    advice = line.todo or (f"{len(line.warnings)} warnings" if line.warnings else "")
    shown = ("" if number is None else str(number) for number in numbers)
    return (str(line.business_id), line.account_id, line.stream, line.state, *shown, advice)
