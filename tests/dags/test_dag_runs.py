"""The DAGs themselves, run by Airflow in this process, against the simulator and a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extractors import accounts
from extractors.settings import Settings
from local import environment
from simulator.server import Simulator
from simulator.world import World, build_world

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

#: What reads those who had to wait for a limit: nothing to do where nobody has to.
LATER = ("later", "later_verdict")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    """A few accounts on each platform."""
    return build_world(seed=7, anchor=NOW, scale=0.02)


@pytest.fixture(scope="module")
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world, now=NOW) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished DAG run: its state, and each task's."""

    state: str
    tasks: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The DAGs, and the warehouse they work on."""

    bag: DagBag
    warehouse: Mapping[str, str]

    def run(self, dag_id: str, **conf: Any) -> Ended:
        run = self.bag.dags[dag_id].test(run_conf=conf or None)
        tasks = {
            f"{each.task_id}[{each.map_index}]" if each.map_index >= 0 else each.task_id: str(each.state)
            for each in run.get_task_instances()
        }
        return Ended(str(run.state), tasks)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with Settings.from_environment(self.warehouse).warehouse.connect() as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture
def pipeline(
    migrated_bag: DagBag, world: World, simulator: Simulator, warehouse: dict[str, str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> Pipeline:  # fmt: skip
    """A warehouse with the world's accounts loaded, and the environment of the local stack."""
    found = {
        **warehouse, **simulator.environment(), **world.environment(),
        "AIRFLOW_CONN_WAREHOUSE": environment.connection(warehouse), "PIPELINE_NOW": NOW.isoformat(),
        "EXPORTS_DIR": str(tmp_path / "exports"), "DATA_DOCS_DIR": str(tmp_path / "docs"),
        "DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs"),
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "accounts.yml"
    path.write_text(world.accounts_yaml())
    accounts.load(Settings.from_environment(), path)
    simulator.clear_calls()
    return Pipeline(migrated_bag, warehouse)


def twitter_accounts(world: World) -> list[Any]:
    return [each for business in world.businesses for each in business.accounts if each.platform == "twitter"]


