"""What was erased is in no table of core either, and in no mart after the next publication; the others' rows stay."""

from __future__ import annotations

import pytest

from extractors.erase import KEPT, erase
from extractors.settings import Settings
from tests.warehouse.conftest import Dbt, Environment, read

pytestmark = pytest.mark.slow

RELATIONS = """
select space.nspname || '.' || relation.relname as name
from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
inner join pg_attribute as owner on owner.attrelid = relation.oid and owner.attname = 'business_id'
where space.nspname = any (%s) and relation.relkind in ('r', 'p', 'm', 'v')
order by 1
"""


def rows_of(environment: Environment, business_id: int, *schemas: str) -> dict[str, int]:
    """How many rows each relation of these schemas has of a business, where it has any."""
    names = [row["name"] for row in read(environment, RELATIONS, list(schemas))]
    counted = {
        name: read(environment, f"select count(*) as n from {name} where business_id = %s", business_id)[0]["n"]
        for name in names
    }
    return {name: count for name, count in counted.items() if count}


def test_an_erased_business_is_in_no_table_of_core_and_after_a_build_in_no_mart(copy: Environment, dbt: Dbt):
    before, others = rows_of(copy, 1, "core", "marts"), rows_of(copy, 2, "core", "marts")
    assert before["core.fct_posts"] > 0
    assert before["marts.post_performance"] > 0
    erase(Settings.from_environment(copy), 1)
    assert rows_of(copy, 1, "raw", "core").keys() <= KEPT
    dbt(copy, "build")
    left = rows_of(copy, 1, "raw", "core", "publish", "marts")
    # The accounts stay, disabled: that they are there is all that is told.
    empty = {"engagement_overview", "platform_comparison"}
    names = {name.partition(".")[2] for name in left}
    assert names <= {"dim_businesses", "dim_accounts", "account_names", "visible_businesses"} | empty
    assert read(copy, "select 1 from publish.account_names where business_id = 1 and account_name is not null") == []
    for name in names & empty:
        of_posts = f"select coalesce(sum(posts), 0)::int as n from marts.{name} where business_id = 1"
        assert read(copy, of_posts) == [{"n": 0}], "a line for an account, and nothing in it"
    assert read(copy, "select count(*) as n from core.dim_accounts where business_id = 1 and handle is not null") == [
        {"n": 0}
    ]
    assert rows_of(copy, 2, "core", "marts") == others


def test_an_erased_post_is_in_no_mart_after_a_build(copy: Environment, dbt: Dbt):
    ((post,),) = [
        tuple(row.values())
        for row in read(copy, "select post_id from core.dim_posts where business_id = 1 order by 1 limit 1")
    ]
    erase(Settings.from_environment(copy), 1, post_id=post)
    dbt(copy, "build")
    keyed = (
        "core.dim_posts",
        "core.fct_posts",
        "core.fct_post_snapshots",
        "marts.post_performance",
        "marts.post_velocity",
    )
    for name in keyed:
        assert read(copy, f"select count(*) as n from {name} where post_id = %s", post) == [{"n": 0}], name
