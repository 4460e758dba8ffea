"""What the platforms say of their limits, each in its own dialect, and what the budgets make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.errors import PipelineError, RetryLater
from extractors.http import Client
from extractors.limiter import Limiter
from extractors.platforms import meta, twitter
from extractors.registry import PLATFORMS
from extractors.spec import Account, Answer, Scope
from simulator.limits import Limits
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import Extract, pass_time
from tests.extractors.sockets import ACCOUNT, ANCHOR, Caller, http, raw_server

Connection = psycopg.Connection[Any]
IMF = "%a, %d %b %Y %H:%M:%S GMT"
PAGE = replace(ACCOUNT, platform="facebook")


def of(platform: str, caller: Caller, port: int) -> Client:
    account = replace(ACCOUNT, platform=platform)
    return replace(caller.client(port), platform=PLATFORMS[platform], account=account)


def profile(client: Client) -> Answer:
    read = client.platform.stream("profile").reads[0]
    scope = Scope(account=client.account, now=ANCHOR)
    return client.call(read, scope, read.params(scope))


def business(percent: float, minutes: object = 0) -> str:
    group = {"type": "pages", "call_count": percent, "total_time": 1, "estimated_time_to_regain_access": minutes}
    return json.dumps({"77": [group]})


def blocked(connection: Connection) -> dict[str, float]:
    """Seconds until each blocked budget opens."""
    rows = connection.execute(
        "select budget, extract(epoch from blocked_until - clock_timestamp())::float8 from ops.rate_budgets"
        " where blocked_until > clock_timestamp()"
    )
    return dict(rows.fetchall())


# Meta: per cent of a rolling window


@pytest.mark.fault("A06")
@pytest.mark.parametrize(
    ("header", "percent", "pause"),
    [
        ("X_Business_Use_Case_Usage", 89, 0),
        ("X_Business_Use_Case_Usage", 90, 1),
        ("X_Business_Use_Case_Usage", 95, 2),
        ("X_Page_Usage", 95, 2),
        ("X_App_Usage", 95, 2),
        ("X_App_Usage", 98, 5),
    ],
)
def test_from_ninety_per_cent_on_the_next_call_waits_longer(caller: Caller, header: str, percent: int, pause: float):
    # Ten to fifty times the pace of the allowance, ten counted calls a second.
    said = business(percent) if "Business" in header else json.dumps({"call_count": percent, "total_time": 3})
    with raw_server(http(b'{"id": "77"}', **{header: said})) as server:
        client = of("facebook", caller, server.port)
        for _ in range(2):
            profile(client)
    assert sum(caller.slept) == pytest.approx(pause, abs=0.1)


@pytest.mark.fault("A06")
def test_access_comes_back_when_the_platform_said_so(caller: Caller, connection: Connection):
    with raw_server(http(b'{"id": "77"}', X_Business_Use_Case_Usage=business(96, 7))) as server:
        client = of("facebook", caller, server.port)
        assert profile(client).status == 200
        with pytest.raises(RetryLater):
            profile(client)
        assert len(server.requests) == 1
    assert list(blocked(connection)) == ["facebook:77"]
    assert blocked(connection)["facebook:77"] == pytest.approx(7 * 60, abs=5)


@pytest.mark.fault("A06")
def test_the_simulators_allowance_lasts_longer_because_the_client_slows_down(
    world: World, caller: Caller, record_property: Callable[[str, object], None]
):
    page = next(each for each in world.accounts if each.platform == "facebook")
    token = next(
        grant.page_tokens[page.account_id]
        for grant in world.credentials.values()
        if page.account_id in grant.page_tokens
    )
    account = Account(business_id=1, platform="facebook", account_id=page.account_id, credential="c", timezone="UTC")
    with Simulator(world, now=ANCHOR, limits=Limits(meta_account_day=50)) as running:
        client = Client(PLATFORMS["facebook"], account, running.base_urls["facebook"], token, caller.limiter)
        for _ in range(49):
            profile(client)
        statuses = [call.status for call in running.calls]
    assert set(statuses) == {200}
    before, after = caller.slept[:1], sum(caller.slept)
    record_property("slowed", after)
    # 1, 1.3, 1.7, 2.5 seconds: never a 429.
    assert after > 6 * before[0], (before, caller.slept)


@pytest.mark.fault("A06")
def test_a_throttled_page_is_read_when_its_time_has_come_and_nothing_is_lost(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):
    simulator.faults.add("rate_limited", platform="facebook", path_contains="published_posts", times=1, minutes=9)
    throttled = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert [type(result.error) for result in throttled] == [RetryLater]
    calls = len(simulator.calls)
    again = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert [result.account_id for result in again] == [throttled[0].account_id]
    assert throttled[0].account_id not in [call.account for call in simulator.calls[calls:]]
    pass_time(connection, 9 * 60 + 1)
    extract("facebook", streams=["posts"])
    assert_equal_warehouses(environment, undisturbed("facebook", streams=["posts"]), ["facebook__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["call_count", "total_time", "total_cputime", "estimated_time_to_regain_access", "1"]),
            inner,
        )
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["x-app-usage", "x-page-usage", "x-business-use-case-usage", "date"])
    | st.sampled_from(["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"]),
    st.text(max_size=30)
    | JSONS.map(json.dumps)
    | st.dictionaries(st.text(max_size=3), st.lists(JSONS)).map(json.dumps),
)


@pytest.mark.fault("A07")
@given(HEADERS)
def test_no_usage_header_spoils_an_answer_or_leaves_its_bounds(headers: dict[str, str]):
    answer = Answer(status=200, headers=headers, body={}, at=ANCHOR)
    for usage in (*meta.usage(answer, PAGE), *twitter.usage(answer, ACCOUNT)):
        assert usage.used is not None
        assert usage.used >= 0
        assert usage.limit
        assert usage.limit > 0
        for until in (usage.resets_at, usage.blocked_until):
            assert until is None or ANCHOR <= until <= ANCHOR + timedelta(hours=24)


@pytest.mark.fault("A07")
@pytest.mark.parametrize("said", ["{", "[]", '"x"', "NaN", '{"77": [{"call_count": "97"}]}', '{"77": 5}', "[" * 5000])
def test_a_malformed_usage_header_is_ignored_and_the_answer_used(caller: Caller, connection: Connection, said: str):
    with raw_server(http(b'{"id": "77"}', X_Business_Use_Case_Usage=said, X_App_Usage=said)) as server:
        client = of("instagram", caller, server.port)
        for _ in range(2):
            assert profile(client).body == {"id": "77"}
    assert caller.slept == []
    assert blocked(connection) == {}


@pytest.mark.parametrize(
    ("code", "minutes", "stopped"),
    [(4, 0, "meta:linkedin_1"), (17, 0, "meta:linkedin_1"), (17, 60, "facebook:77"), (80001, 5, "facebook:77")],
)
def test_a_limit_of_the_app_stops_the_credential_and_one_of_the_page_the_page(
    caller: Caller, connection: Connection, code: int, minutes: int, stopped: str
):
    body = json.dumps({"error": {"code": code, "message": "too many"}}).encode()
    said = {"X_Business_Use_Case_Usage": business(100, minutes)} if minutes else {}
    with raw_server(http(body, status=400, **said)) as server, pytest.raises(RetryLater):
        profile(of("facebook", caller, server.port))
    assert list(blocked(connection)) == [stopped]
    assert blocked(connection)[stopped] == pytest.approx((minutes or 60) * 60, abs=5)


# X: fixed windows, told by X's own clock


@pytest.mark.fault("A02", "B17")
@pytest.mark.parametrize("wrong", [-600, 0, 600])
def test_a_reset_is_read_by_the_clock_of_the_server_that_said_it(caller: Caller, connection: Connection, wrong: int):
    theirs = datetime.now(UTC) + timedelta(seconds=wrong)
    limits = {"x_rate_limit_limit": "900", "x_rate_limit_remaining": "0"}
    limits["x_rate_limit_reset"] = str(int((theirs + timedelta(seconds=400)).timestamp()))
    with raw_server(http(b'{"title": "Too Many Requests"}', status=429, Date=theirs.strftime(IMF), **limits)) as server:
        with pytest.raises(RetryLater) as raised:
            profile(of("twitter", caller, server.port))
        assert 398 < (raised.value.at - caller.limiter.now()).total_seconds() < 404
    assert list(blocked(connection)) == ["twitter:linkedin_1:users"]


@pytest.mark.fault("A06")
def test_the_last_tenth_of_a_window_of_x_is_spread_over_its_rest(caller: Caller):
    theirs = datetime.now(UTC)
    limits = {"x_rate_limit_limit": "900", "x_rate_limit_remaining": "9", "Date": theirs.strftime(IMF)}
    limits["x_rate_limit_reset"] = str(int((theirs + timedelta(seconds=300)).timestamp()))
    with raw_server(http(b'{"data": []}', **limits)) as server:
        client = of("twitter", caller, server.port)
        for _ in range(2):
            profile(client)
    assert sum(caller.slept) == pytest.approx(30, abs=2)


@pytest.mark.fault("A03")
def test_the_cap_of_the_month_stops_every_endpoint_of_the_credential(caller: Caller, connection: Connection):
    capped = b'{"title": "UsageCapExceeded", "type": "https://api.twitter.com/2/problems/usage-capped"}'
    with raw_server(http(capped, status=429)) as server, pytest.raises(RetryLater) as raised:
        profile(of("twitter", caller, server.port))
    assert raised.value.at.day == 1
    assert list(blocked(connection)) == ["twitter:linkedin_1:month"]


# LinkedIn: no headers, words


@pytest.mark.fault("A03")
@pytest.mark.parametrize(
    ("words", "stopped"),
    [
        ("MEMBER MINUTE", "linkedin:linkedin_1:organizations"),
        ("APPLICATION DAY", "linkedin:linkedin_1:organizations:day"),
        ("", "linkedin:linkedin_1:organizations:day"),
    ],
)
def test_minute_and_day_are_told_apart_by_the_words(caller: Caller, connection: Connection, words: str, stopped: str):
    body = json.dumps({"message": f"Resource level throttle {words} limit for calls to this resource is reached."})
    with raw_server(http(body.encode(), status=429)) as server:
        client = caller.client(server.port)
        # One try: the minute's pause is short enough to be waited for in the worker.
        with pytest.raises(RetryLater):
            client._once(client.platform.stream("profile").reads[0], Scope(account=ACCOUNT, now=ANCHOR), {})
    assert list(blocked(connection)) == [stopped]
    left = blocked(connection)[stopped]
    if stopped.endswith(":day"):
        now = datetime.now(UTC)
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        assert left == pytest.approx((midnight - now).total_seconds(), abs=5)
    else:
        assert left == pytest.approx(60, abs=2)


def test_calls_of_an_unpublished_day_limit_are_counted_and_the_refusal_teaches_it(
    caller: Caller, connection: Connection
):
    day = b'{"message": "Resource level throttle APPLICATION DAY limit for calls to this resource is reached."}'
    with raw_server(http(), http(), http(), http(day, status=429)) as server:
        for _ in range(3):
            caller.call(server.port)
        assert isinstance(caller.error(server.port), PipelineError)
    counted = "select window_used, window_limit from ops.rate_budgets where budget like '%:day'"
    assert connection.execute(counted).fetchone() == (4, 3)


def test_no_answer_of_linkedin_says_anything_of_its_limits():
    answer = Answer(status=200, headers={"x-app-usage": '{"call_count": 99}'}, body={}, at=ANCHOR)
    assert PLATFORMS["linkedin"].usage(answer, ACCOUNT) == ()


def test_a_higher_figure_of_the_same_window_stays_and_a_new_window_begins_anew(connection: Connection):
    limiter = Limiter(connection)
    read = PLATFORMS["twitter"].stream("profile").reads[0]
    budgets = PLATFORMS["twitter"].budgets(ACCOUNT, read)
    limiter.reserve(budgets)
    ends = limiter.now() + timedelta(seconds=500)
    for used, resets_at, expected in ((700, 0, 700), (650, 1, 700), (5, 900, 5)):
        headers = {"x-rate-limit-limit": "900", "x-rate-limit-remaining": str(900 - used)}
        headers["x-rate-limit-reset"] = str(int((ends + timedelta(seconds=resets_at)).timestamp()))
        answer = Answer(status=200, headers=headers, body={}, at=limiter.now())
        limiter.observe(budgets, PLATFORMS["twitter"].usage(answer, ACCOUNT), None)
        row = connection.execute(
            "select window_used from ops.rate_budgets where budget = %s", (budgets[0].key,)
        ).fetchone()
        assert row == (expected,)
