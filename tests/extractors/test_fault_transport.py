"""Faults of group A, each in the middle of an extraction: a raw socket stands between the client and the simulator.

What a retry heals ends well in the same run; what it does not fails the account in one line, and the next run has all.
"""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509

from extractors.http import ATTEMPTS, Caps
from extractors.limiter import RETRY_FLOOR, RETRY_FLOOR_SECONDS, RETRY_SHARE
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_ledger_explains, assert_survived
from tests.extractors.conftest import ANCHOR, Extract, pass_time, read_calmly
from tests.extractors.fronts import Harm, Read, front, read_posts
from tests.extractors.sockets import IMF, http
from tests.extractors.test_transport_connections import Authority, authority, old_protocol  # noqa: F401 - a fixture

Connection = psycopg.Connection[Any]
POSTS = ["linkedin__posts"]
#: So short that a test can wait for them.
QUICK = Caps(body_bytes=2_000_000, connect_seconds=0.3, read_seconds=0.3, total_seconds=0.6)


@pytest.fixture(scope="module")
def calm(
    new_database: Callable[[str], dict[str, str]], migrated_template: str, world: World,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:  # fmt: skip
    """The posts of LinkedIn, read without a fault: the reference of every case here."""
    folder = tmp_path_factory.mktemp("calm")
    return read_calmly(new_database(migrated_template), world, folder, "linkedin", at=(ANCHOR,), streams=["posts"])


@dataclass(frozen=True, slots=True)
class Case:
    """One account read through a fault, and all accounts read without it."""

    extract: Extract
    environment: dict[str, str]
    simulator: Simulator
    calm: dict[str, str]
    connection: Connection
    capfd: pytest.CaptureFixture[str]

    def read(self, url: str, caps: Caps = QUICK, trusted: str | None = None) -> Read:
        """Read the first account from an address; a failure is explained by the ledger."""
        row = self.connection.execute(
            "select business_id, account_id from ops.accounts where platform = 'linkedin' order by 1, 2 limit 1"
        ).fetchone()
        assert row is not None
        identity = {"business_id": row[0], "platform": "linkedin", "account_id": row[1]}
        found = read_posts(self.environment, identity, url, caps, trusted)
        assert_ledger_explains(self.environment, failed={POSTS[0]: found.error} if found.error else {})
        return found

    def through(self, harm: Harm, times: int = 1, caps: Caps = QUICK) -> Read:
        """Read the first account while so many answers are harmed."""
        with front(self.simulator.base_urls["linkedin"], harm, where="/rest/posts", times=times) as standing:
            found = self.read(standing.url, caps)
            assert standing.harmed == (times if found.error is None else standing.harmed) > 0
        return found

    def heals(self) -> None:
        """The fault is over: the next run has all, and the three assertions hold."""
        pass_time(self.connection, 86_400)
        assert not [str(each.error) for each in self.extract("linkedin", streams=["posts"]) if each.error]
        assert_survived(self.environment, self.calm, self.simulator, *self.capfd.readouterr(), names=POSTS)


@pytest.fixture
def case(
    extract: Extract, environment: dict[str, str], simulator: Simulator, calm: dict[str, str],
    connection: Connection, capfd: pytest.CaptureFixture[str],
) -> Case:  # fmt: skip
    return Case(extract, environment, simulator, calm, connection, capfd)


def says(answer: bytes) -> Harm:
    """Send these bytes in place of the answer."""
    return lambda talking, _: talking.sendall(answer)


def silent(_talking: socket.socket, _answer: bytes) -> None:
    """Say nothing for longer than anybody waits."""
    time.sleep(1.0)


def drip(talking: socket.socket, answer: bytes) -> None:
    """A byte now and then, never long enough apart for a timeout between bytes."""
    for letter in answer:
        talking.sendall(bytes([letter]))
        time.sleep(0.05)


def endless(talking: socket.socket, _answer: bytes) -> None:
    talking.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        talking.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def with_header(line: bytes) -> Harm:
    """The right answer with one more line in its head."""
    return lambda talking, answer: talking.sendall(answer.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1))


