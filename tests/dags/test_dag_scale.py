"""DAG runs with many accounts, in trouble and not: what lands, what a repeat reads, and what a person sees."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local import environment, inprocess
from tests import crowd
from tests.aftermath import assert_ledger_explains, assert_no_secret
from tests.crowd import Crowd

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Connection = psycopg.Connection[Any]


@pytest.fixture
def platform() -> Iterator[Crowd]:
    with crowd.serving(Crowd(posts=3)) as running:
        yield running


@pytest.fixture
def variables(platform: Crowd, warehouse: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **crowd.environment(platform, warehouse, credentials=250),
        "AIRFLOW_CONN_WAREHOUSE": environment.connection(warehouse), "PIPELINE_NOW": NOW.isoformat(),
        "DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs"),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """A DAG run that is over: its state, and each task's state and name in the UI."""

    state: str
    tasks: dict[str, str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Airflow:
    """The DAGs, and a way to run them."""

    bag: DagBag

    def run(self, dag_id: str, **asked: Any) -> Ended:
        return ended(self.bag.dags[dag_id].test(**asked))


def ended(run: Any) -> Ended:
    tasks, labels = {}, {}
    for each in run.get_task_instances():
        name = f"{each.task_id}[{each.map_index}]" if each.map_index >= 0 else each.task_id
        tasks[name] = str(each.state)
        labels[name] = each.rendered_map_index
    return Ended(str(run.state), tasks, labels)


@pytest.fixture
def airflow(migrated_bag: DagBag, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Airflow:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Airflow(migrated_bag)


def status(variables: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "extractors", "status", *arguments], capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    return done.stdout


NOBODY_WAITS = {"waits": "success", "later": "skipped", "later_verdict": "skipped"}
INSTANT = re.compile(r" until \d{4}-\d\d-\d\d \d\d:\d\d UTC")
WHAT_TO_DO = {
    "1001": "renew the token",
    "1002": "fix the permission",
    "1003": "wait",
    "1004": "look at the contract",
}


def test_each_account_in_trouble_says_which_of_four_things_it_is_and_the_healthy_one_is_published(
    airflow: Airflow, variables: dict[str, str], platform: Crowd, connection: Connection,
    capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    crowd.load(connection, 5)
    platform.dead.add("1001")
    platform.forbidden.add("1002")
    platform.limited["1003"] = 6 * 3600
    platform.strange.add("1004")
    run = airflow.run("extract_twitter")
    printed = "".join(capfd.readouterr())
    assert run.state == "failed"
    assert run.tasks["extract[0]"] == "failed"
    assert re.fullmatch(r"chunk 1: 1 of 5 accounts read, .* \d\d:\d\d UTC", run.labels["extract[0]"])
    verdicts = {INSTANT.sub("", label) for name, label in run.labels.items() if name.startswith("verdict")}
    assert sum(bool(INSTANT.search(label or "")) for label in run.labels.values()) == 1
    assert verdicts == {f"{action}: twitter {account} of business 1" for account, action in WHAT_TO_DO.items()}
    assert {state for name, state in run.tasks.items() if name.startswith("verdict")} == {"failed"}
    shown = status(variables, "--problems")
    for account, action in WHAT_TO_DO.items():
        line = f"twitter account {account} of business 1: {action}: "
        assert line in printed
        (one,) = [each for each in shown.splitlines() if each.startswith(line)]
        assert "; " in one, "the line says what to do"
    assert "the next call is allowed at" in shown
    assert airflow.run("transform").state == "success"
    published = connection.execute("select account_id, count(*) from marts.post_performance group by 1").fetchall()
    assert published == [("1005", 3)]
    assert_no_secret(variables, [crowd.TOKEN], printed, shown)


@pytest.mark.fault("D11")
def test_of_two_hundred_accounts_one_is_red_and_the_others_are_announced(
    airflow: Airflow, platform: Crowd, connection: Connection, variables: dict[str, str]
):
    crowd.load(connection, 200)
    platform.dead.add("1077")
    run = airflow.run("extract_twitter")
    assert run.tasks == {
        "plan": "success", "extract[0]": "failed", "validate": "success", "problems": "success", "verdict[0]": "failed",
        **NOBODY_WAITS,
    }  # fmt: skip
    assert run.labels["verdict[0]"] == "renew the token: twitter 1077 of business 1"
    passed = connection.execute(
        "select count(distinct account_id) from ops.extract_runs where state = 'complete' and gate = 'passed'"
    )
    assert passed.fetchone() == (199,)
    assert_ledger_explains_all_but(connection, "1077")
    assert_no_secret(variables, [crowd.TOKEN])


def assert_ledger_explains_all_but(connection: Connection, account_id: str) -> None:
    """Every other account's last runs are complete; this one's say who, what and what to do."""
    left = connection.execute(
        "select distinct account_id, error_class, error_message like '%%' || account_id || '%%; renew%%' "
        "from ops.extract_runs where state <> 'complete'"
    ).fetchall()
    assert left == [(account_id, "TokenDead", True)]


@pytest.mark.fault("D13")
def test_ten_thousand_accounts_make_forty_tasks_and_small_xcoms(
    airflow: Airflow, connection: Connection, platform: Crowd
):
    from contextlib import closing

    from extractors.planning import planned_chunks

    crowd.load(connection, 10_000, credentials=250)
    with closing(psycopg.connect(connection.info.dsn, password=connection.info.password)) as another:
        chunks = planned_chunks(another, "twitter", None)
    assert len(chunks) == 40
    assert {len(chunk["accounts"]) for chunk in chunks} == {250}
    assert len({tuple(each) for chunk in chunks for each in chunk["accounts"]}) == 10_000
    text = json.dumps(chunks)
    assert len(text) < 200_000
    assert len(text) < 20 * 10_000, "an id and a business, nothing else"
    assert "crowd" not in text, "no name of a credential, let alone its token"
    assert platform.calls == {}


KILLED = """
    import os, signal, sys
    from datetime import datetime
    import psycopg
    from local.inprocess import dag_bag

    done, execute = 0, psycopg.Connection.execute
    def counted(self, query, *arguments, **named):
        global done
        result = execute(self, query, *arguments, **named)
        if "set\\n    state = 'complete'" in str(query):
            done += 1
            if done == 7:
                os.kill(os.getpid(), signal.SIGKILL)
        return result
    psycopg.Connection.execute = counted
    moment = datetime.fromisoformat(sys.argv[1])
    dag_bag().dags["extract_twitter"].test(logical_date=moment, run_after=moment)
"""


@pytest.mark.fault("D02", "D01")
def test_a_task_killed_in_the_middle_reads_only_the_rest_when_it_is_tried_again(
    airflow: Airflow, connection: Connection, platform: Crowd, variables: dict[str, str]
):
    crowd.load(connection, 6)
    moment = datetime(2026, 11, 20, 3, tzinfo=UTC)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), moment.isoformat()],
        check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    finished = set(connection.execute("select account_id, stream from ops.extract_runs where state = 'complete'"))
    assert len(finished) >= 7
    before = platform.calls.total()
    run = airflow.run("extract_twitter", logical_date=moment, run_after=moment)
    assert run.state == "success", run
    again = connection.execute(
        "select account_id, stream, count(*) filter (where state = 'complete') from ops.extract_runs group by 1, 2"
    ).fetchall()
    assert {number for _, _, number in again} == {1}, "what was complete was not read again"
    assert platform.calls.total() < before + 6 * 4
    assert connection.execute("select count(*), count(distinct record_key) from raw.twitter__posts").fetchone() == (
        18,
        18,
    )
    assert_ledger_explains(variables)


RUN = """
    import sys
    from datetime import datetime
    from local.inprocess import dag_bag

    moment = datetime.fromisoformat(sys.argv[1])
    dag_bag().dags["extract_twitter"].test(logical_date=moment, run_after=moment)
"""


@pytest.mark.fault("D15")
def test_a_task_asked_to_end_gives_its_leases_back_and_is_up_for_retry(
    airflow: Airflow, connection: Connection, platform: Crowd, variables: dict[str, str]
):
    crowd.load(connection, 40)
    platform.seconds = 0.2
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN), datetime(2026, 11, 20, 4, tzinfo=UTC).isoformat()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    ) as process:  # fmt: skip
        for _ in range(12):
            assert platform.arrived.acquire(timeout=90)
        process.send_signal(signal.SIGTERM)
        line = next(line for line in process.stdout if "accounts not read: wait: " in line)
        process.kill()
    assert "the run was asked to end (SIGTERM)" in line
    left = connection.execute("select state, error_class, holder_pid from ops.extract_runs where state <> 'complete'")
    assert set(left.fetchall()) <= {("failed", "Stopped", None)}, "no lease is left behind"
    assert 0 < platform.calls.total() < 40 * 3, "the accounts that had not begun were left to the retry"


