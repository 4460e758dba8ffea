"""Few bad records are set aside into the quarantine, and the rest of their run passes; many hold the run back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from expectations.runs import Failure, Run

# A run may miss one record in a hundred, and never more than fifty. A short run may miss one: a platform that changes
# its form changes all records, or all of a kind, and of ten one alone is neither; of fewer it may be.
MOST_ROWS = 50
SHARE = 100
ONE_OF = 10
REASON = "SetAside"
# What came in a form that we cannot read; what a platform refuses of single objects is no fault of the form.
UNREADABLE = ("ContractBroken", "Unstorable")
# A clock that is wrong, another account's records and a stored token are no matter of single records.
OF_THE_RUN = frozenset({"observed_off_minutes", "foreign_owner", "token_links"})

MOVE = sql.SQL(
    """
with bad as (
    delete from {table} as record
    using unnest(%(keys)s::text[], %(details)s::text[]) as named (record_key, detail)
    where record.run_id = %(run_id)s and record.business_id = %(business_id)s and record.account_id = %(account_id)s
        and record.record_key = named.record_key
    returning record.record_key, named.detail, convert_to(record.payload::text, 'UTF8') as body, record.observed_at
),

kept as (
    insert into ops.quarantine as known
        (run_id, business_id, platform, account_id, stream, record_key, reason, detail, body, observed_at,
        last_run_id, last_seen_at)
    select distinct on (record_key, body)
        %(run_id)s, %(business_id)s, %(platform)s, %(account_id)s, %(stream)s, record_key, %(reason)s, detail, body,
        observed_at, %(run_id)s::uuid, observed_at
    from bad
    order by record_key, body, observed_at
    on conflict (
        business_id, platform, account_id, stream, reason,
        hashtextextended(coalesce(record_key, coalesce(read, '') || ' ' || coalesce(step, '')), 0), sha256(body)
    ) where resolved_at is null do update set
        times = known.times + 1, last_run_id = excluded.last_run_id, last_seen_at = excluded.last_seen_at
)

update ops.extract_runs set
    stored = stored - (select count(*) from bad), quarantined = quarantined + (select count(*) from bad)
where run_id = %(run_id)s
returning (select count(*) from bad)
"""
)


def is_tolerable(bad: int, listed: int) -> bool:
    """Say whether so many records of so many may be missing."""
    return bad <= MOST_ROWS and (bad * SHARE <= listed or (bad <= 1 and listed >= ONE_OF))


def records(run: Run, failures: Sequence[Failure]) -> dict[str, str] | None:
    """Return what is wrong with each bad record of a run, or None when the run as a whole must be held back."""
    if not failures or any(failure.column in OF_THE_RUN or not failure.keys for failure in failures):
        return None
    bad = {key: says for failure in reversed(failures) for key, says in failure.keys.items()}
    return bad if is_tolerable(len(bad) + run.unread, run.listed) else None


def move(connection: psycopg.Connection[Any], run: Run, bad: Mapping[str, str]) -> int:
    """Move records from raw into the quarantine, each once with its reason, and return how many rows that were."""
    values = {
        "keys": list(bad),
        "details": list(bad.values()),
        "run_id": run.run_id,
        "business_id": run.business_id,
        "platform": run.platform,
        "account_id": run.account_id,
        "stream": run.stream,
        "reason": REASON,
    }
    statement = MOVE.format(table=sql.Identifier("raw", run.stream))
    row = connection.execute(statement, values).fetchone()
    return int(row[0]) if row else 0
