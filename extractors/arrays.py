"""Texts and bytes as PostgreSQL arrays in binary form, built in one go.

psycopg's own list dumper asks a Python object about every element, which costs as much as the JSON of a record.
The form is that of `array_recv`: dimensions, a flag for NULLs, the element type, then length and bytes of each element.
https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/arrayfuncs.c
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_LENGTH = struct.Struct("!i")
_HEADER = struct.Struct("!iiIii")


class Texts(list[bytes]):
    """The elements of a `text[]`, encoded in UTF-8 by whoever made them."""


class Blobs(list[bytes]):
    """The elements of a `bytea[]`."""


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


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection to send Texts and Blobs; cheap, and harmless when done twice."""
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Blobs, _BlobsDumper)
