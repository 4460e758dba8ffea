"""B06: an account is renamed, merged, or gets another id: one line says what to write, and history stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from extractors.accounts import load, parse
from extractors.aliases import formers
from extractors.errors import ConfigurationError
from extractors.settings import Settings
from extractors.spec import Account
from tests.aftermath import assert_ledger_explains
from tests.extractors.conftest import Survival
from tests.extractors.tampering import tampered

Connection = psycopg.Connection[Any]
NEW = "990000000000001"


def first_of(case: Survival, platform: str) -> str:
    return next(each.account_id for each in case.simulator.world.accounts if each.platform == platform)


def write_new_id(case: Survival, folder: Path, platform: str, old: str, new: str = NEW) -> None:
    """What the line tells a person to do."""
    file = yaml.safe_load(case.simulator.world.accounts_yaml())
    for business in file["businesses"]:
        for account in business["accounts"]:
            if (account["platform"], account["account_id"]) == (platform, old):
                account |= {"account_id": new, "formerly": [old]}
    path = folder / "accounts.yml"
    path.write_text(yaml.safe_dump(file))
    load(Settings.from_environment(case.environment), path)


@contextmanager
def answering_for(upstream: str, new: str, old: str) -> Iterator[str]:
    """The platform after the move: the account is asked by its new id and answers as before, under that id."""

    def under_its_new_id(path: str, body: Any) -> bytes:
        return json.dumps(body).replace(f'"id": "{old}"', f'"id": "{new}"').encode()

    with tampered(upstream, under_its_new_id, asked=lambda text: text.replace(new, old)) as url:
        yield url


def aliases(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select platform, former_id, account_id, told_by from ops.account_aliases").fetchall()


def migrated(old: str, new: str = NEW) -> bytes:
    says = f"(#21) Page ID {old} was migrated to page ID {new}.  Please update your API calls to the new ID"
    return b'{"error": {"message": "%s", "type": "OAuthException", "code": 21}}' % says.encode()


@pytest.mark.fault("B06")
def test_a_page_that_was_merged_is_named_with_what_to_write_and_its_history_stays(survival: Survival):
    old = first_of(survival, "facebook")
    assert survival.read("facebook") == []
    survival.simulator.clear_calls()

    def merged(path: str, body: Any) -> Any:
        return migrated(old) if old in path else body

    with tampered(survival.simulator.base_urls["facebook"], merged) as url:
        results = survival.extract("facebook", base_urls={"facebook": url})
    failed = [each for each in results if each.error]
    assert {(each.account_id, type(each.error).__name__) for each in failed} == {(old, "AccountMoved")}
    assert len([call for call in survival.simulator.calls if call.account == old]) <= 1, (
        "the other streams are not asked"
    )
    assert f'write account_id: "{NEW}" and formerly: ["{old}"] in accounts.yml' in str(failed[0].error)
    assert aliases(survival.connection) == [("facebook", old, NEW, "platform")]
    assert survival.connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)
    every = {each.stream: "AccountMoved" for each in failed}
    assert_ledger_explains(survival.environment, failed=every)
    assert survival.read("facebook") == [], "the page is there under its old id again"
    survival.equals("facebook", "posts", "profile")


@pytest.mark.fault("B06")
def test_under_its_new_id_an_account_is_read_on_and_nothing_is_stored_twice(survival: Survival, tmp_path: Path):
    old = first_of(survival, "instagram")
    assert survival.read("instagram", streams=["posts"]) == []
    rows = survival.connection.execute("select count(*) from raw.instagram__posts").fetchone()
    write_new_id(survival, tmp_path, "instagram", old)
    assert aliases(survival.connection) == [("instagram", old, NEW, "accounts.yml")]
    with answering_for(survival.simulator.base_urls["instagram"], NEW, old) as url:
        results = survival.extract("instagram", streams=["posts"], base_urls={"instagram": url})
    assert {each.state for each in results} == {"complete"}
    mine = next(each for each in results if each.account_id == NEW)
    assert (mine.listed, mine.stored, mine.unchanged) == (mine.listed, 0, mine.listed)
    assert mine.listed > 20
    assert old not in {each.account_id for each in results}, "the old id is not asked any more"
    assert survival.connection.execute("select count(*) from raw.instagram__posts").fetchone() == rows
    survival.equals("instagram", "posts")


@pytest.mark.fault("B06")
def test_a_node_that_answers_under_another_id_is_not_filed_under_the_old_one(survival: Survival):
    old = first_of(survival, "linkedin")

    def other(path: str, body: Any) -> Any:
        return {**body, "id": int(NEW)} if path.split("?")[0].endswith(f"/organizations/{old}") else body

    with tampered(survival.simulator.base_urls["linkedin"], other) as url:
        results = survival.extract("linkedin", streams=["profile"], base_urls={"linkedin": url})
    assert {(each.account_id, type(each.error).__name__) for each in results if each.error} == {(old, "AccountMoved")}
    assert aliases(survival.connection) == [("linkedin", old, NEW, "platform")]
    stored = "select count(*) from raw.linkedin__profile where account_id = %s"
    assert survival.connection.execute(stored, (old,)).fetchone() == (0,)
    assert survival.connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)
    survival.heals("linkedin", "profile")


@pytest.mark.fault("B06")
def test_a_renamed_account_is_the_same_account_with_one_version_more(survival: Survival):
    assert survival.read("twitter", streams=["profile"]) == []

    def renamed(_path: str, body: Any) -> Any:
        for user in body["data"]:
            user |= {"username": "another_name", "name": "Another Name"}
        return body

    with tampered(survival.simulator.base_urls["twitter"], renamed) as url:
        results = survival.extract("twitter", streams=["profile"], base_urls={"twitter": url})
    assert [(each.stored, each.state) for each in results] == [(1, "complete")] * 3
    assert aliases(survival.connection) == []
    survival.heals("twitter", "profile")


def known_as(connection: Connection, name: str) -> tuple[str, ...]:
    account = Account(business_id=1, platform="facebook", account_id=name, credential="c", timezone="UTC")
    return formers(connection, account)


def test_former_ids_are_followed_and_circles_end(connection: Connection):
    connection.execute("insert into ops.businesses values (1, 'one', 'UTC')")
    for former, current in (("1", "2"), ("2", "3"), ("3", "1"), ("9", "3")):
        connection.execute(
            "insert into ops.account_aliases values (1, 'facebook', %s, %s, 'platform')", (former, current)
        )
    assert known_as(connection, "3") == ("1", "2", "9")
    assert known_as(connection, "7") == ()


FILE = """
businesses:
  - business_id: 1
    name: Acme
    timezone: UTC
    accounts:
      - {{platform: facebook, account_id: "2", credential: c, formerly: {formerly}}}
      - {{platform: facebook, account_id: "3", credential: c}}
