"""The head of an answer: only what is known is kept, and what two readers would read differently is refused."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors.errors import ContractBroken, Refused, Transient
from tests.extractors.sockets import TOKEN, Caller, http, raw_server


def with_head(lines: bytes, answer: bytes = b"") -> bytes:
    """A good answer with more lines in its head."""
    return (answer or http(Connection="close")).replace(b"\r\n", b"\r\n" + lines + b"\r\n", 1)


@pytest.mark.fault("A25")
def test_headers_come_from_an_allow_list(caller: Caller):
    lines = b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nDate: x\r\nDate: x\r\nX-Evil: 1"
    with raw_server(with_head(lines)) as server:
        assert set(caller.call(server.port).headers) == {"date"}


@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    "lines",
    [
        b"X-A: " + b"a" * 70_000,
        b"\r\n".join(b"X-%d: 1" % n for n in range(200)),
        b"\r\n".join(b"X-%d: %s" % (n, b"a" * 60_000) for n in range(5)),
    ],
    ids=["a long line", "many lines", "many long lines"],
)
def test_headers_without_measure_are_refused(caller: Caller, lines: bytes):
    with raw_server(with_head(lines)) as server:
        assert isinstance(caller.error(server.port), Refused)
        assert len(server.requests) == 1


@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    "lines",
    [
        b"Retry-After: 1\r\nRetry-After: 99",
        b"x-app-usage: {}\r\nX-App-Usage: []",
        b"Content-Length: 4",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip\r\nContent-Encoding: identity",
    ],
)
def test_a_header_said_twice_otherwise_is_refused(caller: Caller, lines: bytes):
    with raw_server(with_head(lines)) as server:
        assert isinstance(caller.error(server.port), Refused)
        assert len(server.requests) == 1


@pytest.mark.fault("A25")
@pytest.mark.parametrize(
    "lines", [b"X-A: a\rRetry-After: 99", b"X-A: a\r\n Retry-After: 99", b"X-A: a\r\r\nX-B: b", b"X-A: \0"]
)
def test_a_line_that_could_be_two_is_refused(caller: Caller, lines: bytes):
    with raw_server(with_head(lines)) as server:
        assert isinstance(caller.error(server.port), Refused)
        assert len(server.requests) == 1


@pytest.mark.fault("A25")
@given(st.binary(max_size=60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_in_a_head_are_refused_or_change_nothing(caller: Caller, noise: bytes):
    caller.limiter.connection.execute("delete from ops.rate_budgets")
    with raw_server(with_head(b"X-Noise: " + noise)) as server:
        try:
            assert caller.call(server.port).body == {"id": 1, "localizedName": "A"}
        except (Refused, Transient, ContractBroken):
            assert server.requests


def test_no_error_and_no_log_line_holds_an_address_a_token_or_a_body(caller: Caller, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    body = b"<html>secret-body-9c1d</html>"
    answers = [
        http(body),
        http(body, status=302, Location="http://secret-host-9c1d/"),
        http(body, status=500),
        http(body, Content_Encoding="br"),
        http(b'{"secret-body-9c1d": 1, "secret-body-9c1d": 2}'),
        http(f'{{"message": "bad token {TOKEN}"}}'.encode(), status=400),
        lambda talking: talking.close(),
    ]
    for answer in answers:
        caller.limiter.connection.execute("delete from ops.rate_budgets")
        with raw_server(answer) as server:
            error = caller.error(server.port)
            said = f"{error} {error!r} {error.args} {error.__cause__} {error.what} {error.remedy}"
            for secret in (TOKEN, "secret-host-9c1d", str(server.port), "http://", "<html>"):
                assert secret not in said, answer
            assert TOKEN not in caplog.text
