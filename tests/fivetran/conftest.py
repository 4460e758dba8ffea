"""Warehouses whose posts Fivetran loaded, and the fixtures of the dbt tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fivetran import seeds
from tests.warehouse.conftest import Dbt, Environment, built, connect, copy, dbt

__all__ = ["built", "copy", "dbt", "from_fivetran"]


@pytest.fixture(scope="session")
def from_fivetran(new_database: Callable[[str], Environment], migrated_template: str, dbt: Dbt) -> Environment:
    """A published warehouse over the connectors' tables, in strict mode; tests that change it take a copy."""
    if not seeds.FOLDER.is_dir():
        pytest.skip("needs the folder shared beside the repository")
    environment = new_database(migrated_template)
    with connect(environment) as connection:
        connection.execute(
            "insert into ops.businesses (business_id, name, timezone)"
            " values (1, 'Fivetran', 'America/Los_Angeles'), (2, 'Other', 'Europe/Berlin')"
        )
        connection.execute("set time zone 'UTC'")
        assert seeds.load(connection, types=seeds.SOME_TYPES) == 24
    dbt(environment, "build", "--exclude-resource-type", "unit_test", "--vars", seeds.variables("strict"))
    return environment
