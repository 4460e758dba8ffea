"""One day is taken in ten times, from the same landed rows and in other orders: the marts are the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from extractors.settings import Settings
from insights.run import run as judge
from local import postgres
from tests.warehouse.conftest import PROJECT, Environment, connect, read
from tests.warehouse.landing import AS_OF, FACEBOOK, INSTAGRAM, land
from tests.warehouse.test_increments import land_late_arrivals
from tests.warehouse.test_reconciliation import facebook_post
from tests.warehouse.test_stories_and_accounts import stories

pytestmark = pytest.mark.slow

#: How a day's runs arrive: in how many builds, and whether the last one is a full refresh.
ORDERS = ((1, False), (1, False), (1, False), (1, False), (2, False), (2, False), (2, False), (2, False), (3, False),
          (1, True))  # fmt: skip
#: What is by definition of the moment: when a publication or an audit was made, and what age something has at reading.
OF_THE_MOMENT = {
    "data_freshness": {"age_hours", "last_published_at"},
    "reconciliation": {"audited_at"},
    "reconciliation_totals": {"audited_at"},
}
#: A run is audited once, against what core and marts held when it came: what came later may have superseded it since.
AUDITS = {"reconciliation", "reconciliation_totals"}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A digest of each mart after the day was taken in, in one of the orders."""

    is_audited_at_once: bool
    digests: Mapping[str, str]


def land_the_day(connection: psycopg.Connection[Any]) -> None:
    """A day with everything in it, before any gate has judged: late, restated, edited, new, stories, numbers anew."""
    land_late_arrivals(connection)
    for number, likes in enumerate((7, 9, 8)):
        at = AS_OF.replace(hour=15 + number)
        land(connection, FACEBOOK, "posts", {"1_7": facebook_post(likes), f"1_8{number}": facebook_post(1)}, at=at)
    for version in list(stories())[:12]:
        land(connection, INSTAGRAM, "stories", {version.key: version.payload}, at=version.at)


def shuffled(connection: psycopg.Connection[Any], runs: Sequence[tuple[Any, str]], rng: random.Random) -> None:
    """Let the rows of some runs, with the runs themselves, lie in another order than they came."""
    for run_id, stream in rng.sample(runs, len(runs)):
        table = sql.Identifier("raw", stream)
        connection.execute(sql.SQL("create temporary table mixed as select * from {}").format(table))
        for statement in ("delete from {} where run_id = %s",
                          "insert into {} select * from mixed where run_id = %s order by random()"):  # fmt: skip
            connection.execute(sql.SQL(statement).format(table), (run_id,))
        connection.execute("drop table mixed")


@dataclass(frozen=True, slots=True)
class Builder:
    """dbt in this process, its project read once."""

    keys: Mapping[str, Sequence[str]]
    invoke: Callable[[list[str]], Any]

    def core(self, *more: str) -> None:
        """Take in what has passed, and recompute the statistics."""
        done = self.invoke(["run", "--select", "core", *more])
        assert done.success, [result.message for result in done.result.results if result.status == "error"]


@pytest.fixture(scope="module")
def day(new_database: Callable[[str], Environment], built: Environment) -> Environment:
    """The published warehouse of yesterday, with the runs of a day that nobody has judged."""
    environment = new_database(built["PGDATABASE"])
    with connect(environment) as connection:
        known = [row[0] for row in connection.execute("select run_id from ops.extract_runs")]
        land_the_day(connection)
        connection.execute("update ops.extract_runs set gate = 'pending' where run_id <> all(%s)", (known,))
    return environment


@pytest.fixture(scope="module")
def builder(day: Environment, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """dbt for databases of one name."""
    from dbt.cli.main import dbtRunner

    where = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    target = str(tmp_path_factory.mktemp("dbt"))
    variables = {"PIPELINE_NOW": AS_OF.isoformat(), "DBT_TARGET_PATH": target, "DBT_LOG_PATH": target}
    variables |= day | {"PGDATABASE": "rebuilt"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        manifest = dbtRunner().invoke(["parse", *where]).result

    def invoke(arguments: list[str]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return dbtRunner(manifest=manifest).invoke([*arguments, *where])

    marts = [node for node in manifest.nodes.values() if node.resource_type == "model" and node.fqn[1] == "publish"]
    return Builder({node.name: node.config.meta["key"] for node in marts if "read_as" not in node.config.meta}, invoke)


@pytest.fixture(scope="module")
def rebuilt(server: postgres.Server, day: Environment, builder: Builder, publication: str) -> list[Rebuilt]:
    """The marts after each of ten rebuilds, every one of them begun from yesterday's warehouse."""
    environment = {**day, "PGDATABASE": "rebuilt"}
    found = []
    for number, (builds, is_full) in enumerate(ORDERS):
        renewed(server, "rebuilt", day["PGDATABASE"])
        rng = random.Random(number)
        with connect(environment) as connection:
            rows = connection.execute("select run_id, stream from ops.extract_runs where gate = 'pending' order by 1")
            runs = rng.sample(found_runs := rows.fetchall(), len(found_runs))
            if number:
                shuffled(connection, runs, rng)
            for part in range(builds):
                ids = [run_id for run_id, _ in runs[part::builds]]
                connection.execute("update ops.extract_runs set gate = 'passed' where run_id = any(%s)", (ids,))
                builder.core(*(["--full-refresh"] if is_full else []))
            judge(Settings.from_environment({**os.environ, **environment}))
            connection.execute(publication.encode())
        found.append(
            Rebuilt(
                builds == 1 and not is_full,
                {mart: digest(environment, mart, key) for mart, key in builder.keys.items()},
            )
        )
    return found


def renewed(server: postgres.Server, name: str, template: str) -> None:
    """Make a database anew from another: dbt has its name in every relation it knows."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        statement = "create database {} template {} strategy file_copy"
        connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(template)))


def digest(environment: Environment, mart: str, key: Sequence[str]) -> str:
    """The SHA-256 of a mart's rows as COPY writes them, in the order of its key."""
    names = read(environment, "select column_name::text as name from information_schema.columns"
                 " where table_schema = 'marts' and table_name = %s order by ordinal_position", mart)  # fmt: skip
    kept = [row["name"] for row in names if row["name"] not in OF_THE_MOMENT.get(mart, ())]
    lists = [sql.SQL(", ").join(map(sql.Identifier, columns)) for columns in (kept, key)]
    query = sql.SQL("copy (select {} from {} order by {}) to stdout").format(
        lists[0], sql.Identifier("marts", mart), lists[1]
    )
    found = hashlib.sha256()
    with connect(environment) as connection, connection.cursor().copy(query) as copy:
        for data in copy:
            found.update(data)
    return found.hexdigest()


@pytest.mark.fault("E14")
def test_a_day_taken_in_ten_times_in_any_order_gives_the_same_bytes(rebuilt: list[Rebuilt]) -> None:
    assert len(rebuilt) == 10
    assert len(rebuilt[0].digests) > 20
    for one in rebuilt[1:]:
        compared = set(one.digests) - (set() if one.is_audited_at_once else AUDITS)
        assert {mart for mart in compared if one.digests[mart] != rebuilt[0].digests[mart]} == set()


def test_the_day_shows_in_the_marts(rebuilt: list[Rebuilt], built: Environment, builder: Builder) -> None:
    changed = {mart for mart, key in builder.keys.items() if digest(built, mart, key) != rebuilt[0].digests[mart]}
    assert {"post_performance", "story_performance", "restatements", "audience_growth", "post_velocity"} <= changed
