"""Bodies that are too large, too slow, packed, cut or no JSON: never an answer, and never much memory or time."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import ContractBroken, PermissionLost, PipelineError, Refused, RetryLater, TokenDead, Transient
from extractors.http import ATTEMPTS
from extractors.registry import PLATFORMS
from extractors.spec import Read, Scope, Stream, Unread
from extractors.strict_json import NotStrictJson, parse
from simulator.server import Simulator
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import Extract
from tests.extractors.sockets import ACCOUNT, ANCHOR, GOOD, Caller, http, raw_server

Connection = psycopg.Connection[Any]


def test_gzip_is_read_and_nothing_else_is_asked_for(caller: Caller):
    with raw_server(http(gzip.compress(GOOD), Content_Encoding="gzip")) as server:
        assert caller.call(server.port).body["id"] == 1
    assert b"Accept-Encoding: gzip\r\n" in server.requests[0]


@pytest.mark.fault("A19")
@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x-unheard-of"])
def test_an_encoding_we_did_not_ask_for_is_refused(caller: Caller, encoding: str):
    with raw_server(http(gzip.compress(GOOD), Content_Encoding=encoding)) as server:
        error = caller.error(server.port)
    assert isinstance(error, Refused)
    assert len(server.requests) == 1


@pytest.mark.fault("A18")
def test_the_cap_counts_unpacked_bytes(caller: Caller):
    bomb = gzip.compress(b" " * 40_000_000)
    assert len(bomb) < 64 * 1024
    with raw_server(http(bomb, Content_Encoding="gzip")) as server:
        error = caller.error(server.port)
    assert isinstance(error, Refused)
    assert "larger than 33554432 bytes" in str(error)


def memory(name: str) -> int:
    """A figure of this process in /proc, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.fault("A18")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the kernel does not tell the peak")
def test_a_bomb_of_300_mebibytes_does_not_fill_the_memory(caller: Caller):
    squeezer, part = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * 1024 * 1024
    packed = b"".join(squeezer.compress(part) for _ in range(300)) + squeezer.flush()
    assert len(packed) < 320_000
    with raw_server(http(packed, Content_Encoding="gzip")) as server:
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
        error = caller.error(server.port)
        grown = memory("VmHWM") - before
    assert isinstance(error, Refused)
    assert len(server.requests) == 1
    assert grown < 48 * 1024 * 1024, grown


@pytest.mark.fault("A20")
def test_a_body_without_end_is_cut_off(caller: Caller):
    def endless(talking: socket.socket) -> None:
        talking.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            talking.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with raw_server(endless) as server:
        error = caller.error(server.port, body_bytes=1_000_000)
    assert isinstance(error, Refused)


@pytest.mark.fault("A20")
def test_a_body_announced_too_large_is_not_read_at_all(caller: Caller):
    huge = http(b" " * 4096, Content_Length="33554433")
    with raw_server(huge) as server:
        error = caller.error(server.port)
    assert isinstance(error, Refused)
    assert len(server.requests) == 1


@pytest.mark.fault("A21")
@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_drip_ends_at_the_deadline(caller: Caller, framing: bytes):
    def drip(talking: socket.socket) -> None:
        talking.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for _ in range(100):
            talking.sendall(b"1\r\n \r\n" if b"chunked" in framing else b" ")
            time.sleep(0.1)

    with raw_server(drip, http()) as server:
        started = time.monotonic()
        assert caller.call(server.port, total_seconds=0.5, read_seconds=2.0).status == 200
    assert time.monotonic() - started < 2
    assert len(server.requests) == 2


@pytest.mark.fault("A21")
@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["status", "name", "value"]
)
def test_a_drip_in_the_head_ends_at_the_deadline(caller: Caller, begun: bytes):
    def drip(talking: socket.socket) -> None:
        talking.sendall(begun)
        for letter in (b"HTTP/1.1 200 OK\r\n" if not begun else b"") + b"a" * 100:
            talking.sendall(bytes([letter]))
            time.sleep(0.1)

    with raw_server(drip, http()) as server:
        started = time.monotonic()
        assert caller.call(server.port, total_seconds=0.5, read_seconds=2.0).status == 200
    assert time.monotonic() - started < 2
    assert len(server.requests) == 2


@pytest.mark.fault("A21")
def test_promises_to_continue_without_end_meet_the_deadline(caller: Caller):
    def promise(talking: socket.socket) -> None:
        while True:
            talking.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.05)

    with raw_server(promise, http()) as server:
        assert caller.call(server.port, total_seconds=0.5, read_seconds=2.0).status == 200
    assert len(server.requests) == 2


@pytest.mark.fault("A11")
def test_silence_before_the_headers_is_tried_again(caller: Caller):
    with raw_server(lambda _: time.sleep(1.0), http()) as server:
        assert caller.call(server.port, read_seconds=0.2).status == 200
    assert len(server.requests) == 2


@pytest.mark.fault("A12", "A13")
@pytest.mark.parametrize("length", [str(len(GOOD)), ""], ids=["announced", "not announced"])
def test_half_a_body_is_read_again(caller: Caller, length: str):
    cut = http(GOOD[:14], Content_Length=length, Connection="close")
    with raw_server(cut, http()) as server:
        assert caller.call(server.port).body["id"] == 1
    assert len(server.requests) == 2


