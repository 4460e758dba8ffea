"""C17: the warehouse behind a pooler by transactions, each in whichever session is free."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from extractors.settings import Settings
from local import postgres
from simulator.server import Simulator
from tests.aftermath import assert_survived
from tests.extractors.conftest import Extract
from tests.extractors.pooling import Pooler, pooling

INI = """
[databases]
* = host={PGHOST} port={PGPORT}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = 3
unix_socket_dir =
ignore_startup_parameters = options, extra_float_digits
logfile = {directory}/log
"""


@pytest.fixture
def pooler(environment: dict[str, str]) -> Iterator[Pooler]:
    """A pooler of the tests' own: three sessions for everybody, in turn."""
    with pooling(environment) as running:
        yield running


@pytest.fixture
def pooled(environment: dict[str, str], pooler: Pooler) -> dict[str, str]:
    """The same warehouse as the pooler shows it."""
    return {**environment, "PGPORT": str(pooler.port)}


@pytest.fixture
def bounced(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same warehouse behind PgBouncer, where it is installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer); C17 is proven without it")
    directory, port, owner = Path(tempfile.mkdtemp(prefix="pooler-")), postgres.free_port(), postgres._owner()
    (directory / "pooler.ini").write_text(INI.format(**environment, port=port, directory=directory))
    (directory / "users.txt").write_text(f'"{environment["PGUSER"]}" "{environment["PGPASSWORD"]}"\n')
    if owner is not None:
        for path in (directory, *directory.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    name = owner.pw_name if owner is not None else None
    with subprocess.Popen([program, "-q", str(directory / "pooler.ini")], user=name, stderr=subprocess.DEVNULL) as run:
        behind = {**environment, "PGPORT": str(port)}
        _wait(behind)
        yield behind
        run.terminate()
    shutil.rmtree(directory)


def _wait(environment: dict[str, str]) -> None:
    for _ in range(100):
        try:
            psycopg.connect(Settings.from_environment(environment).warehouse.url().replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the pooler does not answer")


@pytest.mark.fault("C17")
def test_an_extraction_through_a_transaction_pooler_is_exact(
    extract: Extract, pooled: dict[str, str], environment: dict[str, str], pooler: Pooler, simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):  # fmt: skip
    results = extract("twitter", "facebook", base_urls={}, warehouse=pooled)
    assert {result.state for result in results} == {"complete"}
    assert len(set(pooler.served)) >= 3, "its transactions were in several sessions"
    names = [f"{platform}__{stream}" for platform in ("twitter", "facebook") for stream in ("posts", "profile")]
    assert_survived(environment, undisturbed("twitter", "facebook"), simulator, names=names)


@pytest.mark.fault("C17")
def test_a_pooler_is_recognised_and_prepared_statements_are_left_out(
    pooled: dict[str, str], environment: dict[str, str]
):
    with Settings.from_environment(pooled).warehouse.connect() as behind:
        assert behind.prepare_threshold is None
    with Settings.from_environment(environment).warehouse.connect() as direct:
        assert direct.prepare_threshold == 5


def test_statements_prepared_in_spite_of_a_pooler_fail(pooled: dict[str, str]):
    """So the pooler here is as unforgiving as one is, and the case is about something."""
    with Settings.from_environment(pooled).warehouse.connect() as behind:
        behind.autocommit = True
        behind.prepare_threshold = 0
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            behind.execute("select 1")


def test_an_extraction_through_pgbouncer_is_exact(
    extract: Extract, bounced: dict[str, str], simulator: Simulator, undisturbed: Callable[..., dict[str, str]]
):
    results = extract("twitter", "facebook", base_urls={}, warehouse=bounced)
    assert {result.state for result in results} == {"complete"}
    assert_survived(bounced, undisturbed("twitter", "facebook"), simulator, names=["twitter__posts", "facebook__posts"])
