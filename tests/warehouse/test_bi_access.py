"""What a BI login can reach: its own rows of the marts, for a bounded time, and nothing by any trick."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from extractors.errors import WarehouseUnavailable
from tests.conftest import ROOT
from tests.warehouse.conftest import Environment, connect, read

pytestmark = pytest.mark.slow

TENANTS = (1, 2)
#: Every relation of the database that holds rows, PostgreSQL's own included.
RELATIONS = """
select relation.oid, format('%I.%I', namespace.nspname, relation.relname) as name, namespace.nspname::text as schema
from pg_class as relation inner join pg_namespace as namespace on relation.relnamespace = namespace.oid
where relation.relkind in ('r', 'v', 'm', 'p', 'f') and namespace.nspname not like 'pg_toast%'
order by 2
"""


def tenants(environment: Environment, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "extractors", "tenants", *arguments, "--json"],
        cwd=ROOT, env={**environment, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def readers(built: Environment) -> Iterator[dict[int, Environment]]:
    """The logins of both businesses."""
    found = {}
    for business in TENANTS:
        login = json.loads(tenants(built, "add", "--business", str(business)))
        found[business] = {**built, "PGUSER": login["user"], "PGPASSWORD": login["password"]}
    yield found
    for business in TENANTS:
        tenants(built, "remove", "--business", str(business))


@pytest.mark.fault("G04")
def test_no_tenant_reaches_another_s_rows_through_any_relation_of_the_catalog(
    built: Environment, readers: dict[int, Environment]
) -> None:
    relations = read(built, RELATIONS)
    marts = [row["name"] for row in relations if row["schema"] == "marts"]
    assert len(marts) >= 18
    for business, reader in readers.items():
        for mart in marts:
            everything = read(built, f"select * from {mart} where business_id = {business}")
            mine = read(reader, f"select * from {mart}")
            assert len(mine) == len(everything), mart
            assert {row["business_id"] for row in mine} <= {business}, mart
        open_to_me = read(
            built, f"select name, schema from ({RELATIONS.strip()}) as relations"
            f" where has_table_privilege('{reader['PGUSER']}', oid, 'select, insert, update, delete, truncate')"
            f" and has_schema_privilege('{reader['PGUSER']}', schema, 'usage')",
        )  # fmt: skip
        ours = {row["name"] for row in open_to_me if row["schema"] not in ("pg_catalog", "information_schema")}
        assert ours == set(marts)
        # The statistics of a column hold values of it: only of columns one may read, and of views there are none.
        assert read(reader, "select 1 from pg_stats where schemaname in ('publish', 'core', 'raw', 'ops')") == []


@pytest.mark.fault("G04")
def test_an_error_tells_nothing_of_rows_behind_the_barrier(readers: dict[int, Environment]) -> None:
    with connect(readers[2]) as connection:
        others = "select text::integer from marts.post_performance where business_id = 1"
        assert connection.execute(others).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            connection.execute("select * from publish.post_performance where text::integer = 1")
    assert "Acme" not in str(refused.value)


@pytest.mark.fault("G05")
@pytest.mark.parametrize(
    "sabotage",
    [
        "create view marts.everything as select * from publish.post_performance",
        "create view marts.everything with (security_barrier) as select * from publish.post_performance",
        "create table marts.everything as select * from publish.post_performance",
        "alter view marts.best_days set (security_barrier = false)",
    ],
    ids=["no barrier", "no predicate", "a table", "barrier taken away"],
)
def test_nothing_is_published_while_a_relation_of_marts_lacks_the_tenant_predicate(
    copy: Environment, publication: str, sabotage: str
) -> None:
    with connect(copy) as connection:
        connection.execute(sabotage.encode())
        name = "best_days" if "best_days" in sabotage else "everything"
        with pytest.raises(psycopg.errors.RaiseException, match=f"tenant predicate.*: {name}"):
            connection.execute(publication.encode())
        connection.execute(
            f"drop view if exists marts.{name}" if "table" not in sabotage else "drop table marts.everything"
        )
        connection.execute(publication.encode())


@pytest.mark.fault("G06")
@pytest.mark.parametrize(
    "trick",
    [
        "set role pipeline", "set session authorization pipeline", "reset role", "reset session authorization",
        "set app.business_id = 1", "set search_path = core, marts", "set role none", "set row_security = off",
    ],
)  # fmt: skip
def test_a_session_cannot_pretend_to_be_somebody_else(
    built: Environment, readers: dict[int, Environment], trick: str
) -> None:
    reader = readers[2]
    with connect(reader) as connection:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue):
            connection.execute(trick.replace("pipeline", built["PGUSER"]).encode())
        seen = connection.execute("select distinct business_id from marts.post_performance").fetchall()
        assert seen == [(2,)]
        for statement in (
            "insert into ops.tenant_grants values (current_user, 1)",
            "create view marts.mine as select 1",
            "create function marts.current_user_is() returns name language sql as 'select ''pipeline''::name'",
        ):
            refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
            with pytest.raises(refusals):
                connection.execute(statement.encode())


@pytest.mark.fault("G14")
def test_a_query_without_end_is_ended_and_sessions_are_counted(
    built: Environment, readers: dict[int, Environment]
) -> None:
    reader = readers[2]
    settings = ("statement_timeout", "idle_in_transaction_session_timeout", "default_transaction_read_only")
    with connect(reader) as connection:
        found = [connection.execute(f"show {name}".encode()).fetchone() for name in settings]
        assert found == [("1min",), ("1min",), ("on",)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create temporary table mine as select 1")
    with connect(built) as owner:
        owner.execute(f"alter role {reader['PGUSER']} set statement_timeout = '300ms'".encode())
    with connect(reader) as connection:
        for endless in (
            "select pg_sleep(60)",
            "select count(*) from generate_series(1, 1000000) as a cross join generate_series(1, 1000000) as b",
        ):
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(endless.encode())
    with contextlib.ExitStack() as sessions:
        for _ in range(10):
            sessions.enter_context(connect(reader))
        with pytest.raises(WarehouseUnavailable, match="too many connections"):
            connect(reader)


def test_a_login_is_made_once_rotated_and_removed(copy: Environment) -> None:
    login = json.loads(tenants(copy, "add", "--business", "1"))
    reader = {**copy, "PGUSER": login["user"], "PGPASSWORD": login["password"]}
    assert read(reader, "select distinct business_id from marts.post_performance") == [{"business_id": 1}]
    tenants(copy, "add", "--business", "1", code=2)
    tenants(copy, "add", "--business", "77", code=2)
    tenants(copy, "rotate", "--business", "2", code=2)
    again = json.loads(tenants(copy, "rotate", "--business", "1"))
    assert again["password"] != login["password"]
    reader["PGPASSWORD"] = again["password"]
    assert read(reader, "select 1 as one") == [{"one": 1}]
    tenants(copy, "remove", "--business", "1")
    assert read(copy, "select 1 from ops.tenant_grants where role_name = %s", login["user"]) == []
    with pytest.raises(WarehouseUnavailable):
        connect(reader)


def test_the_password_stands_nowhere(copy: Environment) -> None:
    login = json.loads(tenants(copy, "add", "--business", "2"))
    rows = read(copy, "select rolpassword from pg_authid where rolname = %s", login["user"])
    assert rows[0]["rolpassword"].startswith("SCRAM-SHA-256$")
    tenants(copy, "remove", "--business", "2")
