"""Creates or upgrades what the pipeline owns in the warehouse: `ops` by alembic, the raw tables from the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config

from extractors import partitions
from extractors.errors import WarehouseUnavailable
from extractors.registry import streams
from extractors.selfcheck import check, record
from extractors.settings import Settings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
SCHEMAS = ("ops", "raw")
# Two migrations at once wait for each other on this key.
LOCK = "select pg_advisory_xact_lock(hashtextextended('social-analytics migrate', 0))"

RAW_TABLE = """
create table if not exists raw.{name} (
    run_id uuid not null,
    business_id bigint not null,
    account_id text not null,
    record_key text not null,
    observed_at timestamptz not null,
    payload_hash bytea not null check (octet_length(payload_hash) = 32),
    payload jsonb not null check (jsonb_typeof(payload) = 'object'),
    primary key (business_id, account_id, record_key, observed_at)
) partition by range (observed_at)
"""
RAW_INDEX = "create index if not exists {name}_run_id on raw.{name} (run_id)"
# Half of each page is left free: a changed version then stays in its page, and the index as it is.
LAST_VERSIONS = """
create table if not exists last_versions.{name} (
    business_id bigint not null,
    observed_at timestamptz not null,
    account_id text not null,
    record_key text not null,
    payload_hash bytea not null,
    primary key (business_id, account_id, record_key)
) with (fillfactor = 50)
"""
FOLLOWED = "select count(*) from pg_trigger where tgrelid = 'raw.{name}'::regclass and tgname like 'versions%'"
FOLLOW = """
create trigger versions_went after delete on raw.{name} referencing old table as went
for each statement execute function ops.versions_went();
create trigger versions_moved after update on raw.{name} referencing old table as went new table as came
for each statement execute function ops.versions_moved();
create trigger versions_emptied after truncate on raw.{name}
for each statement execute function ops.versions_emptied();
"""


def migrate(settings: Settings) -> None:
    """Bring the warehouse to this version; safe to repeat. Raises WarehouseUnavailable."""
    # The connection test gives the plain error; SQLAlchemy's would quote the address.
    settings.warehouse.connect().close()
    engine = sqlalchemy.create_engine(settings.warehouse.url(), poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except sqlalchemy.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise WarehouseUnavailable(
            f"the warehouse {settings.warehouse} was not migrated: {reason}",
            "the login needs the right to create schemas and tables; nothing was changed",
        ) from None


def _upgrade(connection: sqlalchemy.Connection) -> None:
    connection.execute(sqlalchemy.text("set local lock_timeout = '30s'"))
    connection.execute(sqlalchemy.text(LOCK))
    # A load that waits behind our wait for a table tries again for longer than this (extractors/patience.py).
    connection.execute(sqlalchemy.text("set local lock_timeout = '5s'"))
    check(_own(connection))
    for schema in SCHEMAS:
        connection.execute(sqlalchemy.text(f"create schema if not exists {schema}"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    names = [stream.full_name for stream in streams()]
    for name in names:
        _create(connection, name)
    partitions.prepare(_own(connection), names)
    record(_own(connection))


def _create(connection: sqlalchemy.Connection, name: str) -> None:
    """Create the raw table of a stream, its last versions, and what keeps these in step, where they are not there."""
    connection.execute(sqlalchemy.text(RAW_TABLE.format(name=name)))
    connection.execute(sqlalchemy.text(RAW_INDEX.format(name=name)))
    connection.execute(sqlalchemy.text(LAST_VERSIONS.format(name=name)))
    if not connection.execute(sqlalchemy.text(FOLLOWED.format(name=name))).scalar():
        connection.execute(sqlalchemy.text(FOLLOW.format(name=name)))


def _own(connection: sqlalchemy.Connection) -> psycopg.Connection[Any]:
    """The same session as psycopg knows it, inside the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)
