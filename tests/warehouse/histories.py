"""Histories made by hypothesis: what may happen to one business's accounts, in any order, and how it lands.

A history is what arrives in each of a few rounds; dbt runs after every round. Values come from small sets, so that they
repeat, collide and go back; instants have nothing to do with the order of arrival.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.warehouse.landing import (
    AS_OF,
    Payload,
    gains,
    insights,
    instagram_media,
    linkedin_post,
    linkedin_statistics,
    public_metrics,
    tweet,
)

ROUNDS = 6
PLATFORMS = ("linkedin", "twitter", "facebook", "instagram")
APART = ("linkedin", "twitter", "instagram")
TIMEZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu")
TEXTS = ("plain", "#One and #two", "#ONE #three", "")
HOUR = timedelta(hours=1)

LEDGER = """
insert into ops.extract_runs (run_id, business_id, platform, account_id, stream, state, gate, as_of, window_until,
    lease_expires_at, listed, stored, started_at, finished_at, error_class)
values (%(run_id)s, %(business_id)s, %(platform)s, %(account_id)s, %(stream)s, %(state)s, %(gate)s, %(at)s, %(at)s,
    %(at)s, %(rows)s, %(rows)s, %(at)s, %(at)s, case when %(state)s = 'failed' then 'Refused' end)
"""
RESUME = """
update ops.extract_runs
set state = 'complete', gate = %(gate)s, error_class = null, lease_epoch = lease_epoch + 1,
    listed = listed + 1, stored = stored + 1
