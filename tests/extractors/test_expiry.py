"""People hear of a token's end in time: 30, 14, 7 and 1 day before, once each, wherever they look."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.__main__ import main
from extractors.expiry import THRESHOLDS, Standing, crossed, new_warnings, standings, warn
from extractors.sealing import new_key
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_ledger_explains, assert_no_exposed_address, assert_no_secret
from tests.extractors.conftest import ANCHOR, Extract

Connection = psycopg.Connection[Any]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world, now=ANCHOR, expiring=True) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    environment |= simulator.environment() | {"CREDENTIALS_KEY": new_key()}
    return environment


@pytest.fixture
def command(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command line in the test's environment; give exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status = main(arguments)
        return status, *capsys.readouterr()

    return run


def ends(environment: dict[str, str], credential: str, **moments: object) -> None:
    """Write into the connection's extra when its tokens end: days from now, or the value as it is."""
    name = f"AIRFLOW_CONN_{credential.upper()}"
    connection = json.loads(environment[name])
    extra = connection.get("extra", {})
    for field, value in moments.items():
        extra[field] = (
            (datetime.now(UTC) + timedelta(days=value, minutes=-5)).isoformat() if isinstance(value, int) else value
        )
    environment[name] = json.dumps({**connection, "extra": extra})


@pytest.mark.fault("B04")
@pytest.mark.parametrize("told_by", ["run", "maintenance"])
def test_each_threshold_before_the_end_of_a_refresh_token_is_told_once(
    told_by: str, environment: dict[str, str], connection: Connection
):
    end = datetime.now(UTC) + timedelta(days=400)
    said = {}
    for days in range(40, -3, -1):
        # The clock is the database's; so the end comes nearer instead, as the days would have it.
        left = timedelta(days=days, minutes=-5)
        standing = Standing(
            platforms=("linkedin",), credential="acme", state="current", what="refresh", ends_at=end, left=left
        )
        said[days] = [*new_warnings(connection, [standing], told_by), *new_warnings(connection, [standing], told_by)]
    assert [days for days, lines in said.items() if lines] == [30, 14, 7, 1, 0]
    assert all(len(lines) <= 1 for lines in said.values())
    assert "refresh token ends" in said[30][0]
    assert "log in again and replace it in the connection" in said[30][0]


@given(st.floats(-400, 400, allow_nan=False), st.sampled_from(["access", "refresh"]))
def test_a_threshold_is_crossed_exactly_from_its_day_on(days: float, what: str):
    standing = Standing(platforms=("twitter",), credential="x", state="current", what=what, left=timedelta(days=days))
    assert crossed(standing) == [each for each in THRESHOLDS[what] if timedelta(days=days) <= timedelta(days=each)]


@pytest.mark.fault("B04")
def test_a_new_token_has_thresholds_of_its_own_and_run_and_maintenance_each_tell(
    environment: dict[str, str], connection: Connection
):
    settings = Settings.from_environment(environment)
    ends(environment, "meta_hudson", expires_at=6)
    (line,) = warn(settings)
    assert line.startswith("facebook and instagram credential meta_hudson: its token ends ")
    assert ", in 5 days; " in line
    assert warn(settings) == []
    assert new_warnings(connection, standings(connection, settings), "run") == [line]
    ends(environment, "meta_hudson", expires_at=13)
    assert ", in 12 days; " in warn(settings)[0]


@pytest.mark.fault("B04")
def test_linkedin_s_refresh_token_is_not_extended_by_use_and_its_end_is_told_from_the_ledger(
    extract: Extract, environment: dict[str, str], simulator: Simulator, connection: Connection
):
    simulator.clock.advance(timedelta(days=345))
    extract("linkedin", streams=["profile"])
    found = {each.credential: each for each in standings(connection, Settings.from_environment(environment))}
    own = found["linkedin_nordlicht"]
    assert (own.source, own.what, own.days_left) == ("refresh", "refresh", 19)
    assert 59 <= (own.expires_at - datetime.now(UTC)) / timedelta(days=1) <= 60
    assert [line for line in warn(Settings.from_environment(environment)) if "linkedin_nordlicht" in line]
    simulator.clock.advance(timedelta(days=21))
    connection.execute("update ops.credentials set refreshed_at = refreshed_at - interval '21 days'")
    simulator.vault.set_state("linkedin_nordlicht", "expired")
    results = extract("linkedin", streams=["profile"])
    dead = {result.account_id for result in results if result.error}
    assert len(dead) == 2
    assert len({result.account_id for result in results} - dead) == 2
    assert_ledger_explains(environment, failed={"linkedin__profile": "TokenDead"})
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, simulator.vault.secrets())


@pytest.mark.fault("B04")
def test_run_status_and_the_list_say_what_ends_and_never_a_secret(
    command: Command, environment: dict[str, str], simulator: Simulator
):
    ends(environment, "meta_himal", expires_at=1)
    ends(environment, "meta_hudson", expires_at=str(int(time.time()) - 3600))
    environment["AIRFLOW_CONN_TWITTER_HIMAL"] = ""
    status, output, _ = command("credentials", "list")
    assert status == 1
    assert "twitter_himal: there is no credential 'twitter_himal'; set AIRFLOW_CONN_TWITTER_HIMAL" in output
    _, listed, _ = command("credentials", "list", "--json")
    states = {each["credential"]: (each["state"], each["days_left"]) for each in json.loads(listed)}
    assert states["meta_himal"] == ("current", 0)
    assert states["meta_hudson"] == ("ended", -1)
    assert states["twitter_himal"] == ("missing", None)
    assert states["twitter_nordlicht"] == ("current", None)
    assert "credential meta_hudson: its token ended" in command("status")[1]
    ran = ("run", "--platform", "instagram", "--stream", "profile")
    first, second = command(*ran)[2], command(*ran)[2]
    told = "warning: facebook and instagram credential meta_himal: its token ends"
    assert told in first
    assert told not in second
    assert told not in command("run", "--platform", "facebook", "--stream", "profile")[2]
    assert_no_secret(environment, simulator.vault.secrets(), output, listed, first, second)


@pytest.mark.parametrize("value", ["soon", "2026-13-01", [1], 1e30])
def test_an_end_that_is_no_instant_is_named(value: object, command: Command, environment: dict[str, str]):
    ends(environment, "meta_himal", expires_at=value)
    status, output, _ = command("credentials", "list")
    assert status == 1
    assert "expires_at in the extra of the connection meta_himal is no instant" in output
