"""The whole pipeline on a seeded world, once as it is and once more after three days; built one time for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.conftest import ROOT
from tests.pipeline import oracle

ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
DAYS_LATER = 3


@dataclass(slots=True)
class Pipeline:
    """A warehouse with its simulator, and the instants at which the pipeline looked."""

    environment: dict[str, str]
    world: World
    simulator: Simulator
    observed: list[datetime] = field(default_factory=list)

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of the project as a user does."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{arguments}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def extract(self) -> str:
        """Read everything that is due at the simulator's instant."""
        now = self.simulator.clock.now()
        self.environment["PIPELINE_NOW"] = now.isoformat()
        self.observed.append(now)
        return self.command("extractors", "run").stdout

    def build(self) -> None:
        """Raw to core, statistics, published marts, as the `transform` DAG does."""
        self.dbt("staging", "intermediate", "core")
        self.command("insights", "run")
        self.dbt("publish")

    def dbt(self, *layers: str) -> None:
        """Build some layers."""
        where = ("--project-dir", "dbt_project", "--profiles-dir", "dbt_project")
        self.command("dbt.cli.main", "build", *where, "--select", *layers)


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build, to be compared with the world it came from."""

    environment: dict[str, str]
    world: World
    observed: tuple[datetime, ...]

    @property
    def now(self) -> datetime:
        """The instant of the last look."""
        return self.observed[-1]

    @property
    def timezones(self) -> dict[int, str]:
        """The zone of each business."""
        return {business.business_id: business.timezone for business in self.world.businesses}

    def posts(self) -> pd.DataFrame:
        """The world's organic posts as the marts must have them."""
        return oracle.prepared(self.world.expected_posts(self.observed), self.timezones)

    def today(self) -> dict[int, object]:
        """Each business's own day."""
        return oracle.todays(self.now, self.timezones)

    def table(self, relation: str) -> pd.DataFrame:
        """One relation of the warehouse as a frame."""
        with Settings.from_environment(self.environment).warehouse.connect() as connection:
            cursor = connection.execute(f"select * from {relation}")
            names = [column.name for column in cursor.description or []]
            return pd.DataFrame(cursor.fetchall(), columns=names)


@pytest.fixture(scope="session")
def builds(
    new_database: Callable[[str], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Built]]:
    """Both builds, each in a database of its own."""
    with Simulator(build_world(seed=7, anchor=ANCHOR), now=ANCHOR) as simulator:
        environment = {**new_database("template0"), **simulator.environment(), **simulator.world.environment()}
        environment["DBT_TARGET_PATH"] = str(tmp_path_factory.mktemp("dbt"))
        pipeline = Pipeline(environment, simulator.world, simulator)
        accounts = tmp_path_factory.mktemp("accounts") / "accounts.yml"
        accounts.write_text(simulator.world.accounts_yaml())
        pipeline.command("extractors", "migrate")
        pipeline.command("extractors", "accounts", "load", str(accounts))
        yield {"first": _first(pipeline, new_database), "second": _second(pipeline)}


def _first(pipeline: Pipeline, new_database: Callable[[str], dict[str, str]]) -> Built:
    pipeline.extract()
    pipeline.build()
    copy = new_database(pipeline.environment["PGDATABASE"])
    return Built({**pipeline.environment, **copy}, pipeline.world, tuple(pipeline.observed))


def _second(pipeline: Pipeline) -> Built:
    pipeline.simulator.clock.advance(timedelta(days=DAYS_LATER))
    pipeline.extract()
    pipeline.build()
    return Built(dict(pipeline.environment), pipeline.world, tuple(pipeline.observed))


@pytest.fixture(params=["first", "second"])
def built(request: pytest.FixtureRequest, builds: dict[str, Built]) -> Built:
    """The first build, and the one after three days."""
    return builds[request.param]
