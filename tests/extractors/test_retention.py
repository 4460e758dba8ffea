"""G17: members' comments on LinkedIn go in time; the organization's own and everything else stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from extractors.retention import DAILY, RULES, purge
from extractors.settings import Settings
from tests.aftermath import assert_ledger_explains, last_versions
from tests.extractors.conftest import Survival

Connection = psycopg.Connection[Any]
MEMBERS = "select count(*) from raw.linkedin__comments where not payload ? 'actor'"
OWN = "select count(*) from raw.linkedin__comments where payload ? 'actor'"
AGE = "update raw.linkedin__comments set observed_at = observed_at - %s where business_id = 1"


def count(connection: Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.stream)
def test_no_row_is_older_than_allowed_when_the_purge_comes_once_a_day(rule: Any):
    assert timedelta(0) < rule.kept
    assert rule.kept + DAILY < rule.allowed


@pytest.mark.fault("G17")
def test_comments_of_members_go_in_time_and_do_not_come_back(survival: Survival):
    settings = Settings.from_environment(survival.environment)
    assert survival.read("linkedin") == []
    members, own = count(survival.connection, MEMBERS), count(survival.connection, OWN)
    assert members > 0
    survival.connection.execute(AGE, (timedelta(hours=19),))
    assert purge(settings) == [], "there is time left"
    survival.connection.execute(AGE, (timedelta(hours=2),))
    theirs = count(survival.connection, f"{MEMBERS} and business_id <> 1")
    (line,) = purge(settings)
    assert line == (
        f"linkedin__comments: {members - theirs} comments of members deleted, which may be kept for 48 hours"
    )
    assert count(survival.connection, MEMBERS) == theirs
    assert count(survival.connection, OWN) == own, "the organization's own stay"
    assert purge(settings) == []
    assert survival.read("linkedin") == []
    assert count(survival.connection, MEMBERS) == theirs, "a count that did not move brings nothing back"
    assert_ledger_explains(survival.environment)
    assert last_versions(survival.environment, "linkedin__posts")
    survival.equals("linkedin", "posts")
