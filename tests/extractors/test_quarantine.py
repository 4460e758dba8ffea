"""What could not land is listed, shown safely, and lands later: once, at its own instant, and through the gate."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from extractors import ledger
from extractors.__main__ import main
from extractors.accounts import enabled_accounts
from extractors.errors import ContractBroken
from extractors.load import land, quarantine
from extractors.pages import Page
from extractors.quarantine import replay
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Platform, Read, Record
from extractors.strict_json import original, parse
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_secret,
    last_versions,
    tokens,
)
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.tampering import tampered
from tests.extractors.test_command_line import Command, contents, one_line

Connection = psycopg.Connection[Any]
#: The gate compares with the real clock.
USER = {"id": "", "name": "Åse", "username": "ase", "public_metrics": {"followers_count": 7, "tweet_count": 1}}


@pytest.fixture
def now() -> datetime:
    """When the test begins: what is read must not be older than its run by an hour."""
    return datetime.now(UTC)


@pytest.fixture
def command(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command line in the test's environment; give exit status, output and errors."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def opened(environment: dict[str, str], connection: Connection) -> ledger.Opened:
    """A run of one X account's profile, still going."""
    account = enabled_accounts(connection, ["twitter"], None)[0]
    stream = PLATFORMS["twitter"].stream("profile")
    return ledger.open_run(connection, account, stream, as_of=ANCHOR, since=None, until=ANCHOR)


Keep = Callable[..., int]


@pytest.fixture
def keep(opened: ledger.Opened, connection: Connection, now: datetime) -> Keep:
    """Put bytes into the quarantine and give the entry's number; the run that did so has failed."""

    def run(body: bytes, *, detail: str = "odd", key: str | None = None, at: datetime = now) -> int:
        error = ContractBroken(detail, "look")
        quarantine(connection, opened.lease, key, error, body, at)
        ledger.fail(connection, opened.lease, error, calls=0, retries=0)
        return connection.execute("select max(quarantine_id) from ops.quarantine").fetchone()[0]

    return run


def answer(opened: ledger.Opened, **changed: object) -> bytes:
    """A page of the profile, as kept."""
    return original({"data": [{**USER, "id": opened.lease.account.account_id, **changed}]})


def landed(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select observed_at, payload ->> 'name' from raw.twitter__profile order by observed_at"
    ).fetchall()


def test_an_empty_quarantine_says_so(command: Command):
    assert command("quarantine", "list") == (0, "The quarantine is empty.\n", "")
    assert command("quarantine", "replay", "--all-open") == (0, "No entry is open.\n", "")


def test_an_entry_is_one_line_and_no_terminal_obeys_it(command: Command, keep: Keep, now: datetime):
    body = b'{"a": "\x1b[2J\x07\xff", "b": "\xe2\x80\xae\xc3\xa9\xc2\x9b"}\r\n'
    number = keep(body, detail="first\nsecond \x1b]0;owned\x07", key="a\tb")
    status, output, _ = command("quarantine", "list")
    assert status == 0
    line = one_line(output)
    assert line.startswith(f"{number}  {now:%Y-%m-%d %H:%M:%S}")
    assert "twitter__profile" in line
    assert f"{len(body)} bytes" in line
    status, shown, _ = command("quarantine", "show", str(number))
    assert status == 0
    for text in (output, shown):
        assert all(each.isprintable() or each == "\n" for each in text)
    assert "é" in shown
    assert r"\x1b[2J\x07\xff" in shown
    facts = json.loads(command("quarantine", "show", str(number), "--json")[1])
    assert base64.b64decode(facts["body_base64"]) == body


def test_the_list_is_narrowed_by_platform_and_business(command: Command, keep: Keep, opened: ledger.Opened):
    keep(b"{}")
    business = opened.lease.account.business_id
    assert command("quarantine", "list", "--platform", "linkedin")[1] == "The quarantine is empty.\n"
    assert command("quarantine", "list", "--business", str(business + 100))[1] == "The quarantine is empty.\n"
    both = ("--platform", "twitter", "--platform", "linkedin", "--business", str(business))
    assert len(json.loads(command("quarantine", "list", *both, "--json")[1])) == 1


def test_a_replay_lands_once_passes_the_gate_and_moves_no_watermark(
    command: Command,
    keep: Keep,
    connection: Connection,
    opened: ledger.Opened,
    now: datetime,
):
    number = keep(answer(opened))
    status, output, errors = command("quarantine", "replay", str(number))
    assert (status, errors) == (0, "")
    assert f"{number} resolved by run" in one_line(output)
    assert landed(connection) == [(now, "Åse")]
    row = connection.execute(
        "select resolved_by = raw.run_id::text, run.gate, run.run_id <> entry.run_id from ops.quarantine as entry, "
        "raw.twitter__profile as raw inner join ops.extract_runs as run using (run_id)"
    ).fetchone()
    assert row == (True, "passed", True)
    assert connection.execute("select count(*) from ops.cursors").fetchone()[0] == 0
    last = "select error_class from ops.extract_runs order by started_at desc limit 1"
    assert connection.execute(last).fetchone() == ("ContractBroken",), "the replay is not the stream's last run"
    before = contents(connection)
    status, output, _ = command("quarantine", "replay", str(number))
    assert status == 0
    assert "resolved already" in one_line(output)
    assert contents(connection) == before
    assert command("quarantine", "list")[1] == "The quarantine is empty.\n"
    assert "resolved" in one_line(command("quarantine", "list", "--all")[1])


