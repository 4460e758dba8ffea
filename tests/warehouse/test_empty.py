"""`dbt build --empty` tries out the SQL of every node, reads no rows, and changes nothing that anybody reads."""

from __future__ import annotations

import json

import pytest

from tests.warehouse.conftest import PROJECT, Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF, TWITTER, land, public_metrics, tweet
from tests.warehouse.test_deletions_and_edits import know
from tests.warehouse.test_increments import RUN_CORE, core_of

pytestmark = pytest.mark.slow

#: Unit tests bring rows of their own and have nothing to do with it.
EMPTY = ("build", "--empty", "--exclude-resource-type", "unit_test")
REFUSED = "publish: nothing was published, because --empty builds no rows"


def models() -> set[str]:
    """The names of all models that our own tables feed."""
    return {path.stem for path in (PROJECT / "models").rglob("*.sql") if "fivetran" not in path.stem}


def test_every_model_of_an_empty_warehouse_is_built_without_rows(warehouse: Environment, dbt: Dbt) -> None:
    assert REFUSED in dbt(warehouse, *EMPTY).stdout
    made = read(
        warehouse,
        "select relname::text as name from pg_class where relkind in ('r', 'v')"
        " and relnamespace::regnamespace::text in ('staging', 'intermediate', 'core', 'candidate')",
    )
    # Those that a rebuild of an earlier state alone reads.
    assert models() - {row["name"] for row in made} == {"stg_ops__known_runs"}
    # Once more, over the tables that are there now.
    assert REFUSED in dbt(warehouse, *EMPTY).stdout


@pytest.fixture
def with_a_deletion(copy: Environment, dbt: Dbt) -> Environment:
    """A published warehouse, one of whose posts two runs have missed, and a run that nothing has taken in."""
    with connect(copy) as connection:
        runs = [land(connection, TWITTER, "posts", {}, at=AS_OF.replace(hour=hour)) for hour in (16, 17)]
        know(connection, TWITTER, "101", *runs)
        dbt(copy, *RUN_CORE)
        metrics = public_metrics(1, 1, 0, 0, 0, 0)
        land(connection, TWITTER, "posts", {"e1": tweet("e1", "2026-11-19T08:30:00.000Z", public_metrics=metrics)})
    return copy


def test_it_takes_nothing_away_and_nothing_in(with_a_deletion: Environment, dbt: Dbt) -> None:
    environment = with_a_deletion
    assert read(environment, "select 1 from core.dim_posts where deleted_at is not null and post_id = '101'")
    before = core_of(environment)
    as_of = read(environment, "select * from core.as_of")
    published = read(environment, "select * from ops.publications order by 1")
    shown = read(environment, "select * from marts.post_performance order by post_id")
    assert REFUSED in dbt(environment, *EMPTY).stdout
    assert core_of(environment) == before
    assert read(environment, "select * from core.as_of") == as_of
    assert read(environment, "select * from ops.publications order by 1") == published
    assert read(environment, "select * from marts.post_performance order by post_id") == shown
    dbt(environment, *RUN_CORE)
    taken = {row["post_id"] for row in read(environment, "select post_id from core.dim_posts")}
    assert "e1" in taken


def test_the_other_way_in_is_tried_out_as_well(warehouse: Environment, dbt: Dbt) -> None:
    chosen = json.dumps({"fivetran": {"schemas": {"twitter_organic": "nobody"}, "business_id": 1}})
    assert REFUSED in dbt(warehouse, *EMPTY, "--vars", chosen).stdout
