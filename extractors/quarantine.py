"""What could not land: listed, shown safely, and replayed through the gate once our reading of it is mended.

An entry is open until a replay of it passed the gate. A note says that a record landed with its text mended.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from extractors import ledger
from extractors.accounts import enabled_accounts
from extractors.errors import (
    AlreadyRunning,
    ConfigurationError,
    ContractBroken,
    Mended,
    PipelineError,
)
from extractors.load import land
from extractors.pages import Lease, Page
from extractors.redaction import printable
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.shape import foreseen
from extractors.spec import Account, Platform, Read, Record, Scope, Stream, Unread
from extractors.steps import DONE
from extractors.store import Unstorable
from extractors.strict_json import NotStrictJson, parse

Connection = psycopg.Connection[Any]

# Their bytes are the record itself, read once already; `SetAside` by the gate.
WHOLE_RECORDS = frozenset({Unstorable.__name__, "SetAside"})

ENTRIES = """
select
    entry.quarantine_id, entry.run_id::text, entry.business_id, entry.platform, entry.account_id, entry.stream,
    entry.record_key, entry.reason, entry.detail, octet_length(entry.body) as size, entry.observed_at,
    entry.resolved_at, entry.resolved_by, entry.read, entry.step, entry.ids, entry.metrics, entry.window_since,
    entry.window_until, entry.times, entry.last_seen_at, run.as_of
from ops.quarantine as entry
inner join ops.extract_runs as run using (run_id)
where (%(platforms)s::text[] is null or entry.platform = any (%(platforms)s))
    and (%(business_ids)s::bigint[] is null or entry.business_id = any (%(business_ids)s))
    and (%(ids)s::bigint[] is null or entry.quarantine_id = any (%(ids)s))
    and (%(resolved)s or entry.resolved_at is null)
order by entry.quarantine_id
"""

# An entry that another process replays at this moment is left to it.
TAKE = """
select body from ops.quarantine where quarantine_id = %s and resolved_at is null for update skip locked
"""

# A replay stands at the instant of the run it comes from: its rows are of then.
OPEN = """
insert into ops.extract_runs
    (run_id, business_id, platform, account_id, stream, kind, as_of, window_since, window_until, lease_expires_at,
    started_at)
select
    %(run_id)s, business_id, platform, account_id, stream, 'replay', as_of, window_since, window_until,
    clock_timestamp() + interval '10 minutes', started_at - interval '1 microsecond'
from ops.extract_runs
where run_id = %(of)s
on conflict do nothing
returning lease_epoch
"""

RESOLVE = """
update ops.quarantine as entry set resolved_at = clock_timestamp(), resolved_by = run.run_id::text
from ops.extract_runs as run
where entry.quarantine_id = %s and run.run_id = %s and run.gate = 'passed' and entry.resolved_at is null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of `ops.quarantine` without its bytes; `size` is how many there are, `as_of` the instant of its run.

    `read` to `window_until` are what the answer was asked for; `times` is how often the very same came.
    """

    quarantine_id: int
    run_id: str
    business_id: int
    platform: str
    account_id: str
    stream: str
    record_key: str | None
    reason: str
    detail: str
    size: int
    observed_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    read: str | None
    step: str | None
    ids: list[str] | None
    metrics: list[str] | None
    window_since: datetime | None
    window_until: datetime | None
    times: int
    last_seen_at: datetime
    as_of: datetime

    @property
    def state(self) -> str:
        """`open`, `resolved`, or `note`: the record landed, only its text was mended."""
        if self.reason == Mended.__name__:
            return "note"
        return "open" if self.resolved_at is None else "resolved"

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as plain data."""
        names = ("quarantine_id", "run_id", "business_id", "platform", "account_id", "stream", "record_key")
        facts: dict[str, Any] = {name: getattr(self, name) for name in (*names, "reason", "detail", "state")}
        facts |= {name: getattr(self, name) for name in ("read", "step", "ids", "metrics", "times", "resolved_by")}
        instants = ("window_since", "window_until", "observed_at", "last_seen_at")
        facts |= {name: at.isoformat() if (at := getattr(self, name)) else None for name in instants}
        facts |= {"bytes": self.size}
        return facts | {"resolved_at": self.resolved_at.isoformat() if self.resolved_at else None}

    def __str__(self) -> str:
        which = printable(self.record_key) if self.record_key else "whole answer"
        where = f"{self.stream} {printable(self.account_id)} (business {self.business_id})"
        when = f"{self.observed_at:%Y-%m-%d %H:%M:%S%z}"
        what = f"{self.reason}: {printable(self.detail)}"
        often = f"  {self.times} times, last {self.last_seen_at:%Y-%m-%d %H:%M}" if self.times > 1 else ""
        return f"{self.quarantine_id}  {when}  {self.state}  {where}  {which}  {what}  {self.size} bytes{often}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of one entry: the run that landed it, or why it stays open."""

    quarantine_id: int
    run_id: str | None = None
    stored: int = 0
    unchanged: int = 0
    open_because: str | None = None
    already: str | None = None

    def __str__(self) -> str:
        if self.already is not None:
            return f"{self.quarantine_id}: {self.already}"
        if self.open_because is not None:
            return f"{self.quarantine_id} stays open: {printable(self.open_because)}"
        return f"{self.quarantine_id} resolved by run {self.run_id}: {self.stored} stored, {self.unchanged} unchanged"


