"""Answers that are wrong in one place: what can be read lands exactly, what cannot is kept, and nothing is guessed.

Each case ends in the three assertions: once the platform answers well again, the warehouse equals an undisturbed one,
the ledger explains what happened, and no secret is anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
import pytest

from expectations.gate import GateResult, validate_pending
from extractors.drift import drifted
from extractors.extract import RunResult
from extractors.settings import Settings
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    last_versions,
    tokens,
)
from tests.extractors.conftest import Extract
from tests.extractors.tampering import Change, posts_of, tampered

Connection = psycopg.Connection[Any]
#: Before every post of the world.
ALWAYS = date(2020, 1, 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """One stream of one platform, read through the gate, with the answers changed or as they are."""

    extract: Extract
    environment: dict[str, str]
    simulator: Simulator
    undisturbed: Callable[..., dict[str, str]]
    capfd: pytest.CaptureFixture[str]

    def read(self, platform: str, stream: str, change: Change | None = None, **asked: Any) -> list[RunResult]:
        """Extract, without the gate."""
        if change is None:
            return self.extract(platform, streams=[stream], **asked)
        with tampered(self.simulator.base_urls[platform], change) as url:
            return self.extract(platform, streams=[stream], base_urls={platform: url}, **asked)

    def judged(self, platform: str, stream: str, change: Change | None = None, **asked: Any) -> list[GateResult]:
        """Extract and judge."""
        results = self.read(platform, stream, change, **asked)
        assert not [str(result.error) for result in results if result.error]
        return validate_pending(Settings.from_environment(self.environment))

    def heals(self, platform: str, stream: str, since: date = ALWAYS) -> None:
        """The platform answers well again, also for what is old: the three assertions."""
        assert all(result.passed for result in self.judged(platform, stream, since=since))
        calm = self.undisturbed(platform, streams=[stream], since=since)
        assert last_versions(calm, f"{platform}__{stream}"), "an empty reference proves nothing"
        assert_equal_warehouses(self.environment, calm, [f"{platform}__{stream}"])
        assert_ledger_explains(self.environment)
        assert_no_exposed_address(self.simulator)
        assert_no_secret(self.environment, tokens(self.simulator), *self.capfd.readouterr())


@pytest.fixture
def reading(
    extract: Extract,
    environment: dict[str, str],
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    capfd: pytest.CaptureFixture[str],
) -> Reading:
    return Reading(extract, environment, simulator, undisturbed, capfd)


def first(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the first record of every page of posts."""

    def run(_path: str, body: Any) -> Any:
        for post in posts_of(body)[:1]:
            change(post)
        return body

    return run


