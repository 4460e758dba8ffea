"""One private PostgreSQL for the whole run; every test that asks gets a migrated database of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from extractors.migrate import migrate
from extractors.settings import Settings
from local import postgres

ROOT = Path(__file__).resolve().parent.parent
#: What others recorded or computed lies beside the repository; tests that need it skip where it is not.
SHARED = ROOT.parent / "shared"

#: A test that gets none of these runs in memory: `make unit` is all of those.
OUTSIDE = {"server", "simulator", "airflow_environment"}
#: These start servers and processes of their own, without a fixture.
OUTSIDE_FOLDERS = {ROOT / "tests" / "crashes", ROOT / "tests" / "live", ROOT / "tests" / "local"}


#: What their fixtures build for a whole session takes a minute: one worker builds it and runs every test that uses it.
#: They begin before all others, the longest first, so that no worker is left alone with one at the end.
TOGETHER = ("tests/live", "tests/warehouse", "tests/pipeline", "tests/dags")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs neither a database nor a server, and begin with what takes longest."""
    for item in items:
        if not OUTSIDE & set(getattr(item, "fixturenames", ())) and item.path.parent not in OUTSIDE_FOLDERS:
            item.add_marker(pytest.mark.unit)
    items.sort(key=lambda item: [*TOGETHER, unit_of_work(item.nodeid)].index(unit_of_work(item.nodeid)))


def unit_of_work(nodeid: str) -> str:
    """Return what one worker runs as a whole: a file, or a folder of files that share what is dear to build."""
    file = nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in TOGETHER else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal files to workers as `--dist loadfile` does, but some folders as one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid)

    config.option.loadscopereorder = False
    return Together(config, log)


#: A database is 500 files, and every test copies one: a disk needs many times as long for them as memory.
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp names what lies in it
ENOUGH_MEMORY = 2 * 1024**3


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """A throw-away server; its data lie in memory where there is enough of it."""
    directory = folder_for_servers() or tmp_path_factory.mktemp("postgres")
    yield postgres.start(directory, settings={**postgres.EPHEMERAL, "max_connections": "200"})
    postgres.remove(directory)


def folder_for_servers() -> Path | None:
    """Return a folder in memory for a server's data, or None where there is none, or too little."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH_MEMORY:
        return None
    if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:  # root copies the server's programs beside its data
        return None
    directory = Path(tempfile.mkdtemp(prefix="social-analytics-tests-", dir=MEMORY))
    directory.chmod(0o755)  # root hands the server to another account
    return directory


@pytest.fixture(scope="session")
def new_database(server: postgres.Server) -> Callable[[str], dict[str, str]]:
    """A maker of databases: takes the template's name, gives libpq's variables of a fresh copy."""
    numbers = itertools.count(1)

    def make(template: str = "template0") -> dict[str, str]:
        name = f"test_{next(numbers)}"
        with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
            connection.execute(f"create database {name} template {template} strategy file_copy encoding 'UTF8'")
        return server.environment(name)

    return make


@pytest.fixture(scope="session")
def migrated_template(new_database: Callable[[str], dict[str, str]]) -> str:
    """The name of a database with our tables and nothing in them."""
    environment = new_database("template0")
    migrate(Settings.from_environment(environment))
    return environment["PGDATABASE"]


@pytest.fixture
def warehouse(
    server: postgres.Server, new_database: Callable[[str], dict[str, str]], migrated_template: str
) -> Iterator[dict[str, str]]:
    """libpq's variables of a migrated, empty warehouse."""
    environment = new_database(migrated_template)
    yield environment
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        name = sql.Identifier(environment["PGDATABASE"])
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@pytest.fixture
def connection(warehouse: Mapping[str, str]) -> Iterator[psycopg.Connection]:
    """A connection to the test's warehouse that commits by itself."""
    with Settings.from_environment(warehouse).warehouse.connect() as opened:
        opened.autocommit = True
        yield opened
