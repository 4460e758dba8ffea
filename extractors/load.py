"""One page into its raw table: rows, page cursor and ledger line in one transaction, inserted only on change.

Records go in slices in key order (unsorted upserts deadlock, sorted ones never did), each slice one insert-select over
arrays: while the server takes it, the next is encoded (docs/adr/0009). A record is inserted when its hash differs from
its last version's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from extractors import arrays, versions
from extractors.errors import ContractBroken, Disconnected, LeaseLost, Mended, PipelineError
from extractors.shape import LOOK
from extractors.spec import Account, Record, Scope, Stream, Unread
from extractors.strict_json import REPLACEMENT, UNSTORABLE, NotStrictJson, StorableRow, original, storable_row

# Small enough that the server starts early, large enough that a statement costs little beside its rows (measured).
SLICE = 125

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
where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s and state = 'running' and exists (
    -- The share lock lets whoever disables the account wait for this page, and this page for him: no row comes after.
    select from ops.accounts
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s and is_enabled
    for share
)
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

# An index row of Postgres holds 2,704 bytes; no platform's id comes near this.
MAX_KEY_BYTES = 1_000

# The record lands, and the text as it came is kept beside it.
MENDED = Mended("the text holds NUL or a lone surrogate", "it landed with U+FFFD in their place; nothing to do")


class Unstorable(ContractBroken):
    """A record was read, but jsonb cannot hold it; its payload is kept as JSON, its page landed without it."""


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


@dataclass(frozen=True, slots=True)
class _Landing:
    record: Record
    row: StorableRow


@dataclass(slots=True)
class _Landed:
    """What became of a page's records so far; `inserts` know their counts once the server has answered."""

    inserts: list[psycopg.Cursor[Any]] = field(default_factory=list)
    mended: list[Record] = field(default_factory=list)
    refused: list[Unread] = field(default_factory=list)
    landings: int = 0

    @property
    def stored(self) -> int:
        """How many records were new or changed."""
        return sum(insert.rowcount for insert in self.inserts)


def land(connection: psycopg.Connection[Any], lease: Lease, page: Page) -> int:
    """Store a page and return how many records were new or changed.

    Raises LeaseLost, having written nothing, when another process took the run over, and Disconnected when the account
    was disabled: whoever disables it waits for the page that is being written.
    """
    with connection.transaction():
        # A page may name a record twice: the later one counts. Key order keeps concurrent writers out of deadlocks.
        by_key = {record.key: record for record in page.records if isinstance(record, Record)}
        landed = _insert_changed(connection, lease, [by_key[key] for key in sorted(by_key)], page)
        unread = landed.refused + [item for item in page.records if isinstance(item, Unread)]
        for record in landed.mended:
            quarantine(connection, lease, record.key, MENDED, original(record.payload), page.observed_at, page.question)
        for item in unread:
            quarantine(connection, lease, item.key, item.error, item.body, page.observed_at, page.question)
        values = {
            **lease.account.identity(),
            "run_id": lease.run_id,
            "lease_epoch": lease.epoch,
            "page_cursor": Jsonb(page.next_cursor),
            "calls": page.calls,
            "retries": page.retries,
            "charged": page.charged,
            "listed": landed.landings + len(unread),
            "stored": landed.stored,
            "unchanged": landed.landings - landed.stored,
            "quarantined": len(unread),
        }
        if connection.execute(ADVANCE, values).rowcount != 1:
            check_enabled(connection, lease.account)
            raise LeaseLost(
                f"{lease.account}: run {lease.run_id} of {lease.stream.full_name} was taken over",
                "nothing was written by this process; the newer one goes on",
            )
    return landed.stored


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


def _storable(records: Sequence[Record], volatile: Sequence[tuple[str, ...]]) -> tuple[list[_Landing], list[Unread]]:
    """Part the records that Postgres can hold from those it cannot, which are kept by themselves."""
    landings: list[_Landing] = []
    refused: list[Unread] = []
    for record in records:
        try:
            _check_key(record.key)
            landings.append(_Landing(record, storable_row(record.payload, volatile)))
        except NotStrictJson as error:
            reason = Unstorable(f"the record cannot be stored: {error}", LOOK)
            refused.append(Unread(record.key, reason, original(record.payload)))
    return landings, refused


def _check_key(key: str) -> None:
    if UNSTORABLE.search(key):
        raise NotStrictJson("its id holds NUL or a lone surrogate")
    if len(key) > MAX_KEY_BYTES // 4 and len(key.encode()) > MAX_KEY_BYTES:
        raise NotStrictJson(f"its id is longer than {MAX_KEY_BYTES} bytes")


def _insert_changed(
    connection: psycopg.Connection[Any], lease: Lease, records: Sequence[Record], page: Page
) -> _Landed:
    landed = _Landed()
    if not records:
        return landed
    arrays.register(connection)
    statement = versions.insert_changed(lease.stream.full_name, has_formers=bool(lease.former_ids), late=page.late)
    values = {
        **lease.account.identity(),
        "run_id": lease.run_id,
        "account_ids": [lease.account.account_id, *lease.former_ids],
        "observed_at": page.observed_at,
    }
    with connection.pipeline():
        # Whoever settles last versions waits for the page that is being written, and the next page for him.
        connection.execute(ENABLED, values)
        for start in range(0, len(records), SLICE):
            landings, refused = _storable(records[start : start + SLICE], lease.stream.volatile)
            landed.inserts.append(connection.execute(statement, values | _arrays(landings)))
            landed.landings += len(landings)
            landed.refused += refused
            landed.mended += [each.record for each in landings if each.row.is_mended]
    return landed


def _arrays(landings: Sequence[_Landing]) -> dict[str, object]:
    return {
        "keys": arrays.Texts(each.record.key.encode() for each in landings),
        "payloads": arrays.Texts(each.row.encoded for each in landings),
        "hashes": arrays.Blobs(each.row.digest for each in landings),
    }


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
