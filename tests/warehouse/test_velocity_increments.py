"""What a look tells of a curve that has not changed: each rule by which an increment works a post out again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF, Account, land, tweet

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Look:
    """A whole read of an account's posts, at an age of its one post in days; `shown` is told where it changed.

    `since` and `until` are the posts that were asked for, by publication: days after that of the post.
    """

    age: float
    shown: int | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One post of an account of its own: the looks of the first build, those of the next, and what it then says.

    `gone` is what two runs found in the first build and in the next: the post's age in days when it was missed.
    """

    days: int
    first: tuple[Look, ...]
    then: tuple[Look, ...] = ()
    gone: tuple[float | None, float | None] = (None, None)
    column: str
    before: float | None
    after: float | None


SEEN_EARLY = (Look(1, 100), Look(27))
CASES = {
    "a look that came late lies between two that enclose a rise": Case(
        days=99, first=(Look(40, 10), Look(60, 100), Look(80)), then=(Look(50),), column="hours_to_half",
        before=24 * (40 + 20 * 40 / 90), after=24 * (50 + 10 * 40 / 90),
    ),
    "an age was passed since the look before": Case(
        days=60, first=(Look(1, 100), Look(29.5)), then=(Look(31),), column="value_30d", before=None, after=100,
    ),
    "the look before saw younger posts alone": Case(
        days=60, first=(*SEEN_EARLY, Look(32, since=4)), then=(Look(36),), column="value_30d", before=None, after=100,
    ),
    "the look before was asked for older posts": Case(
        days=60, first=(*SEEN_EARLY, Look(32, until=-1)), then=(Look(33),), column="value_30d", before=None, after=100,
    ),
    "a curve settles although nothing changes": Case(
        days=90, first=(Look(50, 100), Look(55)), then=(Look(58),), column="is_settled", before=False, after=True,
    ),
    "two runs have missed it": Case(
        days=60, first=(Look(1, 100), Look(40)), gone=(None, 5), column="value_7d", before=100, after=None,
    ),
    "it is back": Case(
        days=60, first=(Look(1, 100), Look(40)), gone=(5, None), column="value_7d", before=None, after=100,
    ),
    "it was back and is gone again, later": Case(
        days=60, first=(Look(1, 100), Look(40)), gone=(5, 45), column="value_7d", before=None, after=100,
    ),
}  # fmt: skip
ACCOUNTS = {name: Account(1, "twitter", f"t{number}") for number, name in enumerate(CASES)}
MISSED = """
insert into ops.known_posts (business_id, platform, account_id, record_key, published_at, missed_at, missed_runs)
select business_id, platform, account_id, account_id, %(published)s, case when %(gone)s then %(missed)s end,
    case when %(gone)s then array_agg(run_id order by as_of) else '{}' end
from ops.extract_runs where account_id = %(account)s
group by business_id, platform, account_id
on conflict (business_id, platform, account_id, record_key)
do update set missed_at = excluded.missed_at, missed_runs = excluded.missed_runs
"""


def look(connection: psycopg.Connection[Any], account: Account, published: datetime, one: Look) -> None:
    """Land a look."""
    rows = {}
    if one.shown is not None:
        told = {"impression_count": one.shown}
        rows = {account.account_id: tweet(account.account_id, published.isoformat(), public_metrics=told)}
    at = published + one.age * DAY
    run_id = land(connection, account, "posts", rows, at=at)
    since = None if one.since is None else published + one.since * DAY
    until = at if one.until is None else published + one.until * DAY
    connection.execute(
        "update ops.extract_runs set window_since = %s, window_until = %s where run_id = %s", (since, until, run_id)
    )


def happen(connection: psycopg.Connection[Any], name: str, case: Case, build: int) -> None:
    """Land what one build finds of a case."""
    published = AS_OF - case.days * DAY
    for one in (case.first, case.then)[build]:
        look(connection, ACCOUNTS[name], published, one)
    if case.gone != (None, None):
        age = case.gone[build]
        connection.execute(MISSED, {
            "account": ACCOUNTS[name].account_id, "published": published, "gone": age is not None,
            "missed": published + (age or 0) * DAY,
        })  # fmt: skip


def curves(environment: Environment) -> dict[str, dict[str, Any]]:
    """The curve of each account's post."""
    rows = read(environment, "select * from core.fct_post_velocity where metric = 'impressions'")
    return {row["account_id"]: row for row in rows}


@pytest.fixture(scope="module")
def builds(
    new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt
) -> list[dict[str, dict[str, Any]]]:
    """The curves after the first build, after the next, and after all was worked out anew."""
    environment = new_database(migrated_template)
    found = []
    with connect(environment) as connection:
        connection.execute("insert into ops.businesses (business_id, name, timezone) values (1, 'Acme', 'UTC')")
        for account in ACCOUNTS.values():
            connection.execute(
                "insert into ops.accounts (business_id, platform, account_id, credential) values (1, %s, %s, 'none')",
                (account.platform, account.account_id),
            )
        for build, select in enumerate(
            ("+fct_post_velocity", "dim_posts fct_looks fct_post_snapshots fct_post_velocity")
        ):
            for name, case in CASES.items():
                happen(connection, name, case, build)
            dbt(environment, "run", "--select", *select.split())
            found.append(curves(environment))
    dbt(environment, "run", "--select", "fct_post_velocity", "--full-refresh")
    return [*found, curves(environment)]


@pytest.mark.parametrize("name", CASES)
def test_a_curve_is_worked_out_again_when(name: str, builds: list[dict[str, dict[str, Any]]]) -> None:
    case, account = CASES[name], ACCOUNTS[name].account_id
    before, after, anew = (build[account] for build in builds)
    assert told(before[case.column]) == close(case.before)
    assert told(after[case.column]) == close(case.after)
    assert after == anew


def told(value: Any) -> object:
    """A number of the warehouse; what is none stays what it is."""
    return float(value) if isinstance(value, Decimal) else value


def close(value: float | None) -> object:
    """Equal to a number worked out otherwise; None only to None."""
    return value if value is None or isinstance(value, bool) else pytest.approx(value)
