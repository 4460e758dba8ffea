"""A database that holds the migrations, for the SQL functions that read texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from local import postgres

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def migrate(url: str) -> None:
    """Run every migration on an empty database."""
    engine = sqlalchemy.create_engine(url)
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        connection.exec_driver_sql("create schema if not exists ops")
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
    engine.dispose()


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """Return a connection to a migrated database."""
    home = tmp_path_factory.mktemp("texts")
    server = postgres.start(home, settings=postgres.EPHEMERAL)
    try:
        migrate(server.url("postgres"))
        with psycopg.connect(server.url("postgres", driver="postgresql"), autocommit=True) as connection:
            yield connection
    finally:
        postgres.remove(home)