"""


@pytest.mark.parametrize(
    ("formerly", "problem"),
    [
        ('["3"]', "facebook account 3 of business 1 is given twice"),
        ('["2"]', "facebook account 2 of business 1 is given twice"),
        ('["1", "1"]', "facebook account 1 of business 1 is given twice"),
        ("[1]", "formerly 1 needs quotes"),
        ('"1"', "formerly must be a list"),
    ],
)
def test_a_former_id_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, formerly: str, problem: str):
    path = tmp_path / "accounts.yml"
    path.write_text(FILE.format(formerly=formerly))
    with pytest.raises(ConfigurationError, match=problem):
        parse(path)


def test_a_person_s_word_outranks_a_platform_s_and_an_id_in_use_again_is_nobody_s_former(
    warehouse: dict[str, str], connection: Connection, tmp_path: Path
):
    from extractors.aliases import note

    path, settings = tmp_path / "accounts.yml", Settings.from_environment(warehouse)
    path.write_text(FILE.format(formerly='["1"]'))
    load(settings, path)
    note(connection, Account(business_id=1, platform="facebook", account_id="1", credential="c", timezone="UTC"), "5")
    assert aliases(connection) == [("facebook", "1", "2", "accounts.yml")]
    path.write_text(FILE.format(formerly="[]").replace('"2"', '"1"'))
    load(settings, path)
    assert aliases(connection) == []