def test_a_replay_that_died_before_the_gate_lands_nothing_twice(
    command: Command, keep: Keep, connection: Connection, opened: ledger.Opened
):
    number = keep(answer(opened))
    assert command("quarantine", "replay", str(number))[0] == 0
    connection.execute("update ops.quarantine set resolved_at = null, resolved_by = null")
    connection.execute("update ops.extract_runs set gate = 'pending'")
    status, output, _ = command("quarantine", "replay", "--all-open")
    assert status == 0
    assert "0 stored, 1 unchanged" in one_line(output)
    assert len(landed(connection)) == 1


def test_what_still_cannot_be_read_stays_open_and_the_rest_lands(
    command: Command, keep: Keep, connection: Connection, opened: ledger.Opened
):
    bad = [keep(b"<html>"), keep(b'{"data": {}}'), keep(b'{"data": []}'), keep(b'{"data": NaN}'), keep(b"\xff")]
    good = keep(answer(opened))
    status, output, _ = command("quarantine", "replay", "--all-open")
    assert status == 1
    lines = output.splitlines()
    assert len(lines) == len(bad) + 1
    assert all(f"{number} stays open: " in line for number, line in zip(bad, lines, strict=False))
    assert f"{good} resolved" in lines[-1]
    assert len(landed(connection)) == 1
    stuck = connection.execute("select count(*) from ops.extract_runs where state = 'running'").fetchone()
    assert stuck[0] == 0


def test_an_old_answer_lands_behind_the_newer_version(
    command: Command,
    keep: Keep,
    connection: Connection,
    opened: ledger.Opened,
    now: datetime,
):
    account = opened.lease.account
    newer = Record(f"{account.account_id}:user:2026-11-21", parse(answer(opened, name="New"))["data"][0])
    earlier = now - timedelta(minutes=30)
    land(
        connection,
        opened.lease,
        Page(records=[newer], observed_at=now, next_cursor={"read": None}, calls=1, retries=0),
    )
    assert command("quarantine", "replay", str(keep(answer(opened, name="Old"), at=earlier)))[0] == 0
    assert landed(connection) == [(earlier, "Old"), (now, "New")]


def test_rows_that_the_gate_refuses_leave_their_entry_open(
    command: Command, keep: Keep, connection: Connection, opened: ledger.Opened
):
    number = keep(answer(opened, public_metrics={"followers_count": -5}))
    status, output, _ = command("quarantine", "replay", str(number))
    assert status == 1
    assert f"{number} stays open: " in one_line(output)
    assert "failed" in output
    assert connection.execute("select resolved_at from ops.quarantine").fetchone() == (None,)


def test_a_record_that_jsonb_cannot_hold_is_kept_and_its_page_lands(
    command: Command,
    connection: Connection,
    opened: ledger.Opened,
    now: datetime,
):
    records = [
        Record("fine", {"id": "fine", "name": "ok"}),
        Record("nul\x00", {"id": "nul\x00"}),
        Record("long" * 500, {"id": "long"}),
        Record("alike", parse(rb'{"a\u0000": 1.10, "a\ud800": 2}')),
    ]
    page = Page(records=records, observed_at=now, next_cursor={"read": None}, calls=1, retries=0)
    assert land(connection, opened.lease, page) == 1
    counted = connection.execute("select listed, stored, unchanged, quarantined from ops.extract_runs").fetchone()
    assert counted == (4, 1, 0, 3)
    kept = connection.execute("select reason, body from ops.quarantine where record_key = 'alike'").fetchone()
    assert kept[0] == "Unstorable"
    assert parse(kept[1]) == records[-1].payload
    ledger.complete(connection, opened.lease)
    status, output, _ = command("quarantine", "replay", "--all-open")
    assert status == 1
    assert output.count("nothing of it can be stored") == 2, output


def test_a_mended_record_is_a_note_and_is_not_replayed(
    command: Command, connection: Connection, opened: ledger.Opened, now: datetime
):
    record = Record("odd", parse(rb'{"id": "odd", "text": "a\u0000b", "n": 0.10}'))
    page = Page(records=[record], observed_at=now, next_cursor={"read": None}, calls=1, retries=0)
    land(connection, opened.lease, page)
    assert "  note  " in one_line(command("quarantine", "list")[1])
    number, body = connection.execute("select quarantine_id, body from ops.quarantine").fetchone()
    assert parse(body) == record.payload
    status, output, _ = command("quarantine", "replay", str(number))
    assert status == 0
    assert "nothing to replay" in one_line(output)
    assert command("quarantine", "replay", "--all-open")[1] == "No entry is open.\n"