WHOLE = (
    b'{"elements": [{"id": "urn:li:share:1", "n": 12}, {"id": "urn:li:share:2"}], "paging": {"start": 0}}',
    b'[{"code": 200, "body": "{\\"data\\": []}"}, null]',
    b'{"data": [{"id": "1", "text": "\xc3\xa9 \\u00e9"}], "meta": {"result_count": 1}}\n',
)


@pytest.mark.fault("A13")
@pytest.mark.parametrize("whole", WHOLE)
def test_no_beginning_of_a_body_is_an_answer(whole: bytes):
    parse(whole)
    for end in range(len(whole.rstrip())):
        with pytest.raises(NotStrictJson):
            parse(whole[:end])


@pytest.mark.fault("A13")
def test_a_body_cut_every_time_is_quarantined_with_its_bytes(
    extract: Extract,
    environment: dict[str, str],
    simulator: Simulator,
    connection: Connection,
    undisturbed: Callable[..., dict[str, str]],
):
    simulator.faults.add(
        "empty_body", platform="linkedin", path_contains="/rest/posts", times=ATTEMPTS, body='{"elements": [{"id"'
    )
    failed = [result for result in extract("linkedin", streams=["posts"]) if result.error]
    assert [type(result.error) for result in failed] == [ContractBroken]
    assert connection.execute("select reason, body from ops.quarantine").fetchall() == [
        ("ContractBroken", b'{"elements": [{"id"')
    ]
    extract("linkedin", streams=["posts"])
    assert_equal_warehouses(environment, undisturbed("linkedin", streams=["posts"]), ["linkedin__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("A15")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error": {"code": 190, "message": "expired"}}', TokenDead),
        (b'{"error": {"code": 2, "message": "unavailable", "is_transient": true}}', Transient),
        (b'{"error": {"code": 80001, "message": "too many"}}', RetryLater),
        (b'{"error": {"code": 10, "message": "permission"}}', PermissionLost),
        (b'{"error": {"code": 100, "message": "odd"}}', ContractBroken),
    ],
)
def test_an_error_in_a_good_answer_is_an_error(caller: Caller, body: bytes, kind: type[PipelineError]):
    account = replace(ACCOUNT, platform="facebook")
    read = PLATFORMS["facebook"].stream("profile").reads[0]
    scope = Scope(account=account, now=ANCHOR)
    with raw_server(http(body)) as server:
        client = replace(caller.client(server.port), platform=PLATFORMS["facebook"], account=account)
        with pytest.raises(kind):
            client.call(read, scope, read.params(scope))


READS = [(stream, read) for each in PLATFORMS.values() for stream in each.streams for read in stream.reads]
FOREIGN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.just([]), st.just({}), st.lists(st.integers())
)


@pytest.mark.fault("A16")
@pytest.mark.parametrize(("stream", "read"), READS, ids=lambda each: getattr(each, "name", ""))
@given(body=FOREIGN)
def test_nothing_in_place_of_an_object_is_never_no_records(stream: Stream, read: Read, body: object):
    account = replace(ACCOUNT, platform=stream.platform)
    ids, handles = ("urn:li:share:1",) if read.batch else (), ("somebody",) if read.over else ()
    scope = Scope(account=account, now=ANCHOR, since=ANCHOR, until=ANCHOR, ids=ids, metrics=read.metrics)
    scope = replace(scope, handles=handles)
    if body == {} and stream.name == "profile":
        return  # an object without a field is a record without a field, which the gate judges
    try:
        items = taken_apart(read, scope, body)
    except PipelineError:
        return
    assert items, "nothing is not an answer"
    assert all(isinstance(item, Unread) for item in items), "a part of a batch is kept by itself"


def taken_apart(read: Read, scope: Scope, body: object) -> Sequence[object]:
    items = read.records(scope, body)
    if read.follow is not None:
        read.follow.places(scope, body)
    return items


@pytest.mark.fault("A16")
def test_an_empty_body_ends_one_list_and_the_next_run_has_it_all(
    extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Callable[..., dict[str, str]]
):
    simulator.faults.add("empty_body", platform="linkedin", path_contains="/rest/posts", times=1, body="null")
    assert [type(result.error) for result in extract("linkedin", streams=["posts"]) if result.error] == [ContractBroken]
    extract("linkedin", streams=["posts"])
    assert_equal_warehouses(environment, undisturbed("linkedin", streams=["posts"]), ["linkedin__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("A14")
def test_a_page_of_html_with_a_good_status_is_read_again_and_then_an_error(caller: Caller):
    with raw_server(http(b"<html>log in</html>", Content_Type="text/html")) as server:
        error = caller.error(server.port)
    assert type(error) is ContractBroken
    assert error.body == b"<html>log in</html>"
    assert len(server.requests) == ATTEMPTS


@pytest.mark.fault("A14")
def test_a_page_of_html_for_all_reads_fails_the_account_and_publishes_nothing(
    extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Callable[..., dict[str, str]]
):
    simulator.faults.add(
        "html_error_page", platform="linkedin", path_contains="/rest/posts", times=ATTEMPTS, status=200
    )
    failed = [result for result in extract("linkedin", streams=["posts"]) if result.error]
    assert [type(result.error) for result in failed] == [ContractBroken]
    extract("linkedin", streams=["posts"])
    assert_equal_warehouses(environment, undisturbed("linkedin", streams=["posts"]), ["linkedin__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))
