"""The whole pipeline on a seeded world, built at once and again nine days later, when much has happened.

Between the two builds the clock advances four times, counters grow, likes are withdrawn, posts are deleted on every
platform, and one look is refused by the gate. Built one time for all tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from expectations.gate import validate_pending
from extractors.extract import extract_account
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.conftest import ROOT
from tests.pipeline import moments, oracle

ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: The looks after the first one, and what happens between them, in hours after it.
REFUSED_AT, DELETED_AT, LOOKS_AT = 20, 26, (36, 84, 210)
#: Whose look is refused.
REFUSED = {"platform": "facebook", "account_id": "102030405060702", "business_id": 2}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What all comparisons come to is asked last."""
    items.sort(key=lambda item: item.path.name == "test_every_column_has_an_oracle.py")


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

    def look_in_vain(self) -> None:
        """Read the posts of one account, lose a row of what was read, and let the gate notice."""
        self.environment["PIPELINE_NOW"] = self.simulator.clock.now().isoformat()
        settings = Settings.from_environment({**os.environ, **self.environment})
        (result,) = extract_account(settings, REFUSED, streams=["posts"])
        assert result.stored > 10
        with settings.warehouse.connect() as connection:
            connection.execute(
                "delete from raw.facebook__posts where run_id = %(run)s and record_key ="
                " (select min(record_key) from raw.facebook__posts where run_id = %(run)s)",
                {"run": result.run_id},
            )
        (gate,) = validate_pending(settings, ["facebook"])
        assert not gate.passed

    def delete_posts(self) -> None:
        """Delete a young and an older post that every account had at the last look; both would have been read again."""
        seen_at = self.observed[-1]
        for account in self.simulator.world.accounts:
            seen = [post for post in self.simulator.world.listed(account, seen_at) if post.is_organic]
            self.simulator.delete(account.platform, *(post.post_id for post in seen[4:10:5]))

    def build(self) -> None:
        """Raw to core, statistics, marts, as the DAG `transform` does; looks get the simulator's instants."""
        moments.move(self.environment)
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

    @property
    def deleted(self) -> set[str]:
        """The ids of the posts that somebody has deleted."""
        return {post_id for (_, post_id), post in self.world.by_id.items() if post.gone_at is not None}

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
            frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or []])
        frame.attrs["relation"] = relation
        return frame


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
    clock = pipeline.simulator.clock
    clock.set(ANCHOR + REFUSED_AT * HOUR)
    pipeline.look_in_vain()
    clock.set(ANCHOR + DELETED_AT * HOUR)
    pipeline.delete_posts()
    for hours in LOOKS_AT:
        clock.set(ANCHOR + hours * HOUR)
        pipeline.extract()
    pipeline.build()
    return Built(dict(pipeline.environment), pipeline.simulator.world, tuple(pipeline.observed))


@pytest.fixture(params=["first", "second"])
def built(request: pytest.FixtureRequest, builds: dict[str, Built]) -> Built:
    """The first build, and the one after nine days."""
    return builds[request.param]
