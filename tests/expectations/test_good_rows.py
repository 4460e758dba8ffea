from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import sql

from expectations.fields import FIELDS
from expectations.gate import GateResult, validate_pending
from expectations.projection import projection
from expectations.suites import suite_for
from extractors.registry import streams
from extractors.spec import KINDS, Stream
from tests.expectations.conftest import AS_OF, World
from tests.expectations.samples import GOOD, good

STREAMS = [stream.full_name for stream in streams() if stream.full_name in GOOD]


@pytest.fixture(scope="module")
def judged(shared_world: World) -> dict[str, GateResult]:
    for stream in STREAMS:
        shared_world.run(stream, good(stream))
    return {result.stream: result for result in validate_pending(shared_world.settings)}


@pytest.mark.parametrize("stream", STREAMS)
def test_documented_answers_of_every_stream_pass(stream: str, judged: dict[str, GateResult]) -> None:
    assert judged[stream].report == []
    assert judged[stream].passed
    assert judged[stream].rows == len(GOOD[stream])


@pytest.mark.parametrize("stream", STREAMS)
def test_a_passed_run_moves_the_watermark(stream: str, judged: dict[str, GateResult], shared_world: World) -> None:
    assert shared_world.gate(judged[stream].run_id) == "passed"
    assert shared_world.watermark(stream) == AS_OF


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.full_name)
def test_every_stream_has_a_suite_that_says_what_it_expects(stream: Stream) -> None:
    suite = suite_for(stream)
    assert suite.name == stream.full_name
    assert len(suite.expectations) >= 7
    assert all(expectation.notes for expectation in suite.expectations)


def test_what_is_declared_is_declared_for_a_stream_there_is() -> None:
    assert set(FIELDS) <= {stream.full_name for stream in streams()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_tomorrow_has_the_checks_of_its_kind(kind: str, shared_world: World) -> None:
    stream = replace(streams()[0], name=f"new_{kind}", kind=kind)
    columns = shared_world.connection.execute(
        sql.SQL("create table raw.{} (like raw.linkedin__posts)").format(sql.Identifier(stream.full_name))
    ).connection.execute(projection(stream), {"runs": []})
    judged = {column.name for column in columns.description or ()}
    for expectation in suite_for(stream).expectations:
        kwargs = expectation.configuration.kwargs
        assert {kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs} <= judged
