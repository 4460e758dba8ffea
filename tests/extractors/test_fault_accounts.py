"""Faults of group B around accounts, lists and posts over several runs: tokens, permissions, deletions, clocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from extractors import expiry
from extractors.errors import RetryLater
from extractors.sealing import new_key
from extractors.settings import Settings
from simulator.days import x_time
from simulator.model import Post
from simulator.server import Simulator
from simulator.wire.twitter import snowflake
from simulator.world import World, build_world
from tests.aftermath import assert_ledger_explains
from tests.extractors.conftest import ANCHOR, Survival

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    """Four platforms whose tokens end, and can be renewed."""
    with Simulator(world, now=ANCHOR, expiring=True) as running:
        yield running


@pytest.fixture
def environment(environment: dict[str, str], simulator: Simulator) -> dict[str, str]:
    environment |= simulator.environment() | {"CREDENTIALS_KEY": new_key()}
    return environment


def log_in_again(environment: dict[str, str], simulator: Simulator, credential: str) -> None:
    """What a person does: a new pair, put into the connection."""
    simulator.vault.set_state(credential, "valid")
    one, spent = simulator.world.credentials[credential], simulator.vault.refreshes(credential)
    issued = simulator.vault.refresh(one.client_id, one.client_secret, simulator.vault.refresh_token(credential, spent))
    assert not isinstance(issued, str)
    name = f"AIRFLOW_CONN_{credential.upper()}"
    kept = json.loads(environment[name])
    kept["password"], kept["extra"]["refresh_token"] = issued.access_token, issued.refresh_token
    environment[name] = json.dumps(kept)


@pytest.mark.fault("B02")
def test_accounts_of_one_dead_token_renew_it_once_and_all_land(survival: Survival):
    from extractors.crew import Crew
    from extractors.extract import Asked, due_accounts

    survival.simulator.vault.set_state("linkedin_nordlicht", "expired")
    settings = Settings.from_environment(survival.environment)
    crew = Crew(settings=settings, asked=Asked(streams=["profile", "posts"]))
    done = list(crew.read(due_accounts(settings, "linkedin")))
    assert not [error for each in done for error in each.errors]
    refreshed = [call.status for call in survival.simulator.calls if call.path == "/oauth/v2/accessToken"]
    assert refreshed == [200], "two accounts share the token, and one of them renewed it"
    survival.equals("linkedin", "profile", "posts")


@pytest.mark.fault("B03")
def test_a_pair_lost_on_its_way_asks_a_person_and_after_the_login_everything_lands(survival: Survival):
    survival.simulator.vault.set_state("twitter_nordlicht", "expired")
    survival.simulator.faults.add("connection_reset", platform="twitter", path_contains="/2/oauth2/token")
    for _ in range(2):
        assert survival.read("twitter", streams=["posts"]) == ["TokenDead"]
    assert_ledger_explains(survival.environment, failed={"twitter__posts": "TokenDead"})
    log_in_again(survival.environment, survival.simulator, "twitter_nordlicht")
    survival.heals("twitter", "posts")


@pytest.mark.fault("B04")
def test_the_end_of_a_token_is_told_while_everything_still_lands(survival: Survival):
    name = "AIRFLOW_CONN_META_HUDSON"
    kept = json.loads(survival.environment[name])
    kept["extra"] = {**kept.get("extra", {}), "expires_at": (datetime.now(UTC) + 6 * DAY).isoformat()}
    survival.environment[name] = json.dumps(kept)
    assert survival.read("facebook", streams=["posts"]) == []
    (line,) = expiry.warn(Settings.from_environment(survival.environment))
    assert "meta_hudson: its token ends" in line
    survival.equals("facebook", "posts")


@pytest.mark.fault("B05")
@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook", "instagram"])
def test_a_permission_that_comes_back_brings_all_that_was_missed(survival: Survival, platform: str):
    lost = next(one.account_id for one in survival.simulator.world.accounts if one.platform == platform)
    survival.simulator.faults.add("permission_lost", platform=platform, path_contains=lost, times=99)
    assert set(survival.read(platform, streams=["posts"])) == {"PermissionLost"}
    assert_ledger_explains(survival.environment, failed={f"{platform}__posts": "PermissionLost"})
    survival.simulator.faults.clear()
    survival.heals(platform, "posts")


@pytest.mark.fault("B08")
def test_a_deleted_post_keeps_its_last_version_and_no_other_post_is_touched(survival: Survival):
    world = survival.simulator.world
    account = next(one for one in world.accounts if one.platform == "facebook")
    gone = next(post.post_id for post in world.listed(account, ANCHOR) if post.created_at > ANCHOR - 27 * DAY)
    assert survival.read("facebook", streams=["posts"]) == []
    survival.simulator.delete("facebook", gone)
    for _ in range(2):
        assert survival.read("facebook", streams=["posts"]) == []
    marked = "select record_key from ops.known_posts where cardinality(missed_runs) = 2"
    assert survival.connection.execute(marked).fetchall() == [(gone,)]
    survival.equals("facebook", "posts")


@pytest.mark.fault("B14")
def test_a_list_that_moves_while_it_is_paged_is_read_whole(survival: Survival):
    world = survival.simulator.world
    account = next(one for one in world.accounts if one.platform == "facebook")
    later, listed = ANCHOR + timedelta(seconds=60), [post.post_id for post in world.listed(account, ANCHOR)]
    survival.simulator.delete("facebook", *listed[3:6], at=ANCHOR + timedelta(seconds=30))
    survival.simulator.faults.add("time_passes", platform="facebook", path_contains="after=", seconds=60)
    assert survival.read("facebook", streams=["posts"]) == []
    kept = "select record_key from raw.facebook__posts where account_id = %s"
    found = {key for (key,) in survival.connection.execute(kept, (account.account_id,)).fetchall()}
    assert set(listed[:3] + listed[6:]) <= found, "what stays is passed over by nobody"
    survival.simulator.world = world
    survival.heals("facebook", "posts", now=later)


class TestEqualInstants:
    """A world in which two pages of X's list meet in posts of one instant."""

    @pytest.fixture
    def world(self) -> World:
        small = build_world(seed=7, anchor=ANCHOR, scale=0.08)
        account = next(one for one in small.accounts if one.platform == "twitter")
        model, at = next(post for post in small.listed(account, ANCHOR) if post.kind == "own"), ANCHOR - 40 * DAY
        chance = Random(7)
        return small.after(*(self.twin(model, str(snowflake(at, chance)), at) for _ in range(120)))

    def twin(self, model: Post, post_id: str, at: datetime) -> Post:
        payload = {**model.payload, "id": post_id, "created_at": x_time(at), "edit_history_tweet_ids": [post_id]}
        return replace(model, post_id=post_id, created_at=at, published_at=at, payload=payload)

    @pytest.mark.fault("B15")
    def test_posts_of_one_instant_across_the_edge_of_a_page_all_land_once(self, survival: Survival):
        survival.simulator.faults.add("connection_reset", platform="twitter", path_contains="pagination_token", times=9)
        assert set(survival.read("twitter", streams=["posts"])) == {"Transient"}
        survival.simulator.faults.clear()
        assert survival.read("twitter", streams=["posts"]) == []
        survival.equals("twitter", "posts")


