"""One page into its raw table: rows, page cursor and ledger line in one transaction, stored only on change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from extractors.errors import Disconnected, LeaseLost, Mended, PipelineError
from extractors.pages import Lease, Page, Question
from extractors.spec import Account, Unread
from extractors.store import store
from extractors.strict_json import REPLACEMENT, UNSTORABLE, original

ADVANCE = """
update ops.extract_runs set
    page_cursor = %(page_cursor)s,
    pages = pages + 1,
    calls = calls + %(calls)s,
    retries = retries + %(retries)s,
    charged = charged + %(charged)s,
    listed = listed + %(listed)s,
    stored = stored + %(stored)s,
    unchanged = unchanged + %(unchanged)s,
    quarantined = quarantined + %(quarantined)s,
    lease_expires_at = clock_timestamp() + interval '10 minutes'
where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s and state = 'running'
"""

# What comes again just as it came, and is still open, is one entry.
QUARANTINE = """
insert into ops.quarantine as known
    (run_id, business_id, platform, account_id, stream, record_key, reason, detail, body, observed_at,
    read, step, ids, metrics, window_since, window_until, last_run_id, last_seen_at)
select
    %(run_id)s, business_id, platform, account_id, %(stream)s, %(record_key)s, %(reason)s, %(detail)s, %(body)s,
    %(observed_at)s, %(read)s, %(step)s, %(ids)s, %(metrics)s, %(since)s, %(until)s, %(run_id)s, %(observed_at)s
from ops.accounts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s and is_enabled
for share
on conflict (
    business_id, platform, account_id, stream, reason,
    hashtextextended(coalesce(record_key, coalesce(read, '') || ' ' || coalesce(step, '')), 0), sha256(body)
) where resolved_at is null do update set
    times = known.times + 1, last_run_id = excluded.last_run_id, last_seen_at = excluded.last_seen_at
"""


WARN = "update ops.extract_runs set warnings = warnings || %s::text[] where run_id = %s and lease_epoch = %s"

# The record lands, and the text as it came is kept beside it.
MENDED = Mended("the text holds NUL or a lone surrogate", "it landed with U+FFFD in their place; nothing to do")


def land(connection: psycopg.Connection[Any], lease: Lease, page: Page) -> int:
    """Store a page and return how many records were new or changed.

    Raises LeaseLost, having written nothing, when another process took the run over, and Disconnected when the account
    was disabled: whoever disables it waits for the page that is being written.
    """
    with connection.transaction():
        check_enabled(connection, lease.account)
        stored = store(connection, lease, page)
        unread = stored.refused + [item for item in page.records if isinstance(item, Unread)]
        for record in stored.mended:
            quarantine(connection, lease, record.key, MENDED, original(record.payload), page.observed_at, page.question)
        for item in unread:
            quarantine(connection, lease, item.key, item.error, item.body, page.observed_at, page.question)
        values = {
            "run_id": lease.run_id,
            "lease_epoch": lease.epoch,
            "page_cursor": Jsonb(page.next_cursor),
            "calls": page.calls,
            "retries": page.retries,
            "charged": page.charged,
            "listed": stored.landings + len(unread),
            "stored": stored.changed,
            "unchanged": stored.landings - stored.changed,
            "quarantined": len(unread),
        }
        if connection.execute(ADVANCE, values).rowcount != 1:
            raise LeaseLost(
                f"{lease.account}: run {lease.run_id} of {lease.stream.full_name} was taken over",
                "nothing was written by this process; the newer one goes on",
            )
    return stored.changed


ENABLED = """
select is_enabled from ops.accounts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
for share
"""


def check_enabled(connection: psycopg.Connection[Any], account: Account) -> None:
    """Raise Disconnected when the account is disabled; else nobody disables it before this transaction ends."""
    row = connection.execute(ENABLED, account.identity()).fetchone()
    if row is None or not row[0]:
        raise Disconnected(
            f"{account}: it was disabled while it was read, so nothing more of it is stored",
            "load it with `accounts load` to read it again, or `erase` what came before",
        )


def quarantine(
    connection: psycopg.Connection[Any],
    lease: Lease,
    record_key: str | None,
    error: PipelineError,
    body: bytes,
    observed_at: datetime,
    question: Question | None = None,
) -> None:
    """Keep what could not be read, or not as it came, with its bytes, the reason and what it was asked for.

    `body` is the bytes as they came, or `strict_json.original` of what was parsed from them: so it can be replayed.
    """
    account = lease.account
    scope = question.scope if question else None
    values = {
        "run_id": lease.run_id,
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "stream": lease.stream.full_name,
        "record_key": None if record_key is None else UNSTORABLE.sub(REPLACEMENT, record_key),
        "reason": type(error).__name__,
        "detail": UNSTORABLE.sub(REPLACEMENT, str(error)),
        "body": body,
        "observed_at": observed_at,
        "read": question.read if question else None,
        "step": question.step if question else None,
        "ids": list(scope.ids) if scope else None,
        "metrics": list(scope.metrics) if scope else None,
        "since": scope.since if scope else None,
        "until": scope.until if scope else None,
    }
    connection.execute(QUARANTINE, values)


def warn(connection: psycopg.Connection[Any], lease: Lease, *lines: str) -> None:
    """Write beside the run what a person should know of it, though it goes on."""
    if lines:
        connection.execute(WARN, (list(lines), lease.run_id, lease.epoch))