def printable_body(body: bytes) -> str:
    """Return kept bytes for a screen: UTF-8 where it is, escapes where it is not, lines kept."""
    return "\n".join(map(printable, body.decode("utf-8", "backslashreplace").split("\n")))


def entries(
    connection: Connection,
    *,
    platforms: Sequence[str] | None = None,
    business_ids: Sequence[int] | None = None,
    ids: Sequence[int] | None = None,
    resolved: bool = False,
) -> list[Entry]:
    """Return the entries asked for, oldest first, without the resolved ones unless they are wanted."""
    values = {
        "platforms": list(platforms) if platforms else None,
        "business_ids": list(business_ids) if business_ids else None,
        "ids": list(ids) if ids is not None else None,
        "resolved": resolved,
    }
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(ENTRIES, values).fetchall()


def named(connection: Connection, ids: Sequence[int]) -> list[Entry]:
    """Return the entries of these numbers. Raises ConfigurationError for one that is not there."""
    found = entries(connection, ids=list(ids), resolved=True)
    missing = set(ids) - {entry.quarantine_id for entry in found}
    if missing:
        names = ", ".join(map(str, sorted(missing)))
        raise ConfigurationError(f"there is no quarantine entry {names}", "see `quarantine list --all`")
    return found


def body_of(connection: Connection, entry: Entry) -> bytes:
    """Return the kept bytes of an entry."""
    query = "select body from ops.quarantine where quarantine_id = %s"
    row = connection.execute(query, (entry.quarantine_id,)).fetchone()
    return bytes(row[0]) if row else b""


def replay(
    settings: Settings,
    ids: Sequence[int] | None,
    *,
    read: str | None = None,
    platforms: Mapping[str, Platform] = PLATFORMS,
) -> list[Replayed]:
    """Read entries again (all open ones for None), each under a run of its own, and take those runs through the gate.

    An entry is resolved once its run passed; everything else stays open and says why. `read` names the list that
    brought an answer, where a stream has several. Raises ConfigurationError for an entry that is not there.
    """
    results: list[Replayed] = []
    landed: dict[int, Replayed] = {}
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        chosen = entries(connection) if ids is None else named(connection, ids)
        for entry in chosen:
            if entry.state != "open":
                if ids is not None:
                    results.append(Replayed(quarantine_id=entry.quarantine_id, already=_already(entry)))
                continue
            try:
                landed[entry.quarantine_id] = _land(connection, platforms, entry, read)
            except (PipelineError, NotStrictJson, psycopg.DataError, psycopg.IntegrityError) as error:
                reason = " ".join(str(error).split())
                results.append(Replayed(quarantine_id=entry.quarantine_id, open_because=reason))
        if landed:
            results += _through_the_gate(settings, connection, landed, {entry.platform for entry in chosen})
    return sorted(results, key=lambda result: result.quarantine_id)


def _already(entry: Entry) -> str:
    if entry.state == "note":
        return "a note, the record landed with its text mended; nothing to replay"
    return f"resolved already, by {entry.resolved_by}"


def _through_the_gate(
    settings: Settings, connection: Connection, landed: dict[int, Replayed], platforms: set[str]
) -> list[Replayed]:
    # Great Expectations takes seconds to import: only what landed pays for it.
    from expectations.gate import validate_pending

    lines = {gate.run_id: gate.lines() for gate in validate_pending(settings, sorted(platforms))}
    results = []
    for quarantine_id, done in landed.items():
        if connection.execute(RESOLVE, (quarantine_id, done.run_id)).rowcount == 1:
            results.append(done)
            continue
        refused = next(iter(lines.get(done.run_id or "", [])), f"run {done.run_id} did not pass the gate")
        results.append(Replayed(quarantine_id=quarantine_id, run_id=done.run_id, open_because=refused))
    return results