@pytest.mark.fault("D14")
def test_an_extract_ends_well_while_the_metadata_database_is_gone(
    airflow: Airflow, connection: Connection, platform: Crowd, variables: dict[str, str]
):
    """The work itself needs the warehouse and the platform: its process is started, and then has no Airflow to ask."""
    crowd.load(connection, 6)
    platform.seconds = 0.2
    program = """
        import sys, json
        from types import SimpleNamespace
        from dags import chunk
        context = {
            "dag_run": SimpleNamespace(dag_id="extract_twitter", run_id="scheduled__1", run_type="scheduled"),
            "ti": SimpleNamespace(max_tries=2), "task": SimpleNamespace(retries=2), "params": {},
        }
        import airflow.settings
        airflow.settings.engine = None
        accounts = [[1, str(1000 + n)] for n in range(1, 7)]
        print(json.dumps(chunk.read("twitter", {"number": 1, "accounts": accounts}, context)))
    """
    nowhere = "postgresql+psycopg2://nobody:nothing@127.0.0.1:1/none"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": nowhere},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["accounts"] == 6
    states = connection.execute("select state, count(distinct account_id) from ops.extract_runs group by 1").fetchall()
    assert states == [("complete", 6)]
    assert_ledger_explains(variables)


@pytest.mark.fault("D06")
def test_a_manual_run_has_no_days_of_its_own(airflow: Airflow, connection: Connection):
    crowd.load(connection, 1)
    assert airflow.run("extract_twitter", logical_date=None).state == "success"
    windows = connection.execute("select distinct window_since, window_until, as_of from ops.extract_runs").fetchall()
    assert windows == [(None, NOW, NOW)]


