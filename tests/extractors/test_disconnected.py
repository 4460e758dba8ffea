"""B07: a tenant disconnects an account while it is read: nothing comes after, and an erasure leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from extractors.__main__ import main
from extractors.accounts import load
from extractors.erase import KEPT, PARENT, Erased, erase
from extractors.extract import RunResult
from extractors.sealing import new_key
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_ledger_explains
from tests.extractors.conftest import ALWAYS, ANCHOR, Survival
from tests.extractors.tampering import tampered

Connection = psycopg.Connection[Any]
DISABLE = "update ops.accounts set is_enabled = false where platform = 'facebook'"
COUNT = "select count(*) from raw.facebook__posts"


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return Settings.from_environment(environment)


def enable(case: Survival, settings: Settings, folder: Path) -> None:
    """The tenant comes back."""
    path = folder / "again.yml"
    path.write_text(case.simulator.world.accounts_yaml())
    load(settings, path)


def one_account(case: Survival) -> None:
    """Leave the first account of Facebook enabled alone."""
    account = next(each for each in case.simulator.world.accounts if each.platform == "facebook")
    case.connection.execute("update ops.accounts set is_enabled = account_id = %s", (account.account_id,))


def before_second_page(case: Survival, act: Callable[[Connection], None]) -> list[RunResult]:
    """Read an account's posts; before the second page is answered, another session does something."""
    acted: list[bool] = []

    def interrupt(path: str, body: Any) -> Any:
        if "after=" in path and not acted:
            acted.append(True)
            with closing(Settings.from_environment(case.environment).warehouse.connect()) as other:
                other.autocommit = True
                act(other)
        return body

    one_account(case)
    with tampered(case.simulator.base_urls["facebook"], interrupt) as url:
        results = case.extract("facebook", base_urls={"facebook": url})
    assert acted
    return results


@pytest.mark.fault("B07")
def test_a_run_stops_at_the_page_that_follows_the_disconnection(survival: Survival, settings: Settings, tmp_path: Path):
    counted: list[Any] = []

    def disable(other: Connection) -> None:
        other.execute(DISABLE)
        counted.append(other.execute(COUNT).fetchone())

    results = before_second_page(survival, disable)
    assert survival.connection.execute(COUNT).fetchall() == counted, "a row came after"
    assert counted[0] > (0,), "the first page stays"
    ended = [each for each in results if each.error]
    assert {type(each.error).__name__ for each in ended} == {"Disconnected"}
    assert "was disabled while it was read" in str(ended[0].error)
    assert_ledger_explains(survival.environment, failed={"facebook__posts": "Disconnected"})
    calls = len(survival.simulator.calls)
    assert survival.extract("facebook") == []
    assert len(survival.simulator.calls) == calls, "nobody asks for it any more"
    enable(survival, settings, tmp_path)
    survival.heals("facebook", "posts")


@pytest.mark.fault("B07")
@pytest.mark.parametrize(
    "late",
    ["insert on raw.facebook__posts", "update of pages on ops.extract_runs"],
    ids=["rows go in", "the page is booked"],
)
def test_a_page_that_is_being_written_comes_before_the_disconnection_or_not_at_all(
    survival: Survival, settings: Settings, tmp_path: Path, late: str
):
    survival.connection.execute(
        f"""
        create function ops.linger() returns trigger language plpgsql as
        $$ begin perform pg_sleep(1.0); return null; end $$;
        create trigger linger after {late} for each statement execute function ops.linger();
        """
    )
    one_account(survival)
    writing = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and query ~* 'facebook__posts|page_cursor'"
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(survival.extract, "facebook", streams=["posts"])
        while not survival.connection.execute(writing).fetchone():
            survival.connection.execute("select pg_sleep(0.02)")
        survival.connection.execute(DISABLE)
        counted = survival.connection.execute(COUNT).fetchone()
        results = run.result()
    assert {type(each.error).__name__ for each in results if each.error} == {"Disconnected"}
    assert survival.connection.execute(COUNT).fetchone() == counted, "a row came after"
    survival.connection.execute("drop function ops.linger cascade")
    enable(survival, settings, tmp_path)
    survival.heals("facebook", "posts")


def left(connection: Connection, business_id: int) -> dict[str, int]:
    """Rows of a business in every table of ours that has such rows, but for those that stay."""
    tables = connection.execute(
        "select table_schema, table_name from information_schema.columns "
        "where column_name = 'business_id' and table_schema in ('raw', 'ops') order by 1, 2"
    ).fetchall()
    found = {}
    for schema, name in tables:
        query = sql.SQL("select count(*) from {} where business_id = %s").format(sql.Identifier(schema, name))
        row = connection.execute(query, (business_id,)).fetchone()
        if f"{schema}.{name}" not in KEPT and row and row[0]:
            found[f"{schema}.{name}"] = row[0]
    return found


@pytest.mark.fault("B07")
def test_an_erasure_in_the_middle_of_a_run_leaves_nothing_and_nothing_comes_after(
    survival: Survival, settings: Settings, tmp_path: Path
):
    erased: list[Erased] = []
    results = before_second_page(survival, lambda _: erased.append(erase(settings, 1)))
    assert {type(each.error).__name__ for each in results if each.error} == {"Disconnected"}
    assert erased[0].rows["raw.facebook__posts"] > 0
    assert left(survival.connection, 1) == {}
    enable(survival, settings, tmp_path)
    survival.heals("facebook", "posts")


