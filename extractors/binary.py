"""Arrays and rows in PostgreSQL's binary forms, built in one go from values that are bytes already.

psycopg's own dumpers ask a Python object about every element of a list and every value of a row, which costs as much as
the JSON of a record. An array is what `array_recv` reads: dimensions, a flag for NULLs, the element type, then length
and bytes of each element (https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c).
A row is what `copy … (format binary)` reads: the number of its values, then length and bytes of each
(https://www.postgresql.org/docs/18/sql-copy.html, "Binary Format").
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_LENGTH = struct.Struct("!i")
_WHOLE = struct.Struct("!q")
_HEADER = struct.Struct("!iiIii")
# Timestamps are microseconds since then.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: What stands before and behind the rows of one `copy … (format binary)`.
BEFORE_ROWS = b"PGCOPY\n\xff\r\n\0" + bytes(8)
AFTER_ROWS = struct.pack("!h", -1)


class Texts(list[bytes]):
    """The elements of a `text[]`, encoded in UTF-8 by whoever made them."""


class Blobs(list[bytes]):
    """The elements of a `bytea[]`."""


class Instants(list[bytes]):
    """The elements of a `timestamptz[]`, as `instant` gives them."""


def instant(moment: datetime) -> bytes:
    """A `timestamptz` of a moment with a time zone."""
    return _WHOLE.pack((moment - _EPOCH) // _MICROSECOND)


class RawRows:
    """Rows of one run for a table of `raw`, in the order `COLUMNS`."""

    COLUMNS = "run_id, business_id, account_id, record_key, observed_at, payload_hash, payload"

    def __init__(self, run_id: str, business_id: int, account_id: str) -> None:
        values = (uuid.UUID(run_id).bytes, _WHOLE.pack(business_id), account_id.encode())
        self._same = struct.pack("!h", 7) + b"".join(map(_sized, values))

    def row(self, key: bytes, observed_at: bytes, digest: bytes, payload: bytes) -> tuple[bytes, ...]:
        """One row in pieces, to be joined with others: its key and JSON in UTF-8, its instant by `instant`."""
        size = _LENGTH.pack
        # The byte before the JSON is the version of jsonb's binary form, the only one there is.
        return (
            self._same, size(len(key)), key, b"\0\0\0\x08", observed_at, size(len(digest)), digest,
            size(len(payload) + 1), b"\x01", payload,
        )  # fmt: skip


def _sized(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _packed(elements: Sequence[bytes], element_oid: int) -> bytes:
    if not elements:
        return struct.pack("!iiI", 0, 0, element_oid)
    parts = [_HEADER.pack(1, 0, element_oid, len(elements), 1)]
    pack = _LENGTH.pack
    for element in elements:
        parts.append(pack(len(element)))
        parts.append(element)
    return b"".join(parts)


class _ArrayDumper(Dumper):
    """Dumps a list of ready bytes; the subclasses name the types."""

    format = Format.BINARY
    element_oid: ClassVar[int]

    def dump(self, obj: Sequence[bytes]) -> Buffer:
        """Return the array as the wire wants it."""
        return _packed(obj, self.element_oid)


class _TextsDumper(_ArrayDumper):
    oid = 1009  # text[]
    element_oid = 25


class _BlobsDumper(_ArrayDumper):
    oid = 1001  # bytea[]
    element_oid = 17


class _InstantsDumper(_ArrayDumper):
    oid = 1185  # timestamptz[]
    element_oid = 1184


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection to send Texts, Blobs and Instants; cheap, and harmless when done twice."""
    for values, dumper in ((Texts, _TextsDumper), (Blobs, _BlobsDumper), (Instants, _InstantsDumper)):
        connection.adapters.register_dumper(values, dumper)
