"""Arrays in binary form: whatever goes in comes out, and the server sees the types it should."""

from __future__ import annotations

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors import arrays

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, max_size=30), st.lists(st.binary(max_size=40), max_size=30))
def test_texts_and_bytes_arrive_as_they_were(connection: psycopg.Connection, texts: list[str], blobs: list[bytes]):
    arrays.register(connection)
    sent = (arrays.Texts(text.encode() for text in texts), arrays.Blobs(blobs))
    row = connection.execute("select %s, %s", sent).fetchone()
    assert row == (texts, blobs)


def test_the_server_sees_arrays_of_text_and_bytea(connection: psycopg.Connection):
    arrays.register(connection)
    types = "select pg_typeof(%s)::text, pg_typeof(%s)::text"
    assert connection.execute(types, (arrays.Texts(), arrays.Blobs())).fetchone() == ("text[]", "bytea[]")
