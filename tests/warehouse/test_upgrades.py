"""A warehouse with data that an earlier version made: `migrate`, `dbt build`, and it is what a fresh one would be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.script import ScriptDirectory

from extractors.migrate import MIGRATIONS, migrate
from extractors.settings import Settings
from tests.warehouse.conftest import PROJECT, Dbt, Environment, connect, read
from tests.warehouse.test_as_of import LEFT_OUT, lines
from tests.warehouse.test_increments import core_of, land_late_arrivals
from tests.warehouse.test_rebuilds import OF_THE_MOMENT

BUILD = ("build", "--exclude-resource-type", "unit_test")
#: What each revision made, and what the dbt project has kept since beside it, taken away again; the newest first. Views
#: that read of it go as well.
UNDO = {
    "0018": """
        drop function ops.note_changed_parts cascade;
        drop function ops.note_erasure cascade;
        drop table ops.changed_parts cascade;
        drop table core.fct_engagement_daily cascade;
        drop table publish.changed_posts, publish.changed_periods, publish.account_names cascade;
    """,
    "0017": """
        drop trigger note_change on ops.extract_runs;
        drop function ops.note_change_of_run;
        alter table ops.extract_runs drop column changed_in cascade;
        drop table core.claimed_until;
    """,
    "0016": """
        drop function ops.keep_former cascade;
        drop function ops.keep_findings cascade;
        drop function
            ops.businesses_at, ops.accounts_at, ops.extract_runs_at, ops.known_posts_at, ops.quarantine_at cascade;
        drop table ops.former_values, ops.core_builds, ops.statistics_runs, ops.former_findings cascade;
        alter table ops.publications drop column as_of cascade, drop column known_at cascade,
            drop column changes_meanwhile cascade, drop column statistics_known_at cascade;
        alter table core.as_of drop column known_at cascade;
    """,
}
#: Every object of a schema that matters to whoever uses it, without the names that dbt makes up for indexes.
OBJECTS = """
select concat_ws(' ', 'column', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = any(%(schemas)s::regnamespace[]) and c.relkind in ('r', 'p', 'v', 'm')
    and a.attnum > 0 and not a.attisdropped
union all
select regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') from pg_indexes
where schemaname::regnamespace = any(%(schemas)s::regnamespace[])
union all
select concat_ws(' ', 'constraint', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
where connamespace = any(%(schemas)s::regnamespace[])
union all
select pg_get_triggerdef(t.oid) from pg_trigger as t inner join pg_class as c on t.tgrelid = c.oid
where not t.tgisinternal and c.relnamespace = any(%(schemas)s::regnamespace[])
union all
select concat_ws(' ', 'function', oid::regprocedure, md5(prosrc)) from pg_proc
where pronamespace = any(%(schemas)s::regnamespace[])
"""
SCHEMAS = ["ops", "staging", "intermediate", "core", "candidate", "publish", "marts"]


def objects(environment: Environment) -> set[str]:
    """Every object of our schemas, described."""
    with connect(environment) as connection:
        return {row[0] for row in connection.execute(OBJECTS, {"schemas": SCHEMAS})}


def shown(environment: Environment) -> dict[str, list[str]]:
    """Every mart as COPY writes it, without what belongs to the moment of the build."""
    marts = read(environment, "select viewname::text as name from pg_views where schemaname = 'marts'")
    with connect(environment) as connection:
        return {
            mart: lines(connection, "marts", mart, *LEFT_OUT, *OF_THE_MOMENT.get(mart, ()))
            for mart in (row["name"] for row in marts)
        }


@pytest.fixture(scope="module")
def day(new_database: Callable[[str], Environment], built: Environment) -> Environment:
    """The published warehouse with the runs of a day that no build has taken in."""
    environment = new_database(built["PGDATABASE"])
    with connect(environment) as connection:
        land_late_arrivals(connection)
    return environment


@pytest.fixture(scope="module")
def fresh(new_database: Callable[[str], Environment], day: Environment, dbt: Dbt) -> Environment:
    """That day taken in by a warehouse that was always of this version."""
    environment = new_database(day["PGDATABASE"])
    dbt(environment, *BUILD)
    return environment


def set_back(environment: Environment, revision: str) -> None:
    """Take away what the revisions after this one made."""
    with connect(environment) as connection:
        for later, statements in UNDO.items():
            if later > revision:
                connection.execute(statements)
        connection.execute("update ops.alembic_version set version_num = %s", (revision,))
        connection.execute("delete from ops.expected_objects")


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["0015", "0016", "0017"])
def test_an_older_warehouse_is_upgraded_and_goes_on(
    new_database: Callable[[str], Environment], day: Environment, fresh: Environment, dbt: Dbt, revision: str
) -> None:
    environment = new_database(day["PGDATABASE"])
    set_back(environment, revision)
    assert objects(environment) < objects(day)
    migrate(Settings.from_environment(environment))
    dbt(environment, *BUILD)
    assert objects(environment) == objects(fresh)
    assert core_of(environment) == core_of(fresh)
    assert shown(environment) == shown(fresh)
    # It went on: runs of before keep the build that took them in.
    builds = "select count(distinct invocation_id) as builds from core.loaded_runs where table_name = 'dim_posts'"
    assert read(environment, builds) == [{"builds": 2}]


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["0015", "0016", "0017"])
def test_a_build_before_migrate_says_what_to_do(
    new_database: Callable[[str], Environment], day: Environment, dbt: Dbt, revision: str
) -> None:
    environment = new_database(day["PGDATABASE"])
    set_back(environment, revision)
    core = core_of(environment)
    done = dbt(environment, "build", ok=False)
    assert f"the warehouse is of revision {revision} and this project needs" in done.stdout
    assert "python -m extractors migrate" in done.stdout
    assert core_of(environment) == core


@pytest.mark.slow
def test_a_build_of_no_warehouse_says_what_to_do(new_database: Callable[[str], Environment], dbt: Dbt) -> None:
    done = dbt(new_database("template0"), "run", ok=False)
    assert "the warehouse is of revision none" in done.stdout


@pytest.mark.unit
def test_the_revision_that_dbt_asks_for_is_the_newest() -> None:
    text = (PROJECT / "macros" / "revision.sql").read_text()
    assert f"return('{ScriptDirectory(str(MIGRATIONS)).get_current_head()}')" in text
