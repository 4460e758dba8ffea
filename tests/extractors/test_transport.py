"""What can go wrong between two sockets: each case ends in the right error, and what lands equals the world."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import ContractBroken, PipelineError, Refused, RetryLater, Transient
from extractors.http import ATTEMPTS, Caps, Client, retry_after
from extractors.limiter import Limiter
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Answer, Scope
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.conftest import ANCHOR, Extract

Connection = psycopg.Connection[Any]
Talk = Callable[[socket.socket], None]

TOKEN = "canary-5e21f0"
GOOD = b'{"id": 1, "localizedName": "A"}'
ACCOUNT = Account(business_id=1, platform="linkedin", account_id="77", credential="linkedin_1", timezone="UTC")
IMF = "%a, %d %b %Y %H:%M:%S GMT"


@dataclass(slots=True)
class RawServer:
    """A socket that answers as told, request by request (the last answer again and again), and keeps what came."""

    answers: list[bytes | Talk]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    context: ssl.SSLContext | None = None

    def serve(self, listening: socket.socket) -> None:
        """Accept until the socket is closed."""
        while True:
            try:
                talking, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(talking,), daemon=True).start()

    def _talk(self, talking: socket.socket) -> None:
        try:
            if self.context is not None:
                talking = self.context.wrap_socket(talking, server_side=True)
            with talking:
                while request := _whole_request(talking):
                    answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                    self.requests.append(request)
                    if not isinstance(answer, bytes):
                        answer(talking)
                        return
                    talking.sendall(answer)
                    if b"connection: close" in answer.lower():
                        return
        except OSError:
            return


def _whole_request(talking: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        part = talking.recv(65536)
        if not part:
            return b""
        received += part
    return received


@contextmanager
def raw_server(*answers: bytes | Talk, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(list(answers), context=context, port=listening.getsockname()[1])
        threading.Thread(target=server.serve, args=(listening,), daemon=True).start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)


def http(body: bytes = GOOD, *, status: int = 200, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Content-Length", str(len(body)))
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items() if value), "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(slots=True)
class Caller:
    """One client of LinkedIn; sleeps are noted and not slept."""

    limiter: Limiter
    slept: list[float]

    def client(self, port: int, *, scheme: str = "http", **caps: float) -> Client:
        base_url = f"{scheme}://127.0.0.1:{port}"
        return Client(PLATFORMS["linkedin"], ACCOUNT, base_url, TOKEN, self.limiter, caps=Caps(**caps))

    def call(self, port: int, **options: Any) -> Answer:
        return ask(self.client(port, **options))

    def error(self, port: int, **options: Any) -> PipelineError:
        with pytest.raises(PipelineError) as raised:
            self.call(port, **options)
        return raised.value


def ask(client: Client) -> Answer:
    read = PLATFORMS["linkedin"].stream("profile").reads[0]
    scope = Scope(account=ACCOUNT, now=ANCHOR)
    return client.call(read, scope, read.params(scope))


@pytest.fixture
def caller(warehouse: dict[str, str]) -> Iterator[Caller]:
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        connection.autocommit = True
        slept: list[float] = []
        limiter = Limiter(connection)

        def sleep(seconds: float) -> None:
            """A pause passes by moving every promise of the limiter into the past."""
            slept.append(seconds)
            connection.execute(
                "update ops.rate_budgets set blocked_until = blocked_until - make_interval(secs => %(s)s),"
                " next_free_at = next_free_at - make_interval(secs => %(s)s)",
                {"s": seconds + 0.01},
            )

        limiter.sleep = sleep
        yield Caller(limiter, slept)


def landed(connection: Connection, platform: str) -> list[tuple[str, str]]:
    return connection.execute(f"select account_id, record_key from raw.{platform}__posts order by 1, 2").fetchall()


def oracle(world: World, platform: str) -> list[tuple[str, str]]:
    posts = world.expected_posts([ANCHOR])
    return sorted((post["account_id"], post["post_id"]) for post in posts if post["platform"] == platform)


# Retry-After


def test_a_pause_in_seconds_is_kept(caller: Caller):
    with raw_server(http(b'{"message": "DAY limit"}', status=429, Retry_After="7"), http()) as server:
        assert caller.call(server.port).status == 200
    assert 6.5 < sum(caller.slept) <= 7.0
    assert len(server.requests) == 2


def test_a_date_to_wait_for_counts_from_the_servers_own_clock(caller: Caller):
    wrong = datetime.now(UTC) + timedelta(minutes=10)
    ends = (wrong + timedelta(seconds=30)).strftime(IMF)
    asked = http(b"{}", status=503, Retry_After=ends, Date=wrong.strftime(IMF))
    with raw_server(asked, http()) as server:
        assert caller.call(server.port).status == 200
    assert 29 < sum(caller.slept) <= 30


@pytest.mark.parametrize("said", ["-5", "abc", "", "7, 7", "1e3", "Thu, 01 Jan 1970 00:00:00 GMT", "٧"])
def test_a_pause_that_makes_no_sense_is_ignored(said: str):
    assert retry_after({"retry-after": said, "date": ANCHOR.strftime(IMF)}) is None


def test_a_pause_of_years_is_a_day_and_nobody_sleeps_for_it(caller: Caller):
    with raw_server(http(b"{}", status=429, Retry_After="99999999")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert timedelta(hours=23, minutes=59) < error.at - datetime.now(UTC) <= timedelta(hours=24)
    assert caller.slept == []
    assert len(server.requests) == 1


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_text_makes_a_pause_below_zero_or_above_a_day(said: str, date: str):
    pause = retry_after({"retry-after": said, "date": date})
    assert pause is None or timedelta(0) <= pause <= timedelta(hours=24)


def test_a_pause_above_two_minutes_releases_the_worker(caller: Caller):
    with raw_server(http(b'{"message": "MEMBER MINUTE limit"}', status=429, Retry_After="121")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert caller.slept == []


def test_a_limit_without_a_pause_uses_the_known_window(caller: Caller):
    with raw_server(http(b'{"message": "APPLICATION DAY limit"}', status=429)) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    assert error.at.strftime("%H:%M:%S") == "00:00:00"


def test_a_wrong_clock_here_does_not_block_the_others(
    caller: Caller, connection: Connection, monkeypatch: pytest.MonkeyPatch
):
    class Fast(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=3)

    monkeypatch.setattr("extractors.limiter.datetime", Fast)
    with raw_server(http(b"{}", status=429, Retry_After="600")) as server:
        error = caller.error(server.port)
    assert isinstance(error, RetryLater)
    (left,) = connection.execute("select max(blocked_until) - clock_timestamp() from ops.rate_budgets").fetchone()
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)


# Bodies


def test_gzip_is_read_and_nothing_else_is_asked_for(caller: Caller):
    with raw_server(http(gzip.compress(GOOD), Content_Encoding="gzip")) as server:
        assert caller.call(server.port).body["id"] == 1
    assert b"Accept-Encoding: gzip\r\n" in server.requests[0]


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x-unheard-of"])
def test_an_encoding_we_did_not_ask_for_is_refused(caller: Caller, encoding: str):
    with raw_server(http(gzip.compress(GOOD), Content_Encoding=encoding)) as server:
        error = caller.error(server.port)
    assert isinstance(error, Refused)
    assert len(server.requests) == 1


def test_the_cap_counts_unpacked_bytes(caller: Caller):
    bomb = gzip.compress(b" " * 40_000_000)
    assert len(bomb) < 64 * 1024
    with raw_server(http(bomb, Content_Encoding="gzip")) as server:
        error = caller.error(server.port)
    assert isinstance(error, Refused)
    assert "larger than 33554432 bytes" in str(error)


def test_a_bomb_does_not_fill_the_memory(caller: Caller):
    squeezer, part = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * 1_000_000
    packed = b"".join(squeezer.compress(part) for _ in range(300)) + squeezer.flush()
    with raw_server(http(packed, Content_Encoding="gzip")) as server:
        tracemalloc.start()
        error = caller.error(server.port)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(error, Refused)
    assert peak < 48 * 1024 * 1024


def test_a_body_without_end_is_cut_off(caller: Caller):
    def endless(talking: socket.socket) -> None:
        talking.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            talking.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with raw_server(endless) as server:
        error = caller.error(server.port, body_bytes=1_000_000)
    assert isinstance(error, Refused)


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


def test_silence_before_the_headers_is_tried_again(caller: Caller):
    with raw_server(lambda _: time.sleep(1.0), http()) as server:
        assert caller.call(server.port, read_seconds=0.2).status == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize("length", [str(len(GOOD)), ""], ids=["announced", "not announced"])
def test_half_a_body_is_read_again(caller: Caller, length: str):
    cut = http(GOOD[:14], Content_Length=length, Connection="close")
    with raw_server(cut, http()) as server:
        assert caller.call(server.port).body["id"] == 1
    assert len(server.requests) == 2


def test_a_page_of_html_with_a_good_status_is_read_again_and_then_an_error(caller: Caller):
    with raw_server(http(b"<html>log in</html>", Content_Type="text/html")) as server:
        error = caller.error(server.port)
    assert isinstance(error, Transient)
    assert len(server.requests) == ATTEMPTS


# Connections


def test_a_closed_port_is_tried_again_and_then_a_hiccup(caller: Caller):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = caller.error(port)
    assert isinstance(error, Transient)
    assert len([pause for pause in caller.slept if pause >= 0]) == ATTEMPTS - 1


def test_a_host_without_an_address_is_a_hiccup(caller: Caller):
    client = caller.client(1)
    client.base_url = "http://nowhere.invalid"
    with pytest.raises(Transient):
        ask(client)


def test_a_connection_is_kept_and_a_dead_one_replaced(caller: Caller):
    with raw_server(http(), http(), lambda talking: talking.close(), http()) as server:
        client = caller.client(server.port)
        assert ask(client).status == ask(client).status == 200
        assert server.connections == 1
        assert ask(client).status == 200
        assert server.connections == 2
    assert client.tally.retries == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_other_host_hears_nothing(caller: Caller, status: int):
    with raw_server(http()) as other:
        for location in (f"http://127.0.0.1:{other.port}/x", "/elsewhere"):
            with raw_server(http(b"", status=status, Location=location)) as server:
                assert isinstance(caller.error(server.port), Refused)
                assert len(server.requests) == 1
        assert other.connections == 0


def test_proxies_and_netrc_are_ignored(caller: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    with raw_server(http()) as proxy, raw_server(http()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NETRC", str(netrc))
        caller.call(server.port)
        assert proxy.connections == 0
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in server.requests[0]


@pytest.fixture(scope="session")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server side whose certificate nobody signed but itself."""
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_certificate_nobody_trusts_ends_the_call_before_the_token_is_sent(
    caller: Caller, untrusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with raw_server(http(), context=untrusted) as server:
        error = caller.error(server.port, scheme="https")
    assert isinstance(error, Refused)
    assert server.requests == []
    assert server.connections == 1


def test_certificates_are_checked_everywhere():
    sources = Path("extractors").resolve().rglob("*.py")
    assert not [path for path in sources if "verify=False" in path.read_text() or ".verify = " in path.read_text()]


def test_headers_come_from_an_allow_list(caller: Caller):
    strange = http().replace(b"\r\n", b"\r\nSet-Cookie: a=b\r\nDate: x\r\nDate: y\r\nX-Evil: 1\r\n", 1)
    with raw_server(strange) as server:
        assert set(caller.call(server.port).headers) == {"date"}


@pytest.mark.parametrize("lines", [b"X-A: " + b"a" * 70_000, b"\r\n".join(b"X-%d: 1" % n for n in range(200))])
def test_headers_without_measure_are_no_answer(caller: Caller, lines: bytes):
    strange = http(Connection="close").replace(b"\r\n", b"\r\n" + lines + b"\r\n", 1)
    with raw_server(strange, http()) as server:
        assert caller.call(server.port).status == 200
    assert len(server.requests) == 2


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
        with raw_server(answer) as server:
            error = caller.error(server.port)
            said = f"{error} {error!r} {error.args} {error.__cause__} {error.what} {error.remedy}"
            for secret in (TOKEN, "secret-host-9c1d", str(server.port), "http://", "<html>"):
                assert secret not in said, answer
            assert TOKEN not in caplog.text


# The engine: what lands equals the world


@pytest.mark.parametrize("name", ["http_500", "http_503", "http_504", "html_error_page", "connection_reset"])
def test_three_hiccups_in_a_row_lose_and_double_nothing(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, name: str
):
    simulator.faults.add(name, platform="facebook", path_contains="published_posts", times=3)
    results = extract("facebook", streams=["posts"])
    assert {result.state for result in results} == {"complete"}
    assert landed(connection, "facebook") == oracle(world, "facebook")
    assert connection.execute("select sum(retries) from ops.extract_runs").fetchone() == (3,)


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("redirect", {}, Refused),
        ("gzip_bomb", {"bytes": 40_000_000}, Refused),
        ("unknown_encoding", {}, Refused),
        ("empty_body", {"body": "null"}, ContractBroken),
        ("empty_body", {"body": "[]"}, ContractBroken),
        ("empty_body", {"body": "{}"}, ContractBroken),
        ("rate_limited", {"headers": {"Retry-After": "3600"}}, RetryLater),
    ],
)
def test_an_answer_that_is_refused_ends_one_account_and_the_next_run_has_it_all(
    extract: Extract,
    connection: Connection,
    simulator: Simulator,
    world: World,
    name: str,
    options: dict[str, Any],
    kind: type[PipelineError],
):
    simulator.faults.add(name, platform="facebook", path_contains="published_posts", times=1, **options)
    failed = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert [type(result.error) for result in failed] == [kind]
    assert connection.execute("select count(*) from ops.extract_runs where state = 'failed'").fetchone() == (1,)
    assert {result.state for result in extract("facebook", streams=["posts"], force=True)} == {"complete"}
    assert landed(connection, "facebook") == oracle(world, "facebook")


def test_an_empty_answer_is_never_no_posts(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    simulator.faults.add("empty_body", platform="facebook", path_contains="published_posts", times=ATTEMPTS)
    results = extract("facebook", streams=["posts"])
    assert len([result for result in results if result.error]) == 1
    extract("facebook", streams=["posts"])
    assert landed(connection, "facebook") == oracle(world, "facebook")
