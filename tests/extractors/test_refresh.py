"""Tokens that end: one refresh for all who need it, stored before it is used, and a person asked when it is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from extractors.credentials import Grant
from extractors.errors import TokenDead
from extractors.sealing import new_key
from extractors.settings import Settings
from extractors.spec import Account
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
)
from tests.conftest import ROOT
from tests.extractors.conftest import ANCHOR, Extract

Connection = psycopg.Connection[Any]
Undisturbed = Callable[..., dict[str, str]]

ENDPOINTS = {"twitter": "/2/oauth2/token", "linkedin": "/oauth/v2/accessToken"}
TWITTER = dict.fromkeys(
    ("twitter__profile", "twitter__posts", "twitter__post_metrics", "twitter__comments"), "TokenDead"
)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    """Four platforms whose tokens end, and can be renewed."""
    with Simulator(world, now=ANCHOR, expiring=True) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    environment |= simulator.environment() | {"CREDENTIALS_KEY": new_key()}
    return environment


@pytest.fixture
def account(environment: dict[str, str], connection: Connection) -> Callable[..., Account]:
    """The first account of a platform; all others of the platform are disabled."""

    def choose(platform: str) -> Account:
        row = connection.execute(
            "select account.business_id, account.account_id, credential, timezone from ops.accounts as account "
            "inner join ops.businesses using (business_id) where platform = %s order by 1, 2 limit 1",
            (platform,),
        ).fetchone()
        assert row is not None
        connection.execute("update ops.accounts set is_enabled = (business_id, account_id) = (%s, %s)", row[:2])
        return Account(business_id=row[0], platform=platform, account_id=row[1], credential=row[2], timezone=row[3])

    return choose


def refresh_calls(simulator: Simulator) -> list[int]:
    """The answers of the token endpoints, in order."""
    return [call.status for call in simulator.calls if call.path in ENDPOINTS.values()]


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select credential, state, refreshes from ops.credentials order by 1").fetchall()


def streams_of(connection: Connection, platform: str) -> dict[str, str]:
    """Every stream of a platform that ran, as failed for a dead token."""
    rows = connection.execute("select distinct stream from ops.extract_runs where platform = %s", (platform,))
    return {row[0]: "TokenDead" for row in rows}


@pytest.mark.fault("B01")
@pytest.mark.parametrize("platform", ["twitter", "linkedin"])
def test_a_token_that_ends_in_mid_run_is_renewed_once_and_nothing_is_lost(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    undisturbed: Undisturbed, capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    simulator.faults.add(
        "token_expired", platform=platform, path_contains="posts" if platform == "linkedin" else "tweets"
    )
    results = extract(platform)
    assert not [result.error for result in results if result.error]
    assert refresh_calls(simulator) == [200]
    assert [row[1:] for row in stored(connection)] == [("current", 1)]
    assert_equal_warehouses(environment, undisturbed(platform))
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets(), *capfd.readouterr())


@pytest.mark.fault("B01")
def test_two_hours_later_the_stored_pair_is_renewed_and_so_on(
    extract: Extract, simulator: Simulator, connection: Connection, account: Callable[..., Account]
):
    account("twitter")
    for run in range(1, 4):
        simulator.clock.advance(timedelta(hours=2))
        connection.execute("update ops.credentials set refreshed_at = refreshed_at - interval '2 hours'")
        assert not [result.error for result in extract("twitter", streams=["profile"]) if result.error]
        assert [row[1:] for row in stored(connection)] == [("current", run)]
    assert refresh_calls(simulator) == [200, 200, 200]


@pytest.mark.fault("B01")
def test_a_token_refused_right_after_its_refresh_stops_the_account_without_another(
    extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account("twitter")
    simulator.faults.add("token_expired", platform="twitter", path_contains="/2/users", times=99)
    extract("twitter")
    extract("twitter")
    assert refresh_calls(simulator) == [200]
    assert_ledger_explains(environment, failed=streams_of(connection, "twitter"))
    line = connection.execute("select error_message from ops.extract_runs order by started_at desc limit 1").fetchone()
    assert f"renew the user token of {chosen.credential}" in line[0]
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


@pytest.mark.fault("B01")
@pytest.mark.parametrize("platform", ["facebook", "instagram"])
def test_meta_says_190_over_http_400_and_that_account_alone_stops(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection
):
    simulator.vault.set_state("meta_hudson", "expired")
    results = extract(platform)
    broken = {result.account_id for result in results if isinstance(result.error, TokenDead)}
    whole = {result.account_id for result in results if result.error is None}
    assert len(broken) == 1
    assert len(whole) == 2
    assert not broken & whole
    assert 400 in {call.status for call in simulator.calls}
    assert refresh_calls(simulator) == []
    assert_ledger_explains(environment, failed=streams_of(connection, platform))
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


@pytest.mark.fault("B02")
def test_eight_processes_with_one_dead_token_make_one_refresh_and_all_go_on(
    environment: dict[str, str], simulator: Simulator, connection: Connection, account: Callable[..., Account]
):
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    dead = simulator.world.credentials[chosen.credential].token
    asked = json.dumps({**chosen.identity(), "credential": chosen.credential, "timezone": "UTC", "dead": dead})
    crowd = [started(environment, "renew", asked) for _ in range(8)]
    for each in crowd:
        each.stdin.write("go\n")
        each.stdin.flush()
    assert [each.communicate(timeout=120)[0].strip() for each in crowd] == ["200"] * 8
    assert refresh_calls(simulator) == [200]
    assert [row[1:] for row in stored(connection)] == [("current", 1)]
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


def started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """A process that has imported everything and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.extractors.refreshing", *arguments],
        cwd=ROOT, env={**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


@pytest.mark.fault("B03")
def test_a_process_killed_between_rotation_and_storing_leaves_a_person_to_ask_and_no_loop(
    extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    simulator.faults.add("slow_10s", platform="twitter", path_contains=ENDPOINTS["twitter"], seconds=5)
    victim = started(environment, "extract", json.dumps(chosen.identity()))
    victim.stdin.write("go\n")
    victim.stdin.flush()
    until(lambda: refresh_calls(simulator) != [])
    assert [row[1:] for row in stored(connection)] == [("refreshing", 0)], "the intent comes before the call"
    victim.kill()
    victim.wait()
    assert simulator.vault.refreshes(chosen.credential) == 1, "the platform has rotated"
    connection.execute("update ops.extract_runs set lease_expires_at = now() - interval '1 second'")
    for _ in range(3):
        results = extract("twitter")
        assert {type(result.error) for result in results} == {TokenDead}
    assert refresh_calls(simulator) == [200], "nobody asks again with a spent token"
    assert [row[1:] for row in stored(connection)] == [("needs_reauth", 0)]
    assert f"put the new token and refresh token of {chosen.credential}" in str(results[0].error)
    assert_ledger_explains(environment, failed=streams_of(connection, "twitter"))
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


@pytest.mark.fault("B03")
@pytest.mark.parametrize("fault", ["connection_reset", "truncated_json"])
def test_an_answer_lost_after_the_rotation_asks_a_person_whose_new_login_counts_at_once(
    fault: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account], undisturbed: Undisturbed,
):  # fmt: skip
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    simulator.faults.add(fault, platform="twitter", path_contains=ENDPOINTS["twitter"])
    for _ in range(2):
        assert {type(result.error) for result in extract("twitter")} == {TokenDead}
    assert len(refresh_calls(simulator)) == 1
    assert [row[1:] for row in stored(connection)] == [("needs_reauth", 0)]
    assert_ledger_explains(environment, failed=streams_of(connection, "twitter"))
    log_in_again(environment, simulator, chosen.credential)
    assert not [result.error for result in extract("twitter") if result.error]
    assert len(refresh_calls(simulator)) == 1
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


def log_in_again(environment: dict[str, str], simulator: Simulator, credential: str) -> None:
    """What a person does: a new pair, put into the connection."""
    simulator.vault.set_state(credential, "valid")
    one = simulator.world.credentials[credential]
    spent = simulator.vault.refreshes(credential)
    issued = simulator.vault.refresh(one.client_id, one.client_secret, simulator.vault.refresh_token(credential, spent))
    assert not isinstance(issued, str)
    name = f"AIRFLOW_CONN_{credential.upper()}"
    connection = json.loads(environment[name])
    connection["password"], connection["extra"]["refresh_token"] = issued.access_token, issued.refresh_token
    environment[name] = json.dumps(connection)


def test_a_new_login_outranks_the_stored_pair_and_an_old_connection_does_not(
    extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    extract("twitter", streams=["profile"])
    simulator.clear_calls()
    extract("twitter", streams=["profile"])
    assert {call.status for call in simulator.calls} == {200}, "the stored pair is newer than the connection's"
    log_in_again(environment, simulator, chosen.credential)
    simulator.clear_calls()
    extract("twitter", streams=["profile"])
    assert {call.status for call in simulator.calls} == {200}, "the connection's login is newer than the stored pair"


@pytest.mark.parametrize(
    ("platform", "fault", "kind"),
    [("linkedin", "connection_reset", "Transient"), ("twitter", "http_503", "Transient")],
)
def test_a_hiccup_that_cannot_have_spent_the_refresh_token_is_tried_again_by_the_next_run(
    platform: str, fault: str, kind: str, extract: Extract, simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account(platform)
    simulator.vault.set_state(chosen.credential, "expired")
    simulator.faults.add(fault, platform=platform, path_contains=ENDPOINTS[platform])
    (failed,) = extract(platform, streams=["profile"])
    assert type(failed.error).__name__ == kind
    assert chosen.account_id in str(failed.error)
    assert [row[1:] for row in stored(connection)] == [("current", 0)]
    (result,) = extract(platform, streams=["profile"])
    assert result.error is None
    assert [row[1:] for row in stored(connection)] == [("current", 1)]


def test_a_platform_that_cannot_be_reached_spends_nothing(
    environment: dict[str, str], simulator: Simulator, connection: Connection, account: Callable[..., Account]
):
    chosen = account("twitter")
    settings = Settings.from_environment({**environment, "TWITTER_BASE_URL": "http://127.0.0.1:1"})
    grant = Grant(settings, chosen, connection)
    with pytest.raises(Exception, match="no whole answer came"):
        grant.renewed(simulator.world.credentials[chosen.credential].token)
    assert [row[1:] for row in stored(connection)] == [("current", 0)]


@pytest.mark.parametrize("platform", ["twitter", "linkedin"])
def test_a_refused_refresh_token_needs_a_person_and_is_not_asked_with_again(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account(platform)
    simulator.vault.set_state(chosen.credential, "revoked")
    for _ in range(2):
        assert {type(result.error) for result in extract(platform)} == {TokenDead}
    assert refresh_calls(simulator) == [400]
    assert [row[1:] for row in stored(connection)] == [("needs_reauth", 0)]
    assert_ledger_explains(environment, failed=streams_of(connection, platform))


def test_a_wrong_app_secret_is_the_configuration_s_fault_and_spends_nothing(
    extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    name = f"AIRFLOW_CONN_{chosen.credential.upper()}"
    right = environment[name]
    environment[name] = right.replace(simulator.world.credentials[chosen.credential].client_secret, "another-secret")
    (failed, *_) = extract("twitter")
    assert "correct client_id and client_secret" in str(failed.error)
    environment[name] = right
    assert not [result.error for result in extract("twitter") if result.error]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "make one with `python -m extractors credentials new-key`"),
        ("c2hvcnQ=", "key 1 of CREDENTIALS_KEY is not 32 bytes in base64"),
    ],
)
def test_without_a_key_nothing_is_refreshed_and_the_line_says_how_to_make_one(
    key: str, said: str, extract: Extract, environment: dict[str, str], simulator: Simulator,
    account: Callable[..., Account],
):  # fmt: skip
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    environment["CREDENTIALS_KEY"] = key
    (failed, *_) = extract("twitter")
    assert said in str(failed.error)
    assert refresh_calls(simulator) == []


def test_a_token_near_its_end_is_renewed_before_the_first_call(
    extract: Extract, environment: dict[str, str], simulator: Simulator, account: Callable[..., Account]
):
    chosen = account("twitter")
    name = f"AIRFLOW_CONN_{chosen.credential.upper()}"
    connection = json.loads(environment[name])
    connection["extra"]["expires_at"] = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    environment[name] = json.dumps(connection)
    extract("twitter", streams=["profile"])
    extract("twitter", streams=["profile"])
    assert refresh_calls(simulator) == [200]
    assert {call.status for call in simulator.calls} == {200}


def test_a_pair_that_could_not_be_stored_is_never_used(
    extract: Extract, simulator: Simulator, connection: Connection, account: Callable[..., Account]
):
    chosen = account("twitter")
    simulator.vault.set_state(chosen.credential, "expired")
    connection.execute(
        "create function ops.refuse() returns trigger language plpgsql as "
        "'begin if new.refreshes > 0 then raise exception ''no''; end if; return new; end'"
    )
    connection.execute(
        "create trigger refuse before update on ops.credentials for each row execute function ops.refuse()"
    )
    with pytest.raises(psycopg.errors.RaiseException):
        extract("twitter")
    assert [call.path for call in simulator.calls][-1] == ENDPOINTS["twitter"]
    connection.execute("drop trigger refuse on ops.credentials")
    connection.execute("update ops.extract_runs set lease_expires_at = now() - interval '1 second'")
    assert {type(result.error) for result in extract("twitter")} == {TokenDead}


def test_a_pair_survives_a_warehouse_that_was_lost_during_the_call(
    environment: dict[str, str], simulator: Simulator, connection: Connection, account: Callable[..., Account]
):
    chosen = account("twitter")
    settings = Settings.from_environment(environment)
    simulator.faults.add("slow_10s", platform="twitter", path_contains=ENDPOINTS["twitter"], seconds=1)
    dead = simulator.world.credentials[chosen.credential].token
    with closing(settings.warehouse.connect()) as own:
        own.autocommit = True
        own.execute("set idle_session_timeout = '300ms'")
        token = Grant(settings, chosen, own).renewed(dead)
    assert token not in (None, dead)
    assert [row[1:] for row in stored(connection)] == [("current", 1)]


@pytest.mark.fault("B05")
@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook", "instagram"])
def test_a_lost_permission_stops_its_account_alone_and_refreshes_nothing(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection
):
    lost = connection.execute(
        "select account_id, business_id from ops.accounts where platform = %s order by account_id limit 1", (platform,)
    ).fetchone()
    extract(platform, streams=["profile"])
    kept = connection.execute(f"select count(*) from raw.{platform}__profile").fetchone()
    simulator.faults.add("permission_lost", platform=platform, path_contains=lost[0], times=99)
    results = extract(platform, streams=["profile"])
    assert {(each.account_id, type(each.error).__name__) for each in results if each.error} == {
        (lost[0], "PermissionLost")
    }
    assert len(results) > 1
    assert connection.execute(f"select count(*) from raw.{platform}__profile").fetchone() == kept
    assert refresh_calls(simulator) == []
    assert_ledger_explains(environment, failed={f"{platform}__profile": "PermissionLost"})
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())