def asset_events(name: str) -> int:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        query = select(func.count()).select_from(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return int(session.scalar(query.where(AssetModel.name == name)) or 0)


def stored_xcoms() -> str:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return json.dumps([str(value) for value in session.scalars(select(XComModel.value))])


@pytest.mark.fault("D13")
def test_a_platform_is_read_checked_and_announced_and_no_xcom_holds_a_secret(pipeline: Pipeline, world: World) -> None:
    announced = asset_events("raw_twitter")
    ended = pipeline.run("extract_twitter")
    assert ended.state == "success", ended
    assert {ended.tasks.pop(name) for name in ("verdict", *LATER)} == {"skipped"}
    assert set(ended.tasks.values()) == {"success"}
    assert asset_events("raw_twitter") == announced + 1
    runs = pipeline.rows("select state, gate, count(distinct account_id) from ops.extract_runs group by 1, 2")
    assert runs == [("complete", "passed", len(twitter_accounts(world)))]
    assert pipeline.rows("select count(*) > 0 from raw.twitter__posts") == [(True,)]
    tokens = [json.loads(value)["password"] for value in world.environment().values()]
    kept = stored_xcoms()
    assert twitter_accounts(world)[0].account_id in kept
    assert not [secret for secret in [*tokens, pipeline.warehouse["PGPASSWORD"]] if secret in kept]


@pytest.mark.fault("D11")
def test_one_account_with_a_wrong_token_is_red_alone(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong, *others = twitter_accounts(world)
    monkeypatch.setenv(f"AIRFLOW_CONN_{wrong.credential.upper()}", json.dumps({"password": "no-such-token-at-all"}))
    announced = asset_events("raw_twitter")
    ended = pipeline.run("extract_twitter")
    assert ended.state == "failed"
    assert ended.tasks == {
        "plan": "success", "extract[0]": "failed", "validate": "success", "problems": "success", "verdict[0]": "failed",
        "waits": "success", **dict.fromkeys(LATER, "skipped"),
    }  # fmt: skip
    assert asset_events("raw_twitter") == announced + 1
    landed = pipeline.rows(
        "select distinct account_id from ops.extract_runs where state = 'complete' and gate = 'passed'"
    )
    assert {row[0] for row in landed} == {each.account_id for each in others}
    printed = "".join(capfd.readouterr())
    assert f"1 of {len(others) + 1} accounts not read: renew the token: " in printed
    assert f"twitter account {wrong.account_id} of business" in printed
    assert "no-such-token-at-all" not in printed


def test_a_run_that_the_gate_holds_back_is_red_and_the_rest_is_announced(
    pipeline: Pipeline, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    account = twitter_accounts(world)[0]
    plant_a_bad_run(pipeline, account)
    announced = asset_events("raw_twitter")
    ended = pipeline.run("extract_twitter")
    assert ended.state == "failed"
    assert {task for task, state in ended.tasks.items() if state == "failed"} == {"verdict[0]"}
    assert asset_events("raw_twitter") == announced + 1
    gates = dict(pipeline.rows("select gate, count(*) from ops.extract_runs group by 1"))
    assert gates["quarantined"] == 1
    assert f"twitter account {account.account_id} of business" in (printed := "".join(capfd.readouterr()))
    assert "look at the rows: the gate refused the run" in printed


def plant_a_bad_run(pipeline: Pipeline, account: Any) -> None:
    """A run whose only row is no post at all."""
    business = next(
        row[0]
        for row in pipeline.rows("select business_id from ops.accounts where account_id = %s", account.account_id)
    )
    with Settings.from_environment(pipeline.warehouse).warehouse.connect() as connection:
        connection.execute(BAD_RUN, {"business": business, "account": account.account_id, "now": NOW})


BAD_RUN = """
with run as (
    insert into ops.extract_runs (
        run_id, business_id, platform, account_id, stream, state, as_of, window_until,
        lease_expires_at, listed, stored, finished_at
    )
    values (
        gen_random_uuid(), %(business)s, 'twitter', %(account)s, 'twitter__posts', 'complete', %(now)s, %(now)s,
        now(), 1, 1, now()
    )
    returning run_id
)
insert into raw.twitter__posts (run_id, business_id, account_id, record_key, observed_at, payload_hash, payload)
select run_id, %(business)s, %(account)s, 'bad', now(), sha256('bad'), '{"id": "bad"}' from run
"""


def test_nothing_is_announced_when_no_account_could_be_read(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for account in twitter_accounts(world):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{account.credential.upper()}", json.dumps({"password": "no-such-token-at-all"})
        )
    announced = asset_events("raw_twitter")
    ended = pipeline.run("extract_twitter")
    assert ended.state == "failed"
    assert (ended.tasks["validate"], ended.tasks["verdict[0]"]) == ("skipped", "failed")
    assert asset_events("raw_twitter") == announced


@pytest.mark.parametrize(
    "conf",
    [
        {"business_id": "one"},
        {"business_id": 0},
        {"platforms": ["myspace"]},
        {"platforms": []},
        {"platforms": ["twitter", "twitter"]},
        {"since": "yesterday"},
    ],
)
def test_sync_refuses_wrong_parameters_before_anything_runs(
    pipeline: Pipeline, simulator: Simulator, conf: dict[str, Any]
) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises((AirflowException, ValueError)):
        pipeline.run("sync", **conf)
    assert simulator.calls == []


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"business": 1}, "unknown parameters: business; known are business_id, platforms, since"),
        ({"business_id": 4711}, "business 4711 has no enabled account on linkedin, twitter, facebook, instagram"),
    ],
)
def test_sync_refuses_what_the_schema_cannot_see_and_calls_nobody(
    pipeline: Pipeline, simulator: Simulator, conf: dict[str, Any], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = pipeline.run("sync", **conf)
    assert ended.state == "failed"
    assert ended.tasks["check"] == "failed"
    assert said in "".join(capfd.readouterr())
    assert simulator.calls == []
    assert pipeline.rows("select * from ops.extract_runs") == []


def test_sync_reads_the_business_and_the_platforms_it_is_asked_for(pipeline: Pipeline, world: World) -> None:
    business = world.businesses[0]
    announced = asset_events("raw_linkedin"), asset_events("raw_twitter")
    ended = pipeline.run("sync", business_id=business.business_id, platforms=["linkedin"], since=None)
    assert ended.state == "success", ended
    read = pipeline.rows("select distinct business_id, platform from ops.extract_runs")
    assert read == [(business.business_id, "linkedin")]
    assert (asset_events("raw_linkedin"), asset_events("raw_twitter")) == (announced[0] + 1, announced[1])


def test_transform_builds_the_marts_and_the_report_is_written(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.run("extract_twitter")
    assert pipeline.run("transform").tasks == {"core": "success", "insights": "success", "publish": "success"}
    posts = pipeline.rows("select count(*) from marts.post_performance")
    assert posts[0][0] > 0
    ended = pipeline.run("report_weekly_overview")
    assert ended.state == "success", ended
    manifests = list((tmp_path / "exports").rglob("*.manifest.json"))
    assert len(manifests) == len(pipeline.rows("select business_id from ops.businesses"))


def test_a_failing_model_is_one_line_and_publishes_nothing(
    pipeline: Pipeline, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Settings.from_environment(pipeline.warehouse).warehouse.connect() as connection:
        connection.execute("drop table raw.linkedin__posts")
    from dags.dbt_layer import build

    settings = Settings.from_environment(pipeline.warehouse)
    with pytest.raises(Exception, match=r"dbt: .* nodes failed: .*stg_linkedin__posts") as caught:
        build(settings, "staging")
    assert "\n" not in str(caught.value)
