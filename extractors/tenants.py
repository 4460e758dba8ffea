"""The BI login of one business: it reads its own rows of `marts`, for a bounded time, and nothing else."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from extractors.errors import ConfigurationError
from extractors.settings import Settings

#: The rights, once; every login is a member. A login is never a member of another login.
GROUP = "bi_reader"
PASSWORD_BYTES = 32
#: What a reader's session may take: one query, one forgotten transaction, and how many sessions at once.
LIMITS = {
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "10s",
    "temp_file_limit": "1GB",
    "default_transaction_read_only": "on",
    "search_path": "marts",
}
CONNECTIONS = 10

RIGHTS = """
do $$
begin
    if to_regrole('bi_reader') is null then
        create role bi_reader nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls;
    end if;
end
$$;
create schema if not exists marts;
grant usage on schema marts to bi_reader;
grant select on all tables in schema marts to bi_reader;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login and its password, which is shown once and stored nowhere."""

    user: str
    password: str


def add(settings: Settings, business_id: int) -> Login:
    """Create the login of a business. Raises ConfigurationError for an unknown business or when it has one."""
    with closing(settings.warehouse.connect()) as connection, connection:
        database = _known(connection, business_id)
        user = login_of(database, business_id)
        if _exists(connection, user):
            raise ConfigurationError(f"business {business_id} has the login {user}", "rotate it for a new password")
        connection.execute(RIGHTS.encode())
        login = Login(user=user, password=secrets.token_urlsafe(PASSWORD_BYTES))
        connection.execute(
            sql.SQL(
                "create role {} login inherit nosuperuser nocreatedb nocreaterole nobypassrls connection limit {}"
                " password {} in role {}"
            ).format(sql.Identifier(user), sql.Literal(CONNECTIONS), sql.Literal(login.password), sql.Identifier(GROUP))
        )
        for name, value in LIMITS.items():
            _limit(connection, user, name, value)
        connection.execute(
            "insert into ops.tenant_grants (role_name, business_id) values (%s, %s) on conflict do nothing",
            (user, business_id),
        )
    return login


def rotate(settings: Settings, business_id: int) -> Login:
    """Give the login of a business a new password and end its sessions. Raises ConfigurationError without one."""
    with closing(settings.warehouse.connect()) as connection, connection:
        user = _login(connection, business_id)
        login = Login(user=user, password=secrets.token_urlsafe(PASSWORD_BYTES))
        connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(user), sql.Literal(login.password))
        )
        _end_sessions(connection, user)
    return login


def remove(settings: Settings, business_id: int) -> str:
    """Drop the login of a business and end its sessions; return its name. Raises ConfigurationError without one."""
    with closing(settings.warehouse.connect()) as connection, connection:
        user = _login(connection, business_id)
        connection.execute("delete from ops.tenant_grants where role_name = %s", (user,))
        connection.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(user)))
        _end_sessions(connection, user)
        connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(user)))
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))
    return user


def login_of(database: str, business_id: int) -> str:
    """Return the name of a business's login: logins belong to the server, so it holds the database's name."""
    return f"bi_{database[:40]}_{business_id}"


def _known(connection: psycopg.Connection[Any], business_id: int) -> str:
    row = connection.execute(
        "select current_database() from ops.businesses where business_id = %s", (business_id,)
    ).fetchone()
    if row is None:
        raise ConfigurationError(f"there is no business {business_id}", "load it with `accounts load`")
    return str(row[0])


def _login(connection: psycopg.Connection[Any], business_id: int) -> str:
    row = connection.execute("select current_database()").fetchone()
    user = login_of(str(row[0]) if row else "", business_id)
    if not _exists(connection, user):
        raise ConfigurationError(f"business {business_id} has no login", "add it with `tenants add`")
    return user


def _exists(connection: psycopg.Connection[Any], user: str) -> bool:
    return connection.execute("select 1 from pg_catalog.pg_roles where rolname = %s", (user,)).fetchone() is not None


def _limit(connection: psycopg.Connection[Any], user: str, name: str, value: str) -> None:
    """Set what every session of the login begins with; temp_file_limit only a superuser may."""
    statement = sql.SQL("alter role {} set {} = {}").format(
        sql.Identifier(user), sql.Identifier(name), sql.Literal(value)
    )
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        if name != "temp_file_limit":
            raise


def _end_sessions(connection: psycopg.Connection[Any], user: str) -> None:
    connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (user,))
