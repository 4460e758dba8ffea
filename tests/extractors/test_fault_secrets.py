"""Faults of group G around extractions: quoted tokens, hostile names, addresses inside, keys lost and pairs moved."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from extractors.sealing import new_key
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_ledger_explains, assert_survived
from tests.extractors.conftest import ANCHOR, Survival

MOVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PLATFORMS = ("linkedin", "twitter", "facebook", "instagram")


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world, now=ANCHOR, expiring=True) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    environment |= simulator.environment() | {"CREDENTIALS_KEY": new_key()}
    return environment


@pytest.mark.fault("G01", "G15")
@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook"])
def test_a_token_and_control_characters_that_a_platform_quotes_are_nowhere(
    survival: Survival,
    platform: str,
):
    survival.simulator.faults.add("token_quoted", platform=platform, times=99)
    results = survival.extract(platform, streams=["profile"])
    assert all(each.error for each in results)
    kept = survival.connection.execute("select error_message from ops.extract_runs").fetchall()
    assert not [text for (text,) in kept if MOVES.search(text) or "\n" in text]
    survival.simulator.faults.clear()
    survival.connection.execute("update ops.rate_budgets set blocked_until = null, failures = 0")
    survival.heals(platform, "profile")


@pytest.mark.fault("G02")
def test_a_tenant_with_names_that_want_to_be_sql_fails_alone(survival: Survival):
    evil = "x'); drop table ops.accounts; --%s{}"
    survival.connection.execute(
        "insert into ops.businesses (business_id, name, timezone) values (99, %s, 'UTC')", [evil]
    )
    survival.connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (99, 'twitter', %s, %s)",
        (evil, evil),
    )
    assert survival.read("twitter", streams=["posts"]) == ["ConfigurationError"]
    calm = survival.undisturbed("twitter", streams=["posts"])
    failed = {"twitter__posts": "ConfigurationError"}
    assert_survived(survival.environment, calm, survival.simulator, names=["twitter__posts"], failed=failed)


@pytest.mark.fault("G10")
@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:{port}/"])
def test_an_address_inside_that_an_answer_names_is_never_called(survival: Survival, location: str):
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        survival.simulator.faults.add(
            "redirect", platform="facebook", location=location.format(port=inside.getsockname()[1]), times=99
        )
        assert set(survival.read("facebook", streams=["posts"])) == {"Refused"}
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert_ledger_explains(survival.environment, failed={"facebook__posts": "Refused"})
    survival.simulator.faults.clear()
    survival.heals("facebook", "posts")


@pytest.fixture
def renewed(survival: Survival) -> Survival:
    """Two X tokens were renewed, so their pairs lie sealed in the warehouse."""
    for credential in ("twitter_nordlicht", "twitter_himal"):
        survival.simulator.vault.set_state(credential, "expired")
    assert survival.read("twitter", streams=["profile"]) == []
    return survival


@pytest.mark.fault("G11")
def test_with_another_key_the_accounts_of_sealed_pairs_stop_and_go_on_with_the_right_one(renewed: Survival):
    right = renewed.environment["CREDENTIALS_KEY"]
    renewed.environment["CREDENTIALS_KEY"] = new_key()
    broken = renewed.read("twitter", streams=["posts"])
    assert len(broken) == 2
    told = renewed.connection.execute("select error_message from ops.extract_runs where state = 'failed'").fetchall()
    assert all("CREDENTIALS_KEY" in text for (text,) in told)
    renewed.environment["CREDENTIALS_KEY"] = f"{new_key()},{right}"
    renewed.heals("twitter", "posts")


@pytest.mark.fault("G12")
def test_pairs_swapped_between_two_tenants_open_for_neither_and_nobody_reads_with_them(renewed: Survival):
    swap = """
        update ops.credentials as mine set sealed = theirs.sealed
        from ops.credentials as theirs where mine.credential <> theirs.credential
    """
    renewed.connection.execute(swap)
    assert len(renewed.read("twitter", streams=["posts"])) == 2
    told = renewed.connection.execute("select error_message from ops.extract_runs where state = 'failed'").fetchall()
    assert all("sealed for another credential" in text for (text,) in told)
    renewed.connection.execute(swap)
    renewed.heals("twitter", "posts")