@pytest.mark.fault("D04")
def test_airflows_own_backfill_reads_its_days_gives_way_and_reads_a_day_once(
    airflow: Airflow, connection: Connection, platform: Crowd, monkeypatch: pytest.MonkeyPatch
):
    crowd.load(connection, 2)
    # A frozen clock has no schedule, and only what has one can be backfilled.
    monkeypatch.delenv("PIPELINE_NOW")
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")
    bag = inprocess.dag_bag()
    inprocess.migrate()
    monkeypatch.setenv("PIPELINE_NOW", NOW.isoformat())
    runs = backfill("extract_twitter", datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 5, tzinfo=UTC))
    assert len(runs) == 2
    connection.execute(
        "insert into ops.extract_origins (origin, platform, is_backfill) "
        "values ('extract_twitter/now', 'twitter', false)"
    )
    first = work_off(bag, runs[0])
    assert first.tasks["later[0]"] == "up_for_reschedule"
    assert platform.calls == {}, "somebody more urgent is at work"
    connection.execute("update ops.extract_origins set ended_at = now()")
    assert work_off(bag, runs[0], is_due=True).state == "success"
    asked = connection.execute("select distinct window_since, window_until from ops.extract_runs").fetchall()
    day = datetime(2026, 11, 1, tzinfo=UTC)
    assert asked == [(day, day + timedelta(days=1))]
    calls = platform.calls.total()
    assert work_off(bag, runs[1]).state == "success"
    assert platform.calls.total() == calls, "two hourly runs of a day read the day once"


def backfill(dag_id: str, start: datetime, end: datetime) -> list[str]:
    """What `airflow backfill create` does; return the runs it made."""
    from airflow.models.backfill import ReprocessBehavior, _create_backfill
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    _create_backfill(
        dag_id=dag_id, from_date=start, to_date=end, max_active_runs=1, reverse=False, dag_run_conf={},
        triggering_user_name="a person", reprocess_behavior=ReprocessBehavior.NONE,
    )  # fmt: skip
    with create_session() as session:
        made = select(DagRun.run_id).where(DagRun.dag_id == dag_id, DagRun.run_type == "backfill")
        return list(session.scalars(made.order_by(DagRun.logical_date)))


def work_off(bag: DagBag, run_id: str, *, is_due: bool = False) -> Ended:
    """Run the tasks of a run that is there already, as `dag.test` does with its own, until none may start."""
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.sdk.definitions.dag import _run_task
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.state import DagRunState, TaskInstanceState
    from sqlalchemy import delete, select

    session = settings.Session()
    run = session.scalar(select(DagRun).where(DagRun.run_id == run_id))
    dag = bag.dags[run.dag_id]
    run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    run.state = DagRunState.RUNNING
    if is_due:
        session.execute(delete(TaskReschedule))
    session.commit()
    while run.state == DagRunState.RUNNING:
        session.expire_all()
        ready, _ = run.update_state(session=session)
        for each in ready:
            each.try_number += each.state != TaskInstanceState.UP_FOR_RESCHEDULE
            each.state = TaskInstanceState.SCHEDULED
        session.commit()
        if not ready:
            break
        for each in ready:
            _run_task(ti=each, task=dag.task_dict[each.task_id])
        session.expire_all()
    return ended(run)
