"""What the ledger says of each account and stream, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from extractors import errors
from extractors.errors import PipelineError
from extractors.registry import PLATFORMS

LATEST = """
select
    account.business_id, account.platform, account.account_id, stream.name,
    run.state, run.gate, run.stored, run.unchanged, run.calls,
    round(extract(epoch from clock_timestamp() - success.finished_at) / 3600, 1)::float8 as age_hours,
    run.next_allowed_at, run.error_class, run.error_message, run.gate_report -> 0 ->> 'expectation'
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
    select max(passed.finished_at) as finished_at from ops.extract_runs as passed
    where passed.business_id = account.business_id and passed.platform = account.platform
        and passed.account_id = account.account_id and passed.stream = stream.name
        and passed.state = 'complete' and passed.gate = 'passed' and passed.kind <> 'replay'
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
    return [_line(row) for row in rows]


def _line(row: Sequence[Any]) -> Line:
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
    ) = row
    if gate == "quarantined":
        state, message = "refused", f"the gate refused the run: {rule}; see ops.extract_runs.gate_report"
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
    )


def _action(error_class: str | None, gate: str | None) -> str | None:
    if gate == "quarantined":
        return "look at the rows"
    found = getattr(errors, error_class or "", None)
    return found.action if isinstance(found, type) and issubclass(found, PipelineError) else None


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table for people."""
    if not lines:
        return "No account is loaded; `python -m extractors accounts load accounts.yml` does that."
    heads = ("business", "account", "stream", "state", "stored", "same", "calls", "age h", "what to do")
    rows = [heads, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    numbers = (line.stored, line.unchanged, line.calls, line.age_hours)
    advice = f"{line.action or 'look'}: {line.error}" if line.error else ""
    shown = ("" if number is None else str(number) for number in numbers)
    return (str(line.business_id), line.account_id, line.stream, line.state, *shown, advice)
