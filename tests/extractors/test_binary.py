"""Arrays and rows in binary form: whatever goes in comes out, and the server sees the types it should."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors import binary

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, max_size=30), st.lists(st.binary(max_size=40), max_size=30))
def test_texts_and_bytes_arrive_as_they_were(connection: psycopg.Connection, texts: list[str], blobs: list[bytes]):
    binary.register(connection)
    sent = (binary.Texts(text.encode() for text in texts), binary.Blobs(blobs))
    row = connection.execute("select %s, %s", sent).fetchone()
    assert row == (texts, blobs)


def test_the_server_sees_arrays_of_text_and_bytea(connection: psycopg.Connection):
    binary.register(connection)
    types = "select pg_typeof(%s)::text, pg_typeof(%s)::text"
    assert connection.execute(types, (binary.Texts(), binary.Blobs())).fetchone() == ("text[]", "bytea[]")


INSTANTS = st.datetimes(timezones=st.just(UTC))
JSON = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=3), max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(INSTANTS, max_size=20))
def test_instants_arrive_as_they_were(connection: psycopg.Connection, instants: list[datetime]):
    binary.register(connection)
    sent = binary.Instants(map(binary.instant, instants))
    assert connection.execute("select %s", (sent,)).fetchone() == (instants,)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.uuids(),
    st.integers(-(2**63), 2**63 - 1),
    TEXT,
    st.dictionaries(TEXT, st.tuples(INSTANTS, JSON), max_size=8),
)
def test_rows_of_raw_arrive_as_they_were(
    connection: psycopg.Connection,
    run_id: uuid.UUID,
    business_id: int,
    account_id: str,
    records: dict[str, tuple[datetime, dict[str, object]]],
):
    rows = binary.RawRows(str(run_id), business_id, account_id)
    expected, wanted = [], binary.RawRows.COLUMNS
    connection.execute("truncate raw.twitter__posts")
    with connection.cursor().copy(f"copy raw.twitter__posts ({wanted}) from stdin (format binary)") as copy:
        copy.write(binary.BEFORE_ROWS)
        for key, (instant, payload) in records.items():
            text = json.dumps(payload, ensure_ascii=False).encode()
            digest = hashlib.sha256(text).digest()
            copy.write(b"".join(rows.row(key.encode(), binary.instant(instant), digest, text)))
            expected.append((run_id, business_id, account_id, key, instant, digest, payload))
        copy.write(binary.AFTER_ROWS)
    found = connection.execute(f"select {wanted} from raw.twitter__posts").fetchall()
    assert sorted(found, key=lambda row: row[3]) == sorted(expected, key=lambda row: row[3])
