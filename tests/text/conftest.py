"""A database with the SQL functions that read texts, shared by all their tests: they write nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from extractors.settings import Settings


@pytest.fixture(scope="session")
def texts(new_database: Callable[[str], dict[str, str]], migrated_template: str) -> Iterator[psycopg.Connection]:
    """Return a connection to a migrated database."""
    settings = Settings.from_environment(new_database(migrated_template))
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        yield connection