class TestErasing:
    """What the command leaves: of others everything, of the erased nothing but that it happened."""

    @pytest.fixture
    def simulator(self, world: World) -> Iterator[Simulator]:
        with Simulator(world, now=ANCHOR, expiring=True) as running:
            yield running

    @pytest.fixture
    def full(self, survival: Survival) -> Survival:
        """A warehouse with something in every table that a run writes."""
        survival.environment.update(survival.simulator.environment(), CREDENTIALS_KEY=new_key())
        survival.simulator.vault.set_state("twitter_nordlicht", "expired")
        survival.simulator.faults.add("empty_body", platform="linkedin", path_contains="/rest/posts", body="null")
        survival.extract()
        survival.read("twitter", streams=["posts"])
        for sentence in (
            "insert into ops.account_aliases values (1, 'facebook', '7', '8', 'platform')",
            "insert into ops.credential_warnings values ('twitter', 'twitter_nordlicht', 'access', now(), 1, 'run')",
            "insert into ops.metric_capabilities select 'facebook', account_id, 's', 'r', 'm', 'v', 'rejected', 'e', "
            "now(), now(), now() + interval '1 day' from ops.accounts where platform = 'facebook'",
        ):
            survival.connection.execute(sentence)
        return survival

    def test_a_business_leaves_nothing_and_the_others_lose_nothing(self, full: Survival, settings: Settings):
        before, others = left(full.connection, 1), left(full.connection, 2)
        for table in ("extract_runs", "cursors", "known_posts", "quarantine", "account_aliases", "competitors"):
            assert before[f"ops.{table}"] > 0, "nothing would be proven"
        pairs = full.connection.execute("select count(*) from ops.credentials").fetchone()
        assert pairs == (1,)
        erased = erase(settings, 1)
        assert left(full.connection, 1) == {}
        assert left(full.connection, 2) == others
        for table in ("credentials", "credential_warnings"):
            assert full.connection.execute(f"select count(*) from ops.{table}").fetchone() == (0,)
        learned = "select count(*) from ops.metric_capabilities where stream = 's'"
        assert full.connection.execute(learned).fetchone() == (2,), "of the accounts of others"
        states = "select bool_or(is_enabled), count(*) from ops.accounts where business_id = 1"
        assert full.connection.execute(states).fetchone() == (False, erased.accounts)
        (noted,) = full.connection.execute("select rows_deleted from ops.erasures").fetchall()
        assert noted[0] == erased.rows
        assert erase(settings, 1).rows == {}, "again is no harm"
        assert full.read("facebook", streams=["posts"]) == [], "the others are read on"

    def test_a_platform_leaves_the_other_platforms_alone(self, full: Survival, settings: Settings):
        before = left(full.connection, 1)
        erase(settings, 1, "facebook")
        now = left(full.connection, 1)
        assert not [name for name in now if name.startswith("raw.facebook")]
        assert {name: count for name, count in now.items() if name.startswith("raw.")} == {
            name: count for name, count in before.items() if name.startswith("raw.") and "facebook" not in name
        }
        enabled = full.connection.execute(
            "select distinct platform from ops.accounts where business_id = 1 and is_enabled"
        )
        assert {row[0] for row in enabled} == {"linkedin", "twitter", "instagram"}

    @pytest.mark.parametrize("platform", list(PARENT))
    def test_a_post_goes_with_what_is_below_it_and_does_not_come_back(
        self, full: Survival, settings: Settings, platform: str
    ):
        query = f"select distinct payload ->> '{PARENT[platform]}' from raw.{platform}__comments where business_id = 1"
        posts = {row[0] for row in full.connection.execute(query)}
        known = f"select record_key from raw.{platform}__posts where business_id = 1 and record_key = any(%s)"
        (post, *_) = full.connection.execute(known, (sorted(posts),)).fetchone()
        everything = "select count(*) from raw.{} where business_id = 1 and payload::text like %s"
        tables = [f"{platform}__{name}" for name in ("posts", "comments")]
        before = [full.connection.execute(everything.format(name), (f"%{post}%",)).fetchone() for name in tables]
        assert all(count > (0,) for count in before)
        erase(settings, 1, platform, post)
        for _ in range(2):
            assert full.read(platform, streams=["posts", "comments"], since=ALWAYS) == []
        for name in tables:
            assert full.connection.execute(everything.format(name), (f"%{post}%",)).fetchone() == (0,), name
        stored = "select sum(stored - purged), sum(purged) > 0 from ops.extract_runs where stream = %s"
        counted = f"select count(*) from raw.{platform}__posts"
        booked, has_gone = full.connection.execute(stored, (f"{platform}__posts",)).fetchone()
        assert (booked, has_gone) == (*full.connection.execute(counted).fetchone(), True)
        marked = "select count(*) from ops.known_posts where record_key = %s"
        assert full.connection.execute(marked, (post,)).fetchone() == (0,)
        assert full.connection.execute("select bool_and(is_enabled) from ops.accounts").fetchone() == (True,)


def test_the_command_says_what_went_and_refuses_a_stranger(
    survival: Survival, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    survival.read("linkedin", streams=["profile"])
    for name, value in survival.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["erase", "--business", "1", "--platform", "linkedin", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["accounts"] == 2
    assert said["rows"]["raw.linkedin__profile"] > 0
    assert main(["erase", "--business", "1"]) == 0
    assert "accounts are disabled" in capfd.readouterr().out
    assert main(["erase", "--business", "77"]) == 2
    assert "there is no business 77" in capfd.readouterr().err