where run_id = %(run_id)s
"""
KNOW = """
insert into ops.known_posts (business_id, platform, account_id, record_key, published_at, missed_at, missed_runs)
values (%(business_id)s, %(platform)s, %(account_id)s, %(key)s, %(at)s, %(missed_at)s, %(missed)s)
on conflict (business_id, platform, account_id, record_key)
do update set missed_at = excluded.missed_at, missed_runs = excluded.missed_runs
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One record of one stream, as read `hours` before now."""

    platform: str
    stream: str
    key: str
    payload: Payload
    hours: int

    @property
    def at(self) -> datetime:
        """When it was read."""
        return AS_OF - self.hours * HOUR


@dataclass(frozen=True, slots=True)
class Landed:
    """A reading lands in a run of its own; a gate that is not yet decided, or wrongly, is decided in a later round."""

    round: int
    reading: Reading
    gate: str = "passed"
    decided: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run failed and what it had passed; it was taken up again, read more, and was judged anew."""

    round: int
    first: Reading
    again: int
    second: Reading
    gate: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Two runs did not list a post; it counts as deleted when both passed. Without gates it was listed again."""

    round: int
    platform: str
    key: str
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """The business is in another time zone now."""

    round: int
    timezone: str


Event = Landed | Resumed | Missed | Moved
History = tuple[Event, ...]

counts = st.integers(0, 3)
hours = st.integers(1, 60)
days = st.integers(1, 4)
rounds = st.integers(0, ROUNDS - 1)


def _day(number: int) -> datetime:
    return (AS_OF - timedelta(days=number)).replace(hour=0, minute=0)


@st.composite
def post_keys(draw: st.DrawFn, platform: str) -> tuple[str, list[str]]:
    """The id of a post, or of one version of an edited one with all versions told with it."""
    number = draw(st.integers(0, 1))
    if platform != "twitter":
        return f"{platform[0]}{number}", []
    version = draw(st.integers(0, 2))
    told = draw(st.integers(version, 2))
    return f"{number}{version}", [f"{number}{each}" for each in range(told + 1)]


@st.composite
def levels(draw: st.DrawFn) -> list[int | None]:
    """Four counters that mostly move together, so that a reading often says what another has said."""
    level = draw(st.sampled_from([None, 0, 1]))
    return [draw(st.sampled_from([level, level, level, level, 2])) for _ in range(4)]


@st.composite
def posts(draw: st.DrawFn, platform: str) -> Reading:
    """A post as listed: new, edited, restated, no longer telling, or no post at all."""
    key, versions = draw(post_keys(platform))
    published = AS_OF - (60 + int(key[-1]) * 31 + draw(st.sampled_from([0, 0, 0, 25]))) * HOUR
    text = draw(st.sampled_from(TEXTS))
    is_excluded = draw(st.sampled_from([False, False, False, True]))
    shown, likes, comments, shares = draw(levels())
    payload: dict[str, Any]
    if platform == "linkedin":
        payload = {**linkedin_post(published, text), "lifecycleState": "DRAFT" if is_excluded else "PUBLISHED"}
    elif platform == "twitter":
        told = public_metrics(shown or 0, likes or 0, comments or 0, shares or 0, 0, 0) if shown is not None else {}
        reply = {"in_reply_to_user_id": "1"} if is_excluded else {}
        payload = {**tweet(key, published.isoformat(), text, edit_history_tweet_ids=versions, **reply),
                   "public_metrics": told}  # fmt: skip
    elif platform == "facebook":
        payload = {"created_time": published.isoformat(), "message": text, "is_published": not is_excluded,
                   "insights": insights(post_media_view=shown)}  # fmt: skip
        payload |= {} if likes is None else {"reactions": {"summary": {"total_count": likes}}}
        payload |= {} if shares is None else {"shares": {"count": shares}}
    else:
        product = "STORY" if is_excluded else "FEED"
        payload = {**instagram_media(published.isoformat(), product=product, insights=insights(views=shown)),
                   "caption": text, "like_count": likes, "comments_count": comments}  # fmt: skip
    return Reading(platform, "posts", key, payload, draw(hours))


@st.composite
def metrics_apart(draw: st.DrawFn, platform: str) -> Reading:
    """What the platform tells of a post in a stream of its own."""
    key, versions = draw(post_keys(platform))
    value, likes, clicks, _ = draw(levels())
    payload: Payload
    if platform == "linkedin":
        payload = linkedin_statistics(impressionCount=value, likeCount=likes, clickCount=clicks)
    elif platform == "twitter":
        payload = {"id": key, "edit_history_tweet_ids": versions, "organic_metrics": {"url_link_clicks": value}}
    else:
        payload = insights(ig_reels_video_view_total_time=value)
    return Reading(platform, "post_metrics", key, payload, draw(hours))


@st.composite
def account_facts(draw: st.DrawFn, platform: str) -> Reading:
    """What is said of the account and a day: its profile, its daily numbers, its audience."""
    day, value = _day(draw(days)), draw(counts)
    stream = draw(st.sampled_from(["profile", "audience"] + ["account_daily"] * (platform != "twitter")))
    if platform == "twitter":
        stream = "profile"
    key, payload = _account_fact(platform, stream, day, value)
    return Reading(platform, stream, f"{platform}:{key}:{day:%Y-%m-%d}", payload, draw(hours))


def _account_fact(platform: str, stream: str, day: datetime, value: int) -> tuple[str, Payload]:
    names: dict[tuple[str, str], tuple[str, Payload]] = {
        ("linkedin", "profile"): ("network_size", {"firstDegreeSize": value}),
        ("linkedin", "account_daily"): ("follower_gains", gains(day, value - 1, value)),
        ("linkedin", "audience"): (
            "follower_statistics",
            {"followerCountsBySeniority": [
                {"seniority": "urn:li:seniority:4", "followerCounts": {"organicFollowerCount": value}}
            ][:value]},
        ),
        ("twitter", "profile"): ("user", {"username": f"u{value}", "public_metrics": {"followers_count": value}}),
        ("facebook", "profile"): ("page", {"name": f"n{value}", "followers_count": value}),
        ("facebook", "account_daily"): ("page_follows", {"name": "page_follows", "period": "day", "value": value}),
        ("facebook", "audience"): ("page_follows_country", {"value": {"DE": value, f"X{value}": 1}}),
        ("instagram", "profile"): ("account", {"username": f"u{value}", "followers_count": value}),
        ("instagram", "account_daily"): ("reach", {"name": "reach", "period": "day", "value": value}),
        ("instagram", "audience"): (
            "gender",
            {"total_value": {"breakdowns": [
                {"dimension_keys": ["gender"], "results": [{"dimension_values": ["F"], "value": value}][:value]}
            ]}},
        ),
    }  # fmt: skip
    return names[platform, stream]


@st.composite
def readings(draw: st.DrawFn, platform: str) -> Reading:
    """Any record of a platform; posts most often."""
    kinds = [posts(platform), posts(platform), account_facts(platform)]
    return draw(st.one_of(*kinds, metrics_apart(platform) if platform in APART else posts(platform)))


@st.composite
def landings(draw: st.DrawFn, platform: str) -> Landed:
    """A reading that passes its gate, or waits at it, or is held back and perhaps let in later."""
    round_number, reading = draw(rounds), draw(readings(platform))
    gate = draw(st.sampled_from(["passed", "passed", "passed", "pending", "quarantined"]))
    if gate == "passed" or round_number == ROUNDS - 1:
        return Landed(round_number, reading, gate)
    decided = draw(st.none() | st.tuples(st.integers(round_number + 1, ROUNDS - 1), st.sampled_from(["passed"])))
    return Landed(round_number, reading, gate, decided)


@st.composite
def resumptions(draw: st.DrawFn, platform: str) -> Resumed:
    """A run that passed its gate as far as it came, and is judged again after it went on."""
    first = draw(readings(platform))
    second = draw(readings(platform).filter(lambda each: each.stream == first.stream))
    # A run held back at last makes dbt rebuild the tables of all businesses: only in one round, or no round would be
    # an increment.
    if draw(st.sampled_from([False, False, False, True])):
        return Resumed(0, first, 1, second, "quarantined")
    start = draw(st.integers(0, ROUNDS - 2))
    return Resumed(start, first, draw(st.integers(start + 1, ROUNDS - 1)), second, "passed")


@st.composite
def misses(draw: st.DrawFn, platform: str) -> Missed:
    """A post is gone, perhaps, or back."""
    key, _ = draw(post_keys(platform))
    gates = draw(st.sampled_from([(), ("passed", "passed"), ("passed", "quarantined")]))
    return Missed(draw(rounds), platform, key, gates)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """All that happens to one business."""
    platforms = draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, max_size=2, unique=True))
    kinds = [kind(each) for each in platforms for kind in (landings, landings, landings, resumptions, misses)]
    moves = st.builds(Moved, rounds, st.sampled_from(TIMEZONES))
    length = draw(st.integers(1, 24))
    events = draw(st.lists(st.one_of(*kinds, moves), min_size=length, max_size=length))
    return (*events, *draw(echoes([event for event in events if isinstance(event, Landed)])))


@st.composite
def echoes(draw: st.DrawFn, landed: Sequence[Landed]) -> list[Landed]:
    """What was read once is read again with the same words, at another instant and in another round: often late."""
    again = draw(st.lists(st.sampled_from(landed), max_size=4)) if landed else []
    return [Landed(draw(rounds), replace(event.reading, hours=draw(hours))) for event in again]


def draw_histories(count: int, of_seed: int) -> list[History]:
    """As many histories as hypothesis makes of a seed; the simple ones come first."""
    drawn: list[History] = []

    @seed(of_seed)
    @settings(max_examples=count, database=None, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(histories())
    def draw(history: History) -> None:
        drawn.append(history)

    draw()
    return drawn


@dataclass(slots=True)
class Chronicle:
    """Lets the histories of numbered businesses happen in a warehouse, round by round."""

    connection: psycopg.Connection[Any]
    told: Mapping[int, History]

    def begin(self) -> None:
        """Enter the businesses, each with one account per platform."""
        with self.connection.transaction(), self.connection.pipeline():
            for business in self.told:
                self.connection.execute("insert into ops.businesses values (%s, 'b', 'Europe/Berlin')", [business])
                for platform in PLATFORMS:
                    self.connection.execute(
                        "insert into ops.accounts (business_id, platform, account_id, credential, created_at)"
                        " values (%s, %s, 'a', 'none', '2026-01-01')",
                        (business, platform),
                    )

    def play(self, round_number: int) -> None:
        """Let everything of a round happen."""
        with self.connection.transaction(), self.connection.pipeline():
            for business, history in self.told.items():
                for number, event in enumerate(history):
                    self._happen(business, number, event, round_number)

    def _happen(self, business: int, number: int, event: Event, now: int) -> None:
        run = _run_id(business, number)
        if isinstance(event, Landed):
            if event.round == now:
                self._land(business, run, event.reading, gate=event.gate)
            if event.decided and event.decided[0] == now:
                self.connection.execute(
                    "update ops.extract_runs set gate = %s where run_id = %s", (event.decided[1], run)
                )
        elif isinstance(event, Resumed):
            if event.round == now:
                self._land(business, run, event.first, gate="passed", state="failed")
            if event.again == now:
                self._row(business, run, event.second)
                self.connection.execute(RESUME, {"run_id": run, "gate": event.gate})
        elif event.round == now and isinstance(event, Missed):
            self._miss(business, number, event)
        elif event.round == now and isinstance(event, Moved):
            self.connection.execute(
                "update ops.businesses set timezone = %s where business_id = %s", (event.timezone, business)
            )

    def _land(self, business: int, run: uuid.UUID, reading: Reading, *, gate: str, state: str = "complete") -> None:
        self._open(business, run, reading.platform, reading.stream, reading.at, gate, state, rows=1)
        self._row(business, run, reading)

    def _open(
        self, business: int, run: uuid.UUID, platform: str, stream: str, at: datetime, gate: str,
        state: str = "complete", rows: int = 0,
    ) -> None:  # fmt: skip
        self.connection.execute(
            LEDGER,
            {
                "run_id": run, "business_id": business, "platform": platform, "account_id": "a",
                "stream": f"{platform}__{stream}", "state": state, "gate": gate, "at": at, "rows": rows,
            },
        )  # fmt: skip

    def _row(self, business: int, run: uuid.UUID, reading: Reading) -> None:
        digest = hashlib.sha256(json.dumps(reading.payload, sort_keys=True).encode()).digest()
        self.connection.execute(
            f"insert into raw.{reading.platform}__{reading.stream} values (%s, %s, 'a', %s, %s, %s, %s)"
            " on conflict do nothing",
            (run, business, reading.key, reading.at, digest, Jsonb(reading.payload)),
        )

    def _miss(self, business: int, number: int, event: Missed) -> None:
        missed = [_run_id(business, number, nth) for nth in range(1, len(event.gates) + 1)]
        for run, gate in zip(missed, event.gates, strict=True):
            self._open(business, run, event.platform, "posts", AS_OF - number * HOUR, gate)
        values = {
            "business_id": business, "platform": event.platform, "account_id": "a", "key": event.key, "at": AS_OF,
            "missed_at": AS_OF - number * HOUR if missed else None, "missed": missed,
        }  # fmt: skip
        self.connection.execute(KNOW, values)


def _run_id(*parts: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, "|".join(map(str, parts)))


def reordered(history: History, order: Sequence[int]) -> History:
    """The landings of a history with the same records, arriving in other rounds."""
    landed = [event for event in history if isinstance(event, Landed)]
    return tuple(_moved_to(event, place % ROUNDS) for event, place in zip(landed, order, strict=False))


def _moved_to(event: Landed, round_number: int) -> Landed:
    gate = event.decided[1] if event.decided else event.gate
    return Landed(round_number, event.reading, gate)


def lines(history: History) -> Iterator[str]:
    """The history as a person reads it."""
    for event in sorted(history, key=lambda each: each.round):
        yield f"  {event}"