def every(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change every record of every page."""

    def run(_path: str, body: Any) -> Any:
        for post in posts_of(body):
            change(post)
        return body

    return run


def spelled(old: str, new: str) -> Change:
    """Replace the first place where a pattern stands in an answer, as bytes."""
    return lambda _path, body: re.sub(old, new.replace("\\", "\\\\"), json.dumps(body), count=1).encode()


def count(connection: Connection, query: str, *values: Any) -> int:
    row = connection.execute(query, values).fetchone()
    assert row
    return int(row[0])


@pytest.mark.fault("B20")
def test_an_unknown_field_lands_and_is_told_once(reading: Reading, connection: Connection):
    reading.judged("twitter", "posts")
    assert count(connection, "select count(*) from ops.schema_paths") > 20
    assert count(connection, "select count(*) from ops.schema_drift") == 0
    novelty = {"kind": "note", "helpful": 3, "by": [{"who": "somebody@example.org"}]}
    gates = reading.judged("twitter", "posts", every(lambda post: post.update(community_note=novelty)))
    assert all(gate.passed and gate.rows > 0 for gate in gates)
    posts = sum(gate.rows for gate in gates)
    drift = connection.execute(
        "select path, json_type, drift, occurrences from ops.schema_drift where path not like '%.%'"
    ).fetchall()
    assert drift == [("community_note", "object", "new field", posts)]
    example = "select payload ? 'community_note' from raw.twitter__posts inner join ops.schema_drift on "
    assert connection.execute(example + "payload_hash = example_hash where path = 'community_note'").fetchone() == (
        True,
    )
    kept = connection.execute("select string_agg(p::text, ' ') from ops.schema_paths as p").fetchone()
    assert kept
    assert "somebody" not in kept[0]
    reading.heals("twitter", "posts")


WRONG_COUNTS = {
    "text": "12",
    "thousands": "1,234",
    "short": "1.2K",
    "object": {"value": 3},
    "list": [3],
    "below_zero": -3,
}


@pytest.mark.fault("B21", "B26", "E04")
@pytest.mark.parametrize("wrong", WRONG_COUNTS.values(), ids=WRONG_COUNTS)
def test_a_count_of_another_kind_is_never_guessed(reading: Reading, connection: Connection, wrong: Any):
    reading.judged("twitter", "posts")
    gates = reading.judged("twitter", "posts", every(lambda post: post["public_metrics"].update(like_count=wrong)))
    assert not any(gate.passed for gate in gates)
    for gate in gates:
        assert "like_count" in gate.lines()[0]
    types = connection.execute("select path, json_type, drift from ops.schema_drift order by path").fetchall()
    kind = {str: "string", dict: "object", list: "array"}.get(type(wrong))
    assert [each for each in types if each[0] == "public_metrics.like_count"] == (
        [("public_metrics.like_count", kind, "new type")] if kind else []
    )
    reading.heals("twitter", "posts")


@pytest.mark.fault("B22")
def test_a_metric_that_is_gone_is_told_by_name_and_never_zero(reading: Reading, connection: Connection):
    reading.judged("facebook", "posts")
    connection.execute("update ops.schema_paths set last_seen_at = last_seen_at - interval '4 days'")

    def without_clicks(post: dict[str, Any]) -> None:
        insights = post.get("insights", {}).get("data", [])
        insights[:] = [metric for metric in insights if metric["name"] != "post_clicks"]

    gates = reading.judged("facebook", "posts", every(without_clicks), since=ALWAYS)
    assert all(gate.passed for gate in gates)
    gone = [(field.stream, field.path) for field in drifted(connection) if field.drift == "gone"]
    assert ("facebook__posts", "insights.data[post_clicks].values[].value") in gone
    assert not [path for _, path in gone if "post_media_view" in path]
    newest = (
        "select count(*) from (select distinct on (account_id, record_key) payload from raw.facebook__posts "
        "order by account_id, record_key, observed_at desc) as last where payload::text like '%%post_clicks%%'"
    )
    assert count(connection, newest) == 0
    reading.heals("facebook", "posts")


@pytest.mark.fault("B23")
def test_a_metric_that_one_post_lacks_is_absent_there_alone(reading: Reading, connection: Connection):
    gates = reading.judged("twitter", "posts", first(lambda post: post["public_metrics"].pop("bookmark_count")))
    assert all(gate.passed for gate in gates)
    absent = "select count(*) from raw.twitter__posts where not payload #> '{public_metrics}' ? 'bookmark_count'"
    assert count(connection, absent) == len(gates)
    reading.heals("twitter", "posts")


@pytest.mark.fault("B24")
@pytest.mark.parametrize("change", [lambda post: post.update(message=None), lambda post: post.pop("message", None)])
def test_a_text_that_is_null_or_absent_stays_so(reading: Reading, connection: Connection, change: Any):
    assert all(gate.passed for gate in reading.judged("facebook", "posts", every(change)))
    assert count(connection, "select count(*) from raw.facebook__posts where payload ->> 'message' is not null") == 0
    reading.heals("facebook", "posts")


@pytest.mark.fault("B25")
@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**63 + 1, 10**30])
def test_a_number_of_any_size_lands_to_the_last_digit(reading: Reading, connection: Connection, number: int):
    gates = reading.judged("twitter", "posts", first(lambda post: post["public_metrics"].update(like_count=number)))
    assert all(gate.passed for gate in gates)
    found = connection.execute(
        "select max((payload #>> '{public_metrics,like_count}')::numeric) from raw.twitter__posts"
    )
    assert found.fetchone() == (number,)
    reading.heals("twitter", "posts")


@pytest.mark.parametrize(
    ("spelling", "seen"),
    [
        pytest.param("a\\u0000b", "a\ufffdb", marks=pytest.mark.fault("B27")),
        pytest.param("a\\ud800b", "a\ufffdb", marks=pytest.mark.fault("B28")),
    ],
)
def test_a_text_that_jsonb_cannot_hold_lands_mended_and_noted(
    reading: Reading, connection: Connection, spelling: str, seen: str
):
    gates = reading.judged("twitter", "posts", spelled('"text": "', '"text": "' + spelling))
    assert all(gate.passed for gate in gates)
    landed = "select count(*) from raw.twitter__posts where starts_with(payload ->> 'text', %s)"
    assert count(connection, landed, seen) == len(gates)
    notes = connection.execute("select reason, body, read from ops.quarantine").fetchall()
    assert len(notes) == len(gates)
    assert all((reason, read) == ("Mended", "timeline") and spelling.encode() in body for reason, body, read in notes)
    reading.heals("twitter", "posts")


@pytest.mark.parametrize(
    "spelling",
    [
        *(pytest.param(text, marks=pytest.mark.fault("B29", "C22")) for text in ("NaN", "-Infinity", "1e400")),
        pytest.param('1, "like_count": 2', marks=pytest.mark.fault("B30")),
        pytest.param("9" * 5_000, marks=pytest.mark.fault("B31")),
        pytest.param("[" * 3_000 + "]" * 3_000, marks=pytest.mark.fault("B31")),
    ],
    ids=["nan", "infinity", "too_large", "twice", "5000_digits", "bottomless"],
)
def test_an_answer_that_is_no_strict_json_fails_its_run_and_is_kept(
    reading: Reading, connection: Connection, spelling: str
):
    results = reading.read("twitter", "posts", spelled('"like_count": [0-9]+', '"like_count": ' + spelling))
    for result in results:
        assert str(result.error).startswith(f"twitter account {result.account_id} of business")
        assert "timeline" in str(result.error)
    kept = connection.execute("select body, step, window_since from ops.quarantine").fetchall()
    assert len(kept) == len(results)
    assert all(spelling.encode() in body for body, _, _ in kept)
    assert count(connection, "select count(*) from raw.twitter__posts") == 0
    reading.heals("twitter", "posts")


@pytest.mark.fault("B32")
def test_every_script_and_sign_lands_as_it_came(reading: Reading, connection: Connection):
    text = "👩‍👩‍👧 ✈️ 🏳️‍🌈 שלום \u202eabc\u202c مرحبا \u2066x\u2069 e\u0301 é ＝1 \u200b\ufeff"
    assert all(
        gate.passed for gate in reading.judged("facebook", "posts", every(lambda post: post.update(message=text)))
    )
    found = connection.execute("select distinct payload ->> 'message' from raw.facebook__posts").fetchall()
    assert found == [(text,)]
    reading.heals("facebook", "posts")


@pytest.mark.fault("B33")
def test_a_text_of_a_megabyte_lands_and_an_id_of_that_size_is_kept(reading: Reading, connection: Connection):
    long = "0123456789é " * 80_000
    gates = reading.judged("facebook", "posts", first(lambda post: post.update(message=long)))
    assert all(gate.passed for gate in gates)
    assert count(connection, "select max(length(payload ->> 'message')) from raw.facebook__posts") == len(long)
    results = reading.read("facebook", "posts", first(lambda post: post.update(id=long)))
    assert {(result.state, result.quarantined) for result in results} == {("complete", 1)}
    assert count(connection, "select count(*) from ops.quarantine where reason = 'Unstorable'") == len(results)
    gates = validate_pending(Settings.from_environment(reading.environment))
    assert all(gate.passed for gate in gates), "one of a page's 25 costs itself alone"
    reading.heals("facebook", "posts")


@pytest.mark.fault("B34", "E05")
@pytest.mark.parametrize(
    "instant",
    [
        "2026-11-01T10:00:00",
        "2026-03-29T02:30:00 Europe/Berlin",
        "2016-12-31T23:59:60+0000",
        "now",
        "infinity",
        "2026-02-30T10:00:00+0000",
        "2027-01-01T00:00:00+0000",
        1_791_189_000,
    ],
)
def test_an_instant_that_is_none_is_never_guessed(reading: Reading, connection: Connection, instant: Any):
    gates = reading.judged("facebook", "posts", every(lambda post: post.update(created_time=instant)))
    assert not any(gate.passed for gate in gates)
    assert all("published" in gate.report[0]["explanation"] or "publication" in str(gate.report) for gate in gates)
    reading.heals("facebook", "posts")


@pytest.mark.fault("B35")
def test_seconds_where_milliseconds_belong_are_refused(reading: Reading, connection: Connection):
    def in_seconds(post: dict[str, Any]) -> None:
        for name in ("createdAt", "publishedAt"):
            if name in post:
                post[name] //= 1000

    gates = reading.judged("linkedin", "posts", every(in_seconds))
    assert not any(gate.passed for gate in gates)
    reading.heals("linkedin", "posts")


@pytest.mark.fault("B38")
def test_numbers_blurred_for_privacy_pass_as_they_are(reading: Reading, connection: Connection):
    def blurred(path: str, body: Any) -> Any:
        for metric in posts_of(body):
            for number, point in enumerate(metric.get("values", [])):
                if isinstance(point.get("value"), int):
                    point["value"] += number % 3
        return body

    assert all(gate.passed for gate in reading.judged("facebook", "account_daily", blurred))
    reading.heals("facebook", "account_daily")


@pytest.mark.fault("E01")
def test_days_in_two_overlapping_ranges_are_one_row_each(reading: Reading, connection: Connection):
    for since, until in ((date(2026, 11, 1), date(2026, 11, 10)), (date(2026, 11, 5), date(2026, 11, 15))):
        gates = reading.judged("facebook", "account_daily", since=since, until=until)
        assert all(gate.passed for gate in gates)
    assert count(connection, "select count(*) from ops.cursors") == 0, "what is older is still to be read"
    twice = "select count(*) - count(distinct (account_id, record_key)) from raw.facebook__account_daily"
    assert count(connection, twice) == 0
    assert count(connection, "select count(*) from ops.extract_runs where kind = 'asked' and unchanged > 0") > 0
    reading.heals("facebook", "account_daily")


@pytest.mark.fault("E11")
def test_metrics_of_a_post_nobody_has_seen_are_kept_for_it(reading: Reading, connection: Connection):
    assert all(gate.passed for gate in reading.judged("twitter", "post_metrics"))
    assert count(connection, "select count(*) from raw.twitter__posts") == 0
    orphans = count(connection, "select count(*) from raw.twitter__post_metrics")
    assert orphans > 0
    assert all(gate.passed for gate in reading.judged("twitter", "posts"))
    met = "select count(distinct record_key) from raw.twitter__post_metrics inner join raw.twitter__posts "
    assert count(connection, met + "using (business_id, account_id, record_key)") == orphans
    reading.heals("twitter", "post_metrics")


@pytest.mark.fault("E12")
def test_ids_that_look_alike_are_different_records(reading: Reading, connection: Connection):
    alike = ["Ab", "aB", "caf\u00e9", "cafe\u0301", "1", "01"]

    def renamed(_path: str, body: Any) -> Any:
        for post, name in zip(posts_of(body), alike, strict=False):
            post["id"] = name
        return body

    results = reading.read("twitter", "posts", renamed)
    assert all(result.state == "complete" and result.stored == result.listed >= len(alike) for result in results)
    keys = "select encode(convert_to(record_key, 'UTF8'), 'hex'), count(*) from raw.twitter__posts where record_key = "
    found = dict(connection.execute(keys + "any (%s) group by 1", (alike,)).fetchall())
    assert found == {name.encode().hex(): len(results) for name in alike}
    assert_ledger_explains(reading.environment)
    assert_no_exposed_address(reading.simulator)
    assert_no_secret(reading.environment, tokens(reading.simulator), *reading.capfd.readouterr())
