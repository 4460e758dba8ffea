"""The records of a page into raw, those alone that differ from their last version (docs/adr/0044).

Records go in key order (unsorted upserts deadlock, sorted ones never did), in parts. While the server notes the last
versions of one part and looks for those of the next, the first records of that part are encoded; what changed is
copied, and while the server takes one slice, the next is encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Any

import psycopg

from extractors import binary, versions
from extractors.errors import ContractBroken
from extractors.shape import LOOK
from extractors.spec import Account, Record, Stream, Unread
from extractors.strict_json import UNSTORABLE, NotStrictJson, StorableRow, original, storable_row

# Measured: a part large enough that its round trips cost little, a slice small enough that the server starts early, and
# as many slices ahead as the server needs to note one part and to look for another.
PART, SLICE, SLICES_AHEAD = 1_000, 125, 3

# An index row of Postgres holds 2,704 bytes; no platform's id comes near this.
MAX_KEY_BYTES = 1_000

Connection = psycopg.Connection[Any]


class Unstorable(ContractBroken):
    """A record was read, but jsonb cannot hold it; its payload is kept as JSON, its page landed without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where records land: the run, its account and stream, and when they came.

    `former_ids`: ids the account had before; `late`: the records are versions of then, behind those that came since.
    """

    run_id: str
    account: Account
    stream: Stream
    observed_at: datetime
    former_ids: tuple[str, ...] = ()
    late: bool = False

    def statements(self) -> versions.Statements:
        """What its records are stored by."""
        return versions.statements(self.stream.full_name, has_formers=bool(self.former_ids), late=self.late)

    def values(self) -> dict[str, Any]:
        """What these statements ask for, records apart."""
        account_ids = [self.account.account_id, *self.former_ids]
        return {**self.account.identity(), "account_ids": account_ids, "observed_at": self.observed_at}

    def rows(self) -> binary.RawRows:
        """What makes its rows."""
        return binary.RawRows(self.run_id, self.account.business_id, self.account.account_id)


@dataclass(frozen=True, slots=True)
class Landing:
    """A record as Postgres holds it: its key and its canonical JSON in UTF-8."""

    record: Record
    key: bytes
    row: StorableRow


@dataclass(slots=True)
class Noted:
    """Records whose last versions are to be noted: keys, instants and hashes, each in its place."""

    keys: binary.Texts = field(default_factory=binary.Texts)
    instants: binary.Instants = field(default_factory=binary.Instants)
    hashes: binary.Blobs = field(default_factory=binary.Blobs)

    def add(self, landing: Landing, instant: bytes) -> None:
        """Note a record that is stored."""
        self.keys.append(landing.key)
        self.instants.append(instant)
        self.hashes.append(landing.row.digest)

    def values(self) -> dict[str, Any]:
        """What a statement notes them by."""
        return {"keys": self.keys, "instants": self.instants, "hashes": self.hashes}


@dataclass(slots=True)
class Stored:
    """What became of records: how many could land, how many of them changed, and which could not, or not as they came.

    The last versions of the last part are not noted yet: whoever ends the page sends `notes` with what it sends anyway.
    """

    landings: int = 0
    changed: int = 0
    mended: list[Record] = field(default_factory=list)
    refused: list[Unread] = field(default_factory=list)
    notes: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)

    def send_notes(self, connection: Connection) -> None:
        """Note what is stored and not noted yet; inside a pipeline it costs no wait."""
        for statement, values in self.notes:
            connection.execute(statement, values)
        self.notes.clear()


def store(connection: Connection, target: Target, records: Sequence[Record]) -> Stored:
    """Copy the records that changed into raw, inside the caller's transaction; keys are ascending and come once."""
    binary.register(connection)
    stored = Stored()
    for start in range(0, len(records), PART):
        _store_part(connection, target, records[start : start + PART], stored)
    return stored


def _store_part(connection: Connection, target: Target, part: Sequence[Record], stored: Stored) -> None:
    statements, values = target.statements(), target.values()
    slices = _slices(part, target.stream.volatile, stored)
    with connection.pipeline():
        stored.send_notes(connection)
        found = connection.cursor(binary=True)
        found.execute(statements.last, values | {"keys": _keys(part)})
        ahead = list(islice(slices, SLICES_AHEAD))
    last = {key: (digest, instant) for key, digest, instant in found}
    new, newer = _copy_changed(connection, target, last, chain(ahead, slices))
    for statement, noted in ((statements.note, new), (statements.note_newer, newer)):
        if noted.keys:
            stored.notes.append((statement, values | noted.values()))
            stored.changed += len(noted.keys)


def _copy_changed(
    connection: Connection, target: Target, last: dict[str, tuple[bytes, bytes]], slices: Iterator[list[Landing]]
) -> tuple[Noted, Noted]:
    """Return the records copied that have no last version and those that have one."""
    unseen, new, newer = (b"", binary.instant(target.observed_at)), Noted(), Noted()
    row = target.rows().row
    with ExitStack() as stack:
        copy: psycopg.Copy | None = None
        for landings in slices:
            rows = []
            for landing in landings:
                digest, instant = last.get(landing.record.key, unseen)
                if digest != landing.row.digest:
                    rows.append(row(landing.key, instant, landing.row.digest, landing.row.encoded))
                    (newer if digest else new).add(landing, instant)
            if rows and copy is None:
                copy = stack.enter_context(connection.cursor().copy(target.statements().copy))
                copy.write(binary.BEFORE_ROWS)
            if rows and copy is not None:
                copy.write(b"".join(rows))
        if copy is not None:
            copy.write(binary.AFTER_ROWS)
    return new, newer


def _keys(records: Sequence[Record]) -> binary.Texts:
    """The keys to look for; one that cannot be sent has no last version."""
    return binary.Texts(record.key.encode() for record in records if not UNSTORABLE.search(record.key))


def _slices(records: Sequence[Record], volatile: Sequence[tuple[str, ...]], stored: Stored) -> Iterator[list[Landing]]:
    """Part the records that Postgres can hold from those it cannot, which are kept by themselves."""
    for start in range(0, len(records), SLICE):
        landings = []
        for record in records[start : start + SLICE]:
            try:
                landing = Landing(record, _key(record.key), storable_row(record.payload, volatile))
            except NotStrictJson as error:
                reason = Unstorable(f"the record cannot be stored: {error}", LOOK)
                stored.refused.append(Unread(record.key, reason, original(record.payload)))
                continue
            landings.append(landing)
            if landing.row.is_mended:
                stored.mended.append(record)
        stored.landings += len(landings)
        yield landings


def _key(key: str) -> bytes:
    if UNSTORABLE.search(key):
        raise NotStrictJson("its id holds NUL or a lone surrogate")
    encoded = key.encode()
    if len(encoded) > MAX_KEY_BYTES:
        raise NotStrictJson(f"its id is longer than {MAX_KEY_BYTES} bytes")
    return encoded