def bomb(size: int) -> bytes:
    squeezer, part = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * 1024 * 1024
    packed = b"".join(squeezer.compress(part) for _ in range(size // len(part))) + squeezer.flush()
    return http(packed, Content_Encoding="gzip")


def wrong_packing(encoding: str) -> Harm:
    return with_header(b"Content-Encoding: " + encoding.encode())


HEALED_BY_A_RETRY = [
    pytest.param(silent, marks=pytest.mark.fault("A11"), id="silence before the headers"),
    pytest.param(lambda talking, answer: talking.sendall(answer[: len(answer) // 2]),
                 marks=pytest.mark.fault("A12"), id="half a body of known length"),
    pytest.param(drip, marks=pytest.mark.fault("A21"), id="a drip"),
    pytest.param(lambda talking, _: None, marks=pytest.mark.fault("A24"), id="a kept connection that is dead"),
]  # fmt: skip


@pytest.mark.parametrize("harm", HEALED_BY_A_RETRY)
def test_what_a_retry_heals_is_one_call_more_and_nothing_else(case: Case, harm: Harm):
    found = case.through(harm)
    assert found.error is None
    assert case.connection.execute("select sum(retries) from ops.extract_runs").fetchone() == (1,)
    case.heals()


REFUSED = [
    pytest.param(says(bomb(50 * 1024 * 1024)), marks=pytest.mark.fault("A18"), id="a bomb"),
    pytest.param(wrong_packing("br"), marks=pytest.mark.fault("A19"), id="br"),
    pytest.param(wrong_packing("gzip, gzip"), marks=pytest.mark.fault("A19"), id="packed twice"),
    pytest.param(endless, marks=pytest.mark.fault("A20"), id="no end"),
    pytest.param(says(http(b" ", Content_Length="33554433")), marks=pytest.mark.fault("A20"), id="announced too large"),
    pytest.param(with_header(b"Content-Length: 7"), marks=pytest.mark.fault("A25"), id="two lengths"),
    pytest.param(with_header(b"X-A: b\rc: d"), marks=pytest.mark.fault("A25"), id="a bare CR"),
    pytest.param(with_header(b"X-A: " + b"a" * 300_000), marks=pytest.mark.fault("A25"), id="without measure"),
]


@pytest.mark.parametrize("harm", REFUSED)
def test_what_is_refused_fails_the_account_at_once_and_the_next_run_has_all(case: Case, harm: Harm):
    found = case.through(harm, times=99)
    assert found.error == "Refused"
    assert found.result.calls == 1
    case.heals()


@pytest.mark.fault("A10")
@pytest.mark.parametrize("place", ["a closed port", "no address"])
def test_a_platform_that_cannot_be_reached_is_a_hiccup_of_its_accounts(case: Case, place: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = case.read(f"http://127.0.0.1:{port}" if place == "a closed port" else "http://nowhere.invalid")
    assert found.error == "Transient"
    assert found.result.calls == ATTEMPTS
    case.heals()


@pytest.mark.fault("A17")
@pytest.mark.parametrize("where", ["http://127.0.0.1:{port}/x", "/elsewhere"])
def test_a_redirect_ends_the_run_and_the_other_host_hears_nothing(case: Case, where: str):
    with front(case.simulator.base_urls["linkedin"], says(http())) as other:
        away = http(b"", status=302, Location=where.format(port=other.port))
        assert case.through(says(away)).error == "Refused"
        assert other.connections == 0
    case.heals()


@pytest.mark.fault("A22")
@pytest.mark.parametrize("served", ["self-signed", "another host", "expired", "TLS 1.0"])
def test_a_server_nobody_should_trust_ends_the_run_before_the_token_is_sent(
    case: Case,
    authority: Authority,  # noqa: F811
    served: str,
):
    context = {
        "self-signed": lambda: authority.context(is_ours=False),
        "another host": lambda: authority.context(x509.DNSName("elsewhere.example")),
        "expired": lambda: authority.context(age=11),
        "TLS 1.0": lambda: old_protocol(authority.context()),
    }[served]()
    before = len(case.simulator.calls)
    with front(case.simulator.base_urls["linkedin"], silent, context=context, times=0) as standing:
        found = case.read(standing.url, trusted=str(authority.file))
    assert found.error == "Refused"
    assert len(case.simulator.calls) == before
    case.heals()


@pytest.mark.fault("A22")
def test_through_a_certificate_that_is_trusted_everything_lands(case: Case, authority: Authority):  # noqa: F811
    url = case.simulator.base_urls["linkedin"]
    with front(url, silent, context=authority.context(), times=0) as standing:
        assert case.read(standing.url, Caps(), str(authority.file)).error is None
    case.heals()


@pytest.mark.fault("A23")
def test_proxies_and_a_netrc_of_the_environment_hear_nothing_of_a_run(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with front(case.simulator.base_urls["linkedin"], silent) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert case.read(case.simulator.base_urls["linkedin"], Caps()).error is None
        assert proxy.connections == 0
    case.heals()


@pytest.mark.fault("A15")
@pytest.mark.parametrize(("code", "kind"), [(190, "TokenDead"), (10, "PermissionLost"), (100, "ContractBroken")])
def test_an_error_inside_a_good_answer_is_the_account_s_and_no_empty_list(
    case: Case, undisturbed: Callable[..., dict[str, str]], code: int, kind: str
):
    body = b'{"error": {"code": %d, "message": "no"}}' % code
    with front(case.simulator.base_urls["facebook"], says(http(body)), where="published_posts") as standing:
        results = case.extract("facebook", streams=["posts"], base_urls={"facebook": standing.url})
    assert [type(each.error).__name__ for each in results if each.error] == [kind]
    assert_ledger_explains(case.environment, failed={"facebook__posts": kind})
    assert not [each.error for each in case.extract("facebook", streams=["posts"]) if each.error]
    calm = undisturbed("facebook", streams=["posts"])
    assert_survived(case.environment, calm, case.simulator, *case.capfd.readouterr(), names=["facebook__posts"])


def refusal(status: int = 429, says_what: str = "MEMBER MINUTE", **headers: str) -> Harm:
    body = f'{{"message": "Resource level throttle {says_what} limit for calls to this resource is reached."}}'
    return says(http(body.encode(), status=status, **headers))


@pytest.mark.fault("A01")
def test_a_pause_of_seconds_is_kept_in_the_run_and_the_list_goes_on(case: Case):
    found = case.through(refusal(Retry_After="7"))
    assert found.error is None
    assert 6.5 < sum(found.slept) <= 7.0
    case.heals()


@pytest.mark.fault("A02", "B17")
@pytest.mark.parametrize("wrong", [-600, 600])
def test_a_date_to_wait_for_is_read_by_the_platform_s_own_clock_in_a_run(case: Case, wrong: int):
    theirs = datetime.now(UTC) + timedelta(seconds=wrong)
    ends = (theirs + timedelta(seconds=30)).strftime(IMF)
    found = case.through(refusal(Retry_After=ends, Date=theirs.strftime(IMF)))
    assert found.error is None
    assert 29 < sum(found.slept) <= 30
    case.heals()


@pytest.mark.fault("A03")
def test_a_limit_of_the_day_without_a_pause_puts_the_run_off_until_midnight(case: Case):
    found = case.through(refusal(says_what="APPLICATION DAY"))
    assert found.error == "RetryLater"
    assert found.slept == []
    (at,) = case.connection.execute("select next_allowed_at::text from ops.extract_runs").fetchone() or ("",)
    assert "00:00:00" in at
    case.heals()


@pytest.mark.fault("A04")
@pytest.mark.parametrize(("pause", "error"), [("-5", None), ("abc", None), ("99999999", "RetryLater")])
def test_a_pause_without_sense_is_a_usual_one_and_one_of_years_a_day(case: Case, pause: str, error: str | None):
    found = case.through(refusal(Retry_After=pause))
    assert found.error == error
    assert sum(found.slept) <= 61
    if error:
        until = case.connection.execute("select next_allowed_at - clock_timestamp() from ops.extract_runs").fetchone()
        assert until is not None
        assert timedelta(hours=23) < until[0] <= timedelta(hours=24)
    case.heals()


@pytest.mark.fault("A05")
def test_an_hour_of_429_puts_the_runs_off_within_the_retry_budget_and_loses_nothing(case: Case):
    case.simulator.faults.add("rate_limited", platform="linkedin", times=10_000)
    for _ in range(60):
        assert case.read(case.simulator.base_urls["linkedin"]).error == "RetryLater"
        pass_time(case.connection, 60)
    # The floor of half a day, what an hour gives back of it, and what the calls themselves pay for.
    floor = RETRY_FLOOR * (1 + 3600 / RETRY_FLOOR_SECONDS)
    assert len(case.simulator.calls) - 60 <= floor + RETRY_SHARE * len(case.simulator.calls)
    case.simulator.faults.clear()
    case.heals()


@pytest.mark.fault("A07")
@pytest.mark.parametrize("said", [b"{", b"[]", b'{"77": [{"call_count": "97"}]}'])
def test_usage_headers_nobody_can_read_slow_and_spoil_nothing(
    case: Case, undisturbed: Callable[..., dict[str, str]], said: bytes
):
    upstream, harm = case.simulator.base_urls["facebook"], with_header(b"X-App-Usage: " + said)
    with front(upstream, harm, where="published_posts", times=99) as standing:
        results = case.extract("facebook", streams=["posts"], base_urls={"facebook": standing.url})
        assert standing.harmed > 0
    assert not [each.error for each in results if each.error]
    calm = undisturbed("facebook", streams=["posts"])
    assert_survived(case.environment, calm, case.simulator, *case.capfd.readouterr(), names=["facebook__posts"])