@pytest.mark.fault("B16")
def test_a_post_made_during_the_run_is_there_with_the_next_at_the_latest(survival: Survival):
    later = ANCHOR + 2 * DAY
    survival.simulator.faults.add(
        "time_passes", platform="facebook", path_contains="after=", seconds=(later - ANCHOR).total_seconds()
    )
    assert survival.read("facebook", streams=["posts"]) == []
    assert survival.simulator.clock.now() == later
    survival.heals("facebook", "posts", now=later)


@pytest.mark.fault("B17")
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_platform_whose_clock_is_ten_minutes_off_loses_nothing(survival: Survival, minutes: int):
    survival.simulator.clock.set(ANCHOR + timedelta(minutes=minutes))
    results = survival.extract("facebook", streams=["posts"], now=ANCHOR)
    assert not [each.error for each in results if each.error]
    survival.heals("facebook", "posts", now=ANCHOR + HOUR)


@pytest.mark.fault("B19")
def test_what_x_tells_for_thirty_days_alone_is_kept_when_it_stops(survival: Survival):
    assert survival.read("twitter", streams=["posts", "post_metrics"]) == []
    late = ANCHOR + 31 * DAY
    assert survival.read("twitter", late, streams=["posts", "post_metrics"]) == []
    survival.equals("twitter", "post_metrics", at=(ANCHOR, late))


@pytest.mark.fault("A06")
def test_a_page_that_is_nearly_used_up_waits_and_has_all(
    survival: Survival,
    undisturbed: Callable[..., dict[str, str]],
):
    survival.simulator.faults.add("rate_limited", platform="facebook", path_contains="published_posts", minutes=9)
    results = survival.extract("facebook", streams=["posts"])
    assert [type(each.error) for each in results if each.error] == [RetryLater]
    survival.connection.execute("update ops.rate_budgets set blocked_until = null")
    survival.heals("facebook", "posts")