def _land(connection: Connection, platforms: Mapping[str, Platform], entry: Entry, read: str | None) -> Replayed:
    """Land one entry under a new run, whole or not at all. Raises what keeps it open."""
    stream, account = _owner(connection, platforms, entry)
    run_id = str(uuid.uuid4())
    with connection.transaction():
        taken = connection.execute(TAKE, (entry.quarantine_id,)).fetchone()
        if taken is None:
            raise AlreadyRunning("another process replays it at this moment", "look again in a minute")
        records = _records(entry, stream, account, bytes(taken[0]), read)
        opened = connection.execute(OPEN, {"run_id": run_id, "of": entry.run_id}).fetchone()
        if opened is None:
            raise AlreadyRunning(f"{account}: {stream.full_name} is being read by another process", "wait for it")
        lease = Lease(run_id=run_id, epoch=opened[0], account=account, stream=stream)
        page = Page(
            records=records, observed_at=entry.observed_at, next_cursor=dict(DONE), calls=0, retries=0, late=True
        )
        stored = land(connection, lease, page)
        row = connection.execute("select unchanged from ops.extract_runs where run_id = %s", (run_id,)).fetchone()
        unchanged = row[0] if row else 0
        if stored + unchanged == 0:
            raise ContractBroken("nothing of it can be stored", f"look with `quarantine show {entry.quarantine_id}`")
        ledger.complete(connection, lease)
    return Replayed(quarantine_id=entry.quarantine_id, run_id=run_id, stored=stored, unchanged=unchanged)


def _owner(connection: Connection, platforms: Mapping[str, Platform], entry: Entry) -> tuple[Stream, Account]:
    platform = platforms.get(entry.platform)
    stream = next((each for each in platform.streams if each.full_name == entry.stream), None) if platform else None
    if stream is None:
        raise ConfigurationError(f"there is no stream {entry.stream} any more", "keep the entry, or delete it by hand")
    for account in enabled_accounts(connection, [entry.platform], [entry.business_id]):
        if account.account_id == entry.account_id:
            return stream, account
    raise ConfigurationError(f"account {entry.account_id} is not enabled any more", "enable it in accounts.yml")


def _records(
    entry: Entry, stream: Stream, account: Account, body: bytes, read: str | None
) -> Sequence[Record | Unread]:
    parsed = parse(body)
    if entry.reason in WHOLE_RECORDS and entry.record_key is not None:
        if not isinstance(parsed, dict):
            raise ContractBroken("the kept record is no object", "look at its bytes")
        return [Record(entry.record_key, parsed)]
    read = read or entry.read
    scope = _scope(entry, account)
    candidates = [each for each in stream.reads if read is None or each.name == read]
    if not candidates:
        names = ", ".join(each.name for each in stream.reads)
        raise ConfigurationError(f"{stream.full_name} has no list {read!r}", f"choose --read from {names}")
    found: dict[str, Sequence[Record | Unread]] = {}
    refusals: list[PipelineError] = []
    for candidate in candidates:
        try:
            records = _read_again(candidate, scope, parsed, entry)
        except PipelineError as error:
            refusals.append(error)
        else:
            found[candidate.name] = records
    if not found:
        raise refusals[0]
    if len({tuple(sorted(item.key for item in records)) for records in found.values()}) > 1:
        raise ContractBroken(f"{', '.join(found)} could each have brought it", "name one with --read")
    return next(iter(found.values()))


def _scope(entry: Entry, account: Account) -> Scope:
    """What the answer was asked for; one element of a batch's stands for itself."""
    ids = (entry.record_key,) if entry.record_key else tuple(entry.ids or ())
    return Scope(
        account=account,
        now=entry.as_of,
        since=entry.window_since,
        until=entry.window_until,
        ids=ids,
        metrics=tuple(entry.metrics or ()),
    )


def _read_again(read: Read, scope: Scope, parsed: Any, entry: Entry) -> Sequence[Record | Unread]:
    """Read an answer, or one element of a batch's. Raises ContractBroken for what it cannot be."""
    body = [parsed] if read.form is not None and entry.record_key is not None else parsed
    with foreseen(read, scope, body):
        records = read.records(scope, body)
    if not any(isinstance(item, Record) for item in records):
        failed = next((item.error for item in records if isinstance(item, Unread)), None)
        raise failed or ContractBroken(f"{read.name}: it holds no records", "read the list again with `run`")
    return records
