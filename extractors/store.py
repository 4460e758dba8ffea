"""The records of a page into raw, those alone that differ from their last version (docs/adr/0044).

The server tells the last versions of all of them, what differs is copied in key order (unsorted upserts deadlock,
sorted ones never did), and is then noted as last version. While the server takes one slice, the next is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import psycopg

from extractors import binary, versions
from extractors.errors import ContractBroken
from extractors.pages import Lease, Page
from extractors.shape import LOOK
from extractors.spec import Record, Unread
from extractors.strict_json import UNSTORABLE, NotStrictJson, original, storable_row

# Small enough that the server starts early, large enough that sending costs little beside the rows (measured).
SLICE = 125

# An index row of Postgres holds 2,704 bytes; no platform's id comes near this.
MAX_KEY_BYTES = 1_000

Connection = psycopg.Connection[Any]
#: By key: the hash of the last version and the instant of what would follow it.
LastVersions = dict[str, tuple[bytes, bytes]]


class Unstorable(ContractBroken):
    """A record was read, but jsonb cannot hold it; its payload is kept as JSON, its page landed without it."""


@dataclass(slots=True)
class Noted:
    """Records whose last versions are to be noted: keys, instants and hashes, each in its place."""

    keys: binary.Texts = field(default_factory=binary.Texts)
    instants: binary.Instants = field(default_factory=binary.Instants)
    hashes: binary.Blobs = field(default_factory=binary.Blobs)

    def values(self) -> dict[str, object]:
        """What a statement notes them by."""
        return {"keys": self.keys, "instants": self.instants, "hashes": self.hashes}


@dataclass(slots=True)
class Stored:
    """What became of records: how many could land, which of them are new or newer, and which could not."""

    landings: int = 0
    mended: list[Record] = field(default_factory=list)
    refused: list[Unread] = field(default_factory=list)
    new: Noted = field(default_factory=Noted)
    newer: Noted = field(default_factory=Noted)

    @property
    def changed(self) -> int:
        """How many records were new or changed."""
        return len(self.new.keys) + len(self.newer.keys)


def store(connection: Connection, lease: Lease, page: Page) -> Stored:
    """Copy the page's records that changed into raw, inside the caller's transaction."""
    binary.register(connection)
    # A page may name a record twice: the later one counts. Key order keeps concurrent writers out of deadlocks.
    by_key = {record.key: record for record in page.records if isinstance(record, Record)}
    records, stored = [by_key[key] for key in sorted(by_key)], Stored()
    statements = versions.statements(lease.stream.full_name, has_formers=bool(lease.former_ids), late=page.late)
    values = {
        **lease.account.identity(),
        "account_ids": [lease.account.account_id, *lease.former_ids],
        "observed_at": page.observed_at,
    }
    rows = _rows(lease, page, records, _last_versions(connection, statements, values, records), stored)
    block = _block(rows)
    if block:
        with connection.cursor().copy(statements.copy) as copy:
            copy.write(binary.BEFORE_ROWS)
            while block:
                copy.write(block)
                block = _block(rows)
            copy.write(binary.AFTER_ROWS)
        for statement, noted in ((statements.note_new, stored.new), (statements.note_newer, stored.newer)):
            if noted.keys:
                connection.execute(statement, values | noted.values())
    return stored


def _block(rows: Iterator[tuple[bytes, ...]]) -> bytes:
    return b"".join(chain.from_iterable(islice(rows, SLICE)))


def _last_versions(
    connection: Connection, statements: versions.Statements, values: dict[str, object], records: Sequence[Record]
) -> LastVersions:
    keys = binary.Texts(record.key.encode() for record in records if not UNSTORABLE.search(record.key))
    found = connection.cursor(binary=True).execute(statements.last, values | {"keys": keys})
    return {key: (digest, following) for key, digest, following in found}


def _rows(
    lease: Lease, page: Page, records: Sequence[Record], last: LastVersions, stored: Stored
) -> Iterator[tuple[bytes, ...]]:
    """The rows of what changed; what Postgres cannot hold is kept by itself."""
    account, volatile = lease.account, lease.stream.volatile
    row_of = binary.RawRows(lease.run_id, account.business_id, account.account_id).row
    unseen = (b"", binary.instant(page.observed_at))
    for record in records:
        try:
            key, row = _key(record.key), storable_row(record.payload, volatile)
        except NotStrictJson as error:
            reason = Unstorable(f"the record cannot be stored: {error}", LOOK)
            stored.refused.append(Unread(record.key, reason, original(record.payload)))
            continue
        stored.landings += 1
        if row.is_mended:
            stored.mended.append(record)
        before, following = last.get(record.key, unseen)
        if before != row.digest:
            noted = stored.newer if before else stored.new
            noted.keys.append(key)
            noted.instants.append(following)
            noted.hashes.append(row.digest)
            yield row_of(key, following, row.digest, row.encoded)


def _key(key: str) -> bytes:
    if UNSTORABLE.search(key):
        raise NotStrictJson("its id holds NUL or a lone surrogate")
    encoded = key.encode()
    if len(encoded) > MAX_KEY_BYTES:
        raise NotStrictJson(f"its id is longer than {MAX_KEY_BYTES} bytes")
    return encoded