def test_an_answer_that_two_lists_could_have_brought_asks_for_its_name(
    command: Command,
    connection: Connection,
    environment: dict[str, str],
    now: datetime,
):
    account = enabled_accounts(connection, ["linkedin"], None)[0]
    stream = PLATFORMS["linkedin"].stream("profile")
    opened = ledger.open_run(connection, account, stream, as_of=ANCHOR, since=None, until=ANCHOR)
    quarantine(connection, opened.lease, None, ContractBroken("odd", "look"), b'{"firstDegreeSize": 5}', now)
    ledger.complete(connection, opened.lease)
    status, output, _ = command("quarantine", "replay", "--all-open")
    assert status == 1
    assert "name one with --read" in one_line(output)
    assert command("quarantine", "replay", "--all-open", "--read", "network_size")[0] == 0
    (key,) = connection.execute("select record_key from raw.linkedin__profile").fetchone()
    assert key.split(":")[1] == "network_size"


def test_a_replay_waits_for_a_run_that_is_reading_the_stream(
    command: Command,
    connection: Connection,
    opened: ledger.Opened,
    now: datetime,
):
    quarantine(connection, opened.lease, None, ContractBroken("odd", "look"), answer(opened), now)
    status, output, _ = command("quarantine", "replay", "--all-open")
    assert status == 1
    assert "read by another process" in one_line(output)
    assert landed(connection) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "404"), "there is no quarantine entry 404"),
        (("replay", "404"), "there is no quarantine entry 404"),
        (("replay",), "--all-open"),
        (("replay", "1", "--all-open"), "--all-open"),
    ],
)
def test_what_stands_for_no_entry_is_refused(command: Command, arguments: tuple[str, ...], words: str):
    status, _, errors = command("quarantine", *arguments)
    assert status == 2
    assert words in one_line(errors)


#: A list asked for days or for ids, and what its address holds.
ASKED = [
    ("facebook", "account_daily", "page_insights", "/insights"),
    ("instagram", "account_daily", "totals", "profile_views"),
    ("linkedin", "account_daily", "follower_gains", "FollowerStatistics"),
    ("instagram", "post_metrics", "reels", "/v26.0/"),
]


@pytest.mark.parametrize(("platform", "stream", "read", "address"), ASKED, ids=[each[2] for each in ASKED])
def test_an_answer_of_named_days_or_ids_lands_once_our_reading_is_mended(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
    platform: str,
    stream: str,
    read: str,
    address: str,
):
    streams, name = ["posts", stream] if stream == "post_metrics" else [stream], f"{platform}__{stream}"

    def wrapped(path: str, body: Any) -> Any:
        """The platform's new form, that the version which reads does not know."""
        is_meant = isinstance(body, list) if stream == "post_metrics" else address in path
        return {"wrapped": body} if is_meant else body

    if streams[:-1]:
        extract(platform, streams=streams[:-1])
    with tampered(simulator.base_urls[platform], wrapped) as url:
        results = extract(platform, streams=[stream], base_urls={platform: url})
    broken = [result for result in results if result.error]
    assert {type(result.error) for result in broken} == {ContractBroken}
    asked = "select read, step, ids <> '{}' or window_since < window_until, observed_at from ops.quarantine"
    kept = connection.execute(asked).fetchall()
    assert [(row[0], row[2]) for row in kept] == [(read, True)] * len(broken)

    settings = Settings.from_environment(environment)
    assert all(each.open_because for each in replay(settings, None)), "the old version reads it no better"
    done = replay(settings, None, platforms={platform: newer(PLATFORMS[platform], stream, read)})
    assert [each.open_because for each in done] == [None] * len(broken)
    assert all(each.stored > 0 for each in done)
    kinds = "select distinct kind, state, gate, count(*) over () from ops.extract_runs where kind = 'replay'"
    assert connection.execute(kinds).fetchall() == [("replay", "complete", "passed", len(broken))]
    calm = undisturbed(platform, streams=streams)
    landed = last_versions(environment, name)
    assert landed.total() >= sum(each.stored for each in done)
    assert not landed - last_versions(calm, name), "a replayed record is not as it would have been read"
    # The rest of the run is read as ever, and what the replay landed is there already.
    extract(platform, streams=[stream])
    assert_equal_warehouses(environment, calm, [name])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def newer(platform: Platform, stream: str, read: str) -> Platform:
    """The platform as a later version of ours describes it: one list unwraps its answers first."""

    def mended(each: Read) -> Read:
        if each.name != read:
            return each
        return replace(each, records=lambda scope, body: each.records(scope, body["wrapped"]))

    streams = (
        replace(each, reads=tuple(map(mended, each.reads))) if each.name == stream else each
        for each in platform.streams
    )
    return replace(platform, streams=tuple(streams))
