"""The engine against the simulator: everything lands once, changes land again, and no call is wasted."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from extractors.errors import ContractBroken, RetryLater, TokenDead, WarehouseUnavailable
from extractors.registry import streams
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.conftest import ANCHOR, Extract, http_answering

Connection = psycopg.Connection[Any]


def rows(connection: Connection) -> dict[str, int]:
    return {
        stream.full_name: connection.execute(f"select count(*) from raw.{stream.full_name}").fetchone()[0]
        for stream in streams()
    }


def pass_all(connection: Connection) -> None:
    """What the gate does with good runs."""
    connection.execute(
        """
        with passed as (update ops.extract_runs set gate = 'passed' where gate = 'pending' returning *)
        insert into ops.cursors (business_id, platform, account_id, stream, watermark, run_id)
        select business_id, platform, account_id, stream, window_until, run_id from passed where state = 'complete'
        on conflict (business_id, platform, account_id, stream) do update set watermark = excluded.watermark
        """
    )


def test_every_stream_of_every_account_is_read(extract: Extract, connection: Connection, world: World):
    results = extract()
    assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]
    accounts = [account for business in world.businesses for account in business.accounts]
    expected = Counter(stream.full_name for a in accounts for stream in streams() if stream.platform == a.platform)
    assert Counter(result.stream for result in results) == expected
    assert all(count > 0 for count in rows(connection).values()), rows(connection)


def test_the_ledger_adds_up_and_equals_the_tables(extract: Extract, connection: Connection):
    extract()
    for stream, count in rows(connection).items():
        stored = connection.execute("select sum(stored) from ops.extract_runs where stream = %s", (stream,)).fetchone()
        assert stored[0] == count, stream
    wrong = connection.execute("select count(*) from ops.extract_runs where listed <> stored + unchanged + quarantined")
    assert wrong.fetchone()[0] == 0


def test_the_ledger_counts_the_calls_the_platforms_saw(extract: Extract, connection: Connection, simulator: Simulator):
    results = extract()
    assert sum(result.calls for result in results) == len(simulator.calls)
    booked = connection.execute("select sum(calls) from ops.extract_runs").fetchone()
    assert booked[0] == len(simulator.calls)


def test_a_second_look_at_the_same_instant_stores_nothing(extract: Extract, connection: Connection):
    extract()
    pass_all(connection)
    before = rows(connection)
    again = extract()
    assert sum(result.stored for result in again) == 0
    assert sum(result.unchanged for result in again) > 0
    assert rows(connection) == before


def test_after_three_days_only_what_changed_is_stored(extract: Extract, connection: Connection, simulator: Simulator):
    extract("twitter")
    pass_all(connection)
    before = rows(connection)["twitter__posts"]
    simulator.clock.advance(timedelta(days=3))
    extract("twitter", now=ANCHOR + timedelta(days=3))
    changed = rows(connection)["twitter__posts"] - before
    listed = connection.execute(
        "select sum(listed), sum(stored) from ops.extract_runs where stream = 'twitter__posts' and gate = 'pending'"
    ).fetchone()
    assert 0 < changed == listed[1] < listed[0]


def test_calls_are_the_fewest_possible(extract: Extract, connection: Connection, simulator: Simulator, world: World):
    for first_run in (True, False):
        simulator.clear_calls()
        extract()
        made = Counter(call.platform for call in simulator.calls)
        assert dict(made) == world.minimum_calls(ANCHOR, first_run=first_run)
        pass_all(connection)


def test_no_token_reaches_raw_the_ledger_or_an_address(
    extract: Extract, connection: Connection, simulator: Simulator, environment: dict[str, str]
):
    extract()
    tokens = [value for name, value in environment.items() if name.startswith("AIRFLOW_CONN_")]
    assert tokens
    for table in [f"raw.{stream.full_name}" for stream in streams()] + ["ops.extract_runs", "ops.quarantine"]:
        text = connection.execute(f"select coalesce(string_agg(t::text, ' '), '') from {table} as t").fetchone()[0]
        assert "access_token" not in text, table
    assert not [call for call in simulator.calls if "access_token=" in call.query]


def test_a_dead_token_ends_that_account_alone(extract: Extract, simulator: Simulator):
    simulator.faults.add("token_expired", platform="linkedin", times=1)
    results = extract("linkedin")
    failed = [result for result in results if result.error]
    assert len({result.account_id for result in failed}) == 1
    assert all(isinstance(result.error, TokenDead) for result in failed)
    assert "renew the token" in str(failed[0].error)
    assert [result for result in results if result.state == "complete"]
    assert sum(result.calls for result in failed) == 1, "a dead token costs one call, not one per stream"


def test_a_hiccup_is_retried_and_nothing_is_doubled(extract: Extract, connection: Connection, simulator: Simulator):
    simulator.faults.add("http_500", platform="twitter", times=1)
    simulator.faults.add("truncated_json", platform="facebook", path_contains="published_posts", times=1)
    simulator.faults.add("connection_reset", platform="instagram", path_contains="media", times=1)
    results = extract("twitter", "facebook", "instagram")
    assert {result.state for result in results} == {"complete"}
    booked = connection.execute("select sum(retries) from ops.extract_runs").fetchone()
    assert booked[0] == 3
    doubled = connection.execute(
        "select count(*) - count(distinct (account_id, record_key)) from raw.facebook__posts"
    ).fetchone()
    assert doubled[0] == 0


def test_a_day_limit_stops_calls_until_it_ends(extract: Extract, simulator: Simulator):
    simulator.faults.add("rate_limited_day", platform="linkedin", path_contains="/rest/posts", times=1)
    first = extract("linkedin", streams=["posts"])
    blocked = [result for result in first if isinstance(result.error, RetryLater)]
    assert blocked
    assert blocked[0].error.at.astimezone(UTC).strftime("%H:%M") == "00:00"
    simulator.clear_calls()
    again = extract("linkedin", streams=["posts"])
    same = [result for result in again if result.account_id == blocked[0].account_id]
    assert isinstance(same[0].error, RetryLater)
    assert same[0].calls == 0
    forced = extract("linkedin", streams=["posts"], force=True)
    assert all(result.error is None for result in forced)


def test_a_run_that_broke_off_goes_on_at_its_page(extract: Extract, connection: Connection, simulator: Simulator):
    simulator.faults.add("token_revoked", platform="facebook", path_contains="published_posts", times=1, after=1)
    broken = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert len(broken) == 1
    landed = broken[0].stored
    assert landed > 0
    simulator.clear_calls()
    whole = [r for r in extract("facebook", streams=["posts"]) if r.account_id == broken[0].account_id]
    assert whole[0].run_id == broken[0].run_id
    assert whole[0].state == "complete"
    posts = connection.execute(
        "select count(*), count(distinct record_key) from raw.facebook__posts where account_id = %s",
        (broken[0].account_id,),
    ).fetchone()
    assert posts[0] == posts[1] == whole[0].stored > landed


def test_rows_of_a_quarantined_run_are_no_version(extract: Extract, connection: Connection):
    extract("instagram", streams=["profile"])
    connection.execute("update ops.extract_runs set gate = 'quarantined'")
    again = extract("instagram", streams=["profile"])
    assert all(result.stored == 1 for result in again)


def test_a_stream_is_read_by_one_process_at_a_time(extract: Extract, connection: Connection):
    extract("twitter", streams=["profile"])
    connection.execute(
        "update ops.extract_runs set state = 'running', finished_at = null, lease_expires_at = now() + '1 h'"
    )
    again = extract("twitter", streams=["profile"])
    assert all("read by another process" in str(result.error) for result in again)


def test_a_version_that_is_over_says_which_line_to_change(extract: Extract, simulator: Simulator):
    simulator.faults.add("version_sunset", platform="linkedin", times=1)
    failed = [result for result in extract("linkedin", streams=["profile"]) if result.error]
    assert isinstance(failed[0].error, ContractBroken)
    assert "raise VERSION in extractors/platforms/linkedin.py" in str(failed[0].error)


def test_a_range_of_days_reads_those_days_alone(extract: Extract, connection: Connection):
    extract("facebook", streams=["account_daily"], since=date(2026, 10, 1), until=date(2026, 10, 10))
    days = connection.execute(
        "select min(split_part(record_key, ':', 3)), max(split_part(record_key, ':', 3)) "
        "from raw.facebook__account_daily"
    ).fetchone()
    assert days == ("2026-10-01", "2026-10-10")


@pytest.mark.parametrize(
    "moment", [datetime(2026, 11, 21, 7, 30, tzinfo=UTC), datetime(2026, 11, 22, 8, 30, tzinfo=UTC)]
)
def test_windows_hold_around_midnight_in_california(extract: Extract, simulator: Simulator, moment: datetime):
    simulator.clock.set(moment)
    results = extract("instagram", "facebook", now=moment, streams=["account_daily"])
    assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]


def test_a_database_lost_in_the_middle_is_named_and_the_rows_are_exact_afterwards(
    extract: Extract, connection: Connection
):
    lost = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() and query like '%%ops.extract_runs%%'"
    )
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(extract, "facebook")
        while not running.done() and not connection.execute(lost).fetchone()[0]:
            pass
        with pytest.raises(WarehouseUnavailable, match="was lost while facebook account"):
            running.result()
    connection.execute("update ops.extract_runs set lease_expires_at = now() where state = 'running'")
    assert {result.state for result in extract("facebook")} == {"complete"}
    doubled = connection.execute(
        "select count(*) - count(distinct (account_id, record_key)) from raw.facebook__posts"
    ).fetchone()
    assert doubled[0] == 0


def test_an_answer_that_is_no_strict_json_is_kept_with_its_bytes(extract: Extract, connection: Connection):
    with http_answering(b'{"data": [{"id": "1", "public_metrics": {"like_count": NaN}}]}') as url:
        results = extract("twitter", streams=["profile"], base_urls={"twitter": url})
    assert all(isinstance(result.error, ContractBroken) for result in results)
    kept = connection.execute("select reason, body from ops.quarantine").fetchall()
    assert len(kept) == len(results)
    assert {reason for reason, _ in kept} == {"ContractBroken"}
    assert all(b"NaN" in bytes(body) for _, body in kept)
