"""Every reader of every stream takes any JSON: what it reads lands exactly, the rest is refused in one line, by name.

Real answers of the simulator, broken in one to three places by hypothesis. `FUZZ_EXAMPLES` raises the number of bodies.
"""

from __future__ import annotations

import copy
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import requests
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from extractors.errors import ContractBroken, PipelineError
from extractors.registry import PLATFORMS
from extractors.shape import foreseen
from extractors.spec import Account, Answer, Params, Platform, Read, Record, Scope, Stream, Unread
from extractors.strict_json import NotStrictJson, parse, storable_row
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.conftest import ANCHOR

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20500"))
BATCH = 2_000
KEYS = st.sampled_from(["id", "data", "error", "name", "code", "message", "\x00", "values"])
#: What a broken place may hold; the strange ones come more often than their number says.
ODD = st.one_of(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1.2K", "1,234", "now", "infinity", "\x00", "\ud800", "2026-02-30T00:00:00Z", "é" * 400]),
    st.sampled_from([Decimal("1.10"), 10**400, -1, 0, 1_791_189_000, 1e300, [], {}, [[]], [None], {"": {}}, [{}]]),
    st.recursive(
        st.none() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
)
#: Most answers say that they are good.
STATUSES = (200, 200, 200, 200, 400, 200, 403, 200, 429, 200, 500)
HOWS = st.sampled_from(["replace", "replace", "replace", "drop", "double", "wrap"])
BREAKS = st.lists(st.tuples(st.integers(0, 10_000), HOWS, ODD), min_size=1, max_size=3)


@dataclass(frozen=True, slots=True)
class Template:
    """A real answer of one list, cut to a few records, and what it had been asked for."""

    platform: Platform
    stream: Stream
    read: Read
    scope: Scope
    params: Params
    body: Any


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list with each of its keys, outermost first."""
    level = [value]
    while level:
        following = []
        for each in level:
            members = list(each.items() if isinstance(each, dict) else enumerate(each))
            for key, member in members:
                yield each, key
                if isinstance(member, dict | list):
                    following.append(member)
        level = following


def broken(body: Any, breaks: list[tuple[int, str, Any]]) -> Any:
    """A copy of an answer with some places changed; half of them near the top."""
    body = copy.deepcopy(body)
    for number, how, odd in breaks:
        places = list(holders(body)) if isinstance(body, dict | list) else []
        if not places:
            return odd
        near = places[: max(3, len(places) // 8)] if number % 2 else places
        holder, key = near[(number // 2) % len(near)]
        if number % 97 == 0:
            return odd
        if how == "drop":
            del holder[key]
        elif how == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = [holder[key]] if how == "wrap" else copy.deepcopy(odd)
    return body


@dataclass(slots=True)
class Judge:
    """Takes answers apart as the engine does, and keeps what would be stored to compare it in a real jsonb column."""

    connection: psycopg.Connection[Any]
    waiting: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)

    def take(self, template: Template, body: Any, status: int = 200) -> None:
        read, scope = template.read, template.scope
        self.bodies[f"{template.stream.full_name}.{read.name}"] += 1
        answer = Answer(status=status, headers={}, body=body, at=scope.now)
        try:
            error = template.platform.classify(answer, scope.account)
            if error is not None:
                raise error
            with foreseen(read, scope, body):
                records = read.records(scope, body)
                assert_place(read.follow.places(scope, body) if read.follow else read.next_page(body, template.params))
        except PipelineError as error:
            assert_legible(error, template)
            self.outcomes["refused"] += 1
            return
        self.outcomes["read"] += 1
        for item in records:
            self.land(item, template)

    def land(self, item: Record | Unread, template: Template) -> None:
        assert isinstance(item.key, str)
        if isinstance(item, Unread):
            assert parse(item.body) is not Ellipsis
            assert_legible(item.error, template)
            self.outcomes["kept by itself"] += 1
            return
        try:
            row = storable_row(item.payload, template.stream.volatile)
        except NotStrictJson:
            self.outcomes["kept as unstorable"] += 1
            return
        self.outcomes["mended" if row.is_mended else "exact"] += 1
        self.waiting.append(row.text)
        if len(self.waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        self.connection.execute("truncate fuzz")
        with self.connection.cursor().copy("copy fuzz from stdin") as copying:
            for text in self.waiting:
                copying.write_row((text, text))
        wrong = self.connection.execute("select sent from fuzz where payload::text <> sent::jsonb::text limit 1")
        assert wrong.fetchone() is None
        self.waiting.clear()


def assert_legible(error: PipelineError, template: Template) -> None:
    """One line that says whose, which list or platform, and what to do."""
    line = str(error)
    assert line.isprintable(), line
    assert template.scope.account.account_id in line, line
    assert "; " in line, line
    assert error.remedy, line
    assert len(line) < 1_000, line


def assert_named(error: PipelineError, template: Template) -> None:
    """A broken contract names the account with its business, and the list."""
    if isinstance(error, ContractBroken):
        assert str(template.scope.account) in str(error)
        assert template.read.name in str(error) or template.stream.full_name in str(error), str(error)


def assert_place(params: Params | None) -> None:
    assert params is None or all(isinstance(value, str) for value in params.values())


@pytest.fixture(scope="module")
def templates(world: World) -> list[Template]:
    with Simulator(world, now=ANCHOR) as running:
        return [template for platform in PLATFORMS.values() for template in answers(running, world, platform)]


def answers(running: Simulator, world: World, platform: Platform) -> Iterator[Template]:
    """One answer of every list of a platform, for its account with the most posts."""
    one = max(
        (one for one in world.accounts if one.platform == platform.key), key=lambda one: len(world.posts[one.key])
    )
    credential = world.credentials[one.credential]
    token = credential.page_tokens.get(one.account_id, credential.token)
    account = Account(
        business_id=1, platform=platform.key, account_id=one.account_id, credential="a", timezone="Europe/Berlin"
    )
    keys: dict[str, list[str]] = {}
    for stream in platform.streams:
        for read in stream.reads:
            for scope in scopes(account, read, keys, world):
                body = ask(running, platform, read, scope, token)
                if body is None:
                    continue
                found = found_in(read, scope, body)
                keys.setdefault(stream.name, []).extend(found)
                if found or read.batch is None:
                    yield Template(platform, stream, read, scope, read.params(scope), cut(body))
                    yield from led_to(running, Template(platform, stream, read, scope, {}, body), token)
                    break


def led_to(running: Simulator, first: Template, token: str) -> Iterator[Template]:
    """The answer that an answer leads to, where a list is one of those."""
    places = dict(first.read.follow.places(first.scope, first.body)) if first.read.follow else {}
    if places:
        (key, place), *_ = sorted(places.items())
        scope = replace(first.scope, ids=(), places={key: place})
        body = ask(running, first.platform, first.read, scope, token)
        yield replace(first, scope=scope, params=first.read.params(scope), body=cut(body))


def found_in(read: Read, scope: Scope, body: Any) -> list[str]:
    """The keys of an answer's records; none of a batch whose every element is refused."""
    try:
        return [item.key for item in read.records(scope, body) if isinstance(item, Record)]
    except PipelineError:
        return []


def scopes(account: Account, read: Read, keys: dict[str, list[str]], world: World) -> Iterator[Scope]:
    whole = Scope(account=account, now=ANCHOR, metrics=read.metrics)
    if read.window is not None:
        days = timedelta(days=min(read.window.days, 5))
        end = ANCHOR.astimezone(read.window.calendar).replace(hour=0, minute=0) - timedelta(days=4)
        yield replace(whole, since=end - days, until=end)
    elif read.batch is not None:
        kinds = sorted({key.rpartition(":")[0] for key in keys.get(read.batch.of, [])})
        for kind in kinds:
            ids = tuple(key for key in keys[read.batch.of] if key.rpartition(":")[0] == kind)
            size = min(3, read.batch.size)
            yield from (replace(whole, ids=ids[at : at + size]) for at in range(0, min(len(ids), 60), size))
    elif read.over is not None:
        businesses = yaml.safe_load(world.accounts_yaml())["businesses"]
        listed = [each for business in businesses for each in business.get("competitors", [])]
        handles = [each["handle"] for each in listed if each["platform"] == account.platform]
        yield from (replace(whole, handles=(handle,)) for handle in handles)
    else:
        yield whole


def ask(running: Simulator, platform: Platform, read: Read, scope: Scope, token: str) -> Any:
    query = platform.encode(read.params(scope))
    url = f"{running.base_urls[platform.key]}{read.path(scope)}" + (f"?{query}" if query else "")
    headers = {**platform.headers, "Authorization": f"Bearer {token}"}
    fields = read.form(scope) if read.form else None
    if fields is None:
        answer = requests.get(url, headers=headers, timeout=30)
    else:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = requests.post(url, data=urlencode(fields), headers=headers | form, timeout=30)
    return parse(answer.content) if answer.status_code == 200 else None


def cut(body: Any) -> Any:
    """Only the first two records, so that a broken place is seldom deep in the hundredth."""
    if isinstance(body, dict):
        return {name: value[:2] if name in ("data", "elements") and isinstance(value, list) else value
                for name, value in body.items()}  # fmt: skip
    return body


@pytest.fixture
def judge(connection: psycopg.Connection[Any]) -> Judge:
    connection.execute("create unlogged table fuzz (payload jsonb, sent text)")
    return Judge(connection)


def test_there_is_an_answer_of_every_list(templates: list[Template]):
    read = {(template.stream.full_name, template.read.name) for template in templates}
    every = {(s.full_name, r.name) for platform in PLATFORMS.values() for s in platform.streams for r in s.reads}
    assert every - read == set()


@pytest.mark.fault("A16", "B20", "B21", "B26", "B37")
def test_any_body_is_read_exactly_or_refused_in_one_line(templates: list[Template], judge: Judge):
    rounds = EXAMPLES // len(templates) + 1
    memory: list[int] = []

    @settings(
        max_examples=rounds,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
    @given(BREAKS)
    def each(breaks: list[tuple[int, str, Any]]) -> None:
        for number, template in enumerate(templates):
            mine = [(place + 37 * number, how, odd) for place, how, odd in breaks]
            judge.take(template, broken(template.body, mine), STATUSES[breaks[0][0] % len(STATUSES)])
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    began = time.monotonic()
    each()
    judge.flush()
    bodies = judge.bodies.total()
    seconds = time.monotonic() - began
    print(f"{bodies} bodies, {seconds / bodies * 10_000:.1f} s per 10,000; {dict(judge.outcomes)}; {memory[-1]} kB")
    assert bodies >= EXAMPLES
    assert min(judge.outcomes["refused"], judge.outcomes["exact"]) > bodies // 10, judge.outcomes
    assert min(judge.bodies.values()) >= rounds
    # Flat: the second half of a run needs no more than the first.
    assert memory[-1] < memory[len(memory) // 2] * 1.05 + 8_000, (memory[0], memory[len(memory) // 2], memory[-1])


ORDERS = "\x1b[2J\x07\r\nroot: all is well\u202e\x9b"


@pytest.mark.fault("G15")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 200])
def test_no_terminal_and_no_log_obeys_what_a_platform_says(templates: list[Template], status: int):
    said = dict.fromkeys(("message", "code", "title", "detail", "type", ORDERS), ORDERS)
    for template in templates:
        for body in (said, {"error": said}, {"error": {**said, "code": 190}}, {"errors": [said]}, {ORDERS: ORDERS}):
            answer = Answer(status=status, headers={}, body=body, at=ANCHOR)
            error = template.platform.classify(answer, template.scope.account)
            if error is not None:
                assert_legible(error, template)


FOREIGN: list[Any] = [None, [], {}, 7, "text", {"data": 7}, {"elements": [7]}, {"data": [{}]}, {"elements": [{}]}]


@pytest.mark.parametrize("body", FOREIGN, ids=json.dumps)
def test_a_foreign_body_is_one_line_with_account_list_and_remedy(templates: list[Template], body: Any):
    for template in templates:
        try:
            with foreseen(template.read, template.scope, body):
                records = template.read.records(template.scope, body)
        except PipelineError as error:
            assert_legible(error, template)
            assert_named(error, template)
        else:
            assert not records or isinstance(body, dict), (template.read.name, body)
