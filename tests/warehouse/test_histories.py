"""Taking in what arrives, round by round, leaves core as a full refresh would make it: row for row, in any order."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable

import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.histories import (
    ROUNDS,
    Chronicle,
    History,
    Landed,
    draw_histories,
    lines,
    reordered,
)

pytestmark = pytest.mark.slow

#: `make soak` raises these.
HISTORIES = int(os.environ.get("HISTORIES", "220"))
SEED = int(os.environ.get("HISTORIES_SEED", "33"))
#: So many times is the same history told, each time in another order.
ORDERS = 10
#: An audit is a finding of its moment: what had become of a run when it was taken in.
AUDITS = {"fct_run_audits", "fct_run_totals", "reconciliation", "reconciliation_totals"}
#: What runs looked at, changed or not: other orders are other runs, and tell a value at an age from other looks.
LOOKS = {"fct_looks", "fct_post_velocity", "post_velocity", "post_over_performance"}
#: Holds the name of the database.
NAMES_THE_DATABASE = "_dbt_source_relation"
#: Names made of the business's number.
NAMED = {"business_id", "post_key", "account_key", "stream_key", "row_key", "restatement_id", "id"}

Rows = dict[str, dict[int, list[str]]]


def rows_of(environment: Environment, schema: str, *, without: Iterable[str] = ()) -> Rows:
    """Every row of a schema's relations as text, by relation and business, in order."""
    found: Rows = {}
    for relation in _relations(environment, schema):
        dropped = "".join(f" - '{name}'" for name in without)
        by_business: dict[int, list[str]] = defaultdict(list)
        for row in read(
            environment,
            f"select business_id, (to_jsonb(each) - 'changed_at' - '{NAMES_THE_DATABASE}'{dropped})::text as row"
            f" from {schema}.{relation} as each order by 1, 2",
        ):
            by_business[row["business_id"]].append(row["row"])
        found[relation] = dict(by_business)
    return found


def _relations(environment: Environment, schema: str) -> list[str]:
    """Every relation with rows of businesses."""
    rows = read(
        environment,
        "select relation.relname::text as name from pg_class as relation"
        " inner join pg_attribute as owner on owner.attrelid = relation.oid and owner.attname = 'business_id'"
        " where relation.relnamespace = %s::regnamespace and relation.relkind in ('r', 'p', 'v')"
        " and not relation.relispartition order by 1",
        schema,
    )
    return [row["name"] for row in rows if row["name"] not in AUDITS]


def differences(found: Rows, expected: Rows, told: dict[int, History]) -> str:
    """Which businesses differ, and the shortest history of those with what differs; empty when none does."""
    wrong: dict[int, list[str]] = defaultdict(list)
    for relation in expected:
        for business in told:
            mine, other = found[relation].get(business, []), expected[relation].get(business, [])
            wrong[business] += [f"  {relation} lacks {row}" for row in other if row not in mine]
            wrong[business] += [f"  {relation} has too many {row}" for row in mine if row not in other]
            if sorted(mine) != sorted(other) and not wrong[business]:
                wrong[business].append(f"  {relation}: a row comes more than once")
    names = [business for business, parts in wrong.items() if parts]
    if not names:
        return ""
    shortest = min(names, key=lambda business: len(told[business]))
    return "\n".join(
        [f"{len(names)} businesses differ: {names}", f"history {shortest}:", *lines(told[shortest]), *wrong[shortest]]
    )


@pytest.fixture(scope="module")
def told() -> dict[int, History]:
    """The histories by business."""
    drawn = dict(enumerate(draw_histories(HISTORIES, SEED), start=1))
    assert len(drawn) >= HISTORIES
    return drawn


@pytest.fixture(scope="module")
def orders() -> dict[int, History]:
    """One long history, ten times: the same records arriving in another order each time."""
    landed = [
        event
        for history in draw_histories(HISTORIES, SEED + 1)
        for event in history
        if isinstance(event, Landed) and event.reading.platform == "twitter"
    ]
    unique = {(event.reading.stream, event.reading.key, event.reading.hours): event for event in landed}
    story = tuple(unique.values())[:120]
    shuffle = random.Random(SEED)
    return {
        100_000 + number: reordered(story, shuffle.sample(range(len(story)), len(story))) for number in range(ORDERS)
    }


@pytest.fixture(scope="module")
def played(
    new_database: Callable[[str], Environment],
    migrated_template: str,
    dbt: Dbt,
    told: dict[int, History],
    orders: dict[int, History],
) -> Environment:
    """A warehouse that saw all rounds, with dbt after each."""
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        chronicle = Chronicle(connection, {**told, **orders})
        chronicle.begin()
        for number in range(ROUNDS):
            chronicle.play(number)
            if number == 0:
                dbt(environment, "seed")
                dbt(environment, "run")
            else:
                dbt(environment, "run", "--select", "core")
    return environment


@pytest.fixture(scope="module")
def refreshed(new_database: Callable[[str], Environment], played: Environment, dbt: Dbt) -> Environment:
    """The same warehouse after a full refresh."""
    environment = new_database(played["PGDATABASE"])
    dbt(environment, "run", "--select", "core", "--full-refresh")
    return environment


def test_increments_equal_a_full_refresh_over_every_history(
    played: Environment, refreshed: Environment, told: dict[int, History]
) -> None:
    found, expected = rows_of(played, "core"), rows_of(refreshed, "core")
    assert {len(rows) for rows in (expected["dim_posts"], expected["fct_account_daily"])} - {0}
    problems = differences(found, expected, told)
    assert not problems, problems


def test_marts_of_increments_equal_those_of_a_full_refresh(
    played: Environment, refreshed: Environment, told: dict[int, History]
) -> None:
    moving = ["age_hours", "is_stale"]
    found = rows_of(played, "candidate", without=moving)
    assert found["post_performance"]
    problems = differences(found, rows_of(refreshed, "candidate", without=moving), told)
    assert not problems, problems


@pytest.mark.fault("E14")
def test_the_same_records_in_ten_orders_give_ten_times_the_same_marts(
    played: Environment, orders: dict[int, History]
) -> None:
    for schema in ("core", "candidate"):
        for relation, by_business in rows_of(played, schema, without=sorted(NAMED | {"age_hours"})).items():
            if relation in LOOKS:
                continue
            first, *others = [by_business.get(business, []) for business in orders]
            apart = [row for rows in others for row in set(rows) ^ set(first)]
            assert all(rows == first for rows in others), f"{relation}: the order of arrival shows in {apart[:4]}"
    assert read(played, "select 1 from candidate.post_performance where business_id = any(%s)", list(orders))
