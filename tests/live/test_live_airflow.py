"""What people see of a run with accounts in trouble: in the UI's lists, over its API, in `status`, and in no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from psycopg import sql

from local.layout import keys
from local.runs import Follower
from tests.aftermath import assert_no_exposed_address, assert_no_secret
from tests.canaries import found_in_files, found_in_texts, planted
from tests.conftest import ROOT
from tests.live.airflow import CROWD, TOKENS, Live, Square, run_path

pytestmark = pytest.mark.slow
WHAT_TO_DO = {
    "1001": "renew the token",
    "1002": "fix the permission",
    "1003": "wait",
    "1004": "look at the contract",
}


INSTANT = re.compile(r" until \d{4}-\d\d-\d\d \d\d:\d\d UTC")


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run."""

    dag_id: str
    run_id: str


@pytest.fixture(scope="module")
def troubled(live: Live) -> Run:
    """A run that meets a dead token, a lost permission, a limit of hours, an odd answer, and 196 healthy accounts."""
    live.crowd.dead.add("1001")
    live.crowd.forbidden.add("1002")
    live.crowd.limited["1003"] = 6 * 3600
    live.crowd.strange.add("1004")
    since = live.rows("select now()")[0][0].isoformat()
    run = Run("extract_twitter", live.api.trigger("extract_twitter"))
    assert live.finished(run.dag_id, run.run_id) == "failed"
    Follower(live.api, live.layout, print).wait_for_assets("transform", since, 300)
    return run


def test_the_list_of_a_runs_tasks_says_of_each_account_which_of_four_things_it_is(live: Live, troubled: Run):
    squares = live.squares(troubled.dag_id, troubled.run_id)
    assert {square.task: square.state for square in squares} == {
        "plan": "success", "extract": "failed", "validate": "success", "problems": "success", "verdict": "failed",
        "waits": "success", "later": "skipped", "later_verdict": "skipped",
    }  # fmt: skip
    # How long the wait is stands beside the word: "wait until 2026-11-21 02:47 UTC: twitter 1003 of business 1".
    labels = {INSTANT.sub("", square.label): square for square in squares if square.task == "verdict"}
    assert labels.keys() == {f"{action}: twitter {account} of business 1" for account, action in WHAT_TO_DO.items()}
    assert sum(bool(INSTANT.search(square.label)) for square in labels.values()) == 1
    (chunk,) = [square.label for square in squares if square.task == "extract"]
    assert chunk.startswith("chunk 1: 196 of 200 accounts read")
    for account, action in WHAT_TO_DO.items():
        log = live.log(troubled.dag_id, troubled.run_id, labels[f"{action}: twitter {account} of business 1"])
        assert re.search(rf"twitter account {account} of business 1: {action}: [^;]+; ", log), "who, what, what to do"


def test_status_says_the_same_four_words(live: Live, troubled: Run):
    shown = command(live, "extractors", "status", "--problems")
    for account, action in WHAT_TO_DO.items():
        assert re.search(rf"^twitter account {account} of business 1: {action}: [^;]+; ", shown, re.MULTILINE)


def test_the_healthy_accounts_of_that_run_are_published_because_their_asset_moved(live: Live, troubled: Run):
    published = live.rows("select count(*), count(distinct account_id) from marts.post_performance")
    assert published == [(3 * (CROWD - 4), CROWD - 4)]
    (transform,) = live.api.get("/dags/transform/dagRuns")["dag_runs"]
    assert (transform["run_type"], transform["state"]) == ("asset_triggered", "success")


def command(live: Live, *arguments: str) -> str:
    """What a program of the project prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=live.variables, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_who_waits_for_an_hour_holds_no_slot_and_nobody_up_and_is_read_then(live: Live, troubled: Run):
    for trouble in (live.crowd.dead, live.crowd.forbidden, live.crowd.strange, live.crowd.limited):
        trouble.clear()
    pass_the_time(live)
    live.crowd.posts = 4
    live.crowd.limited["1007"] = 3600
    began = live.rows("select now()")[0][0]
    # With `since`, no scheduled run does the same, so that a wait of an hour is worth it whatever the time of day is.
    asked = {"business_id": 1, "platforms": ["twitter"], "since": "2026-11-19"}
    run = Run("sync", live.api.trigger("sync", asked))
    live.wait(lambda: square_of(live, run, "twitter.later").state == "up_for_reschedule")
    waiting = square_of(live, run, "twitter.later")
    assert re.fullmatch(r"wait until 202\d-\d\d-\d\d \d\d:\d\d UTC: twitter 1007 of business 1", waiting.label)
    assert square_of(live, run, "twitter.extract").state == "success", "nothing is left that a person must do"
    live.wait(lambda: square_of(live, run, "twitter.problems").state == "success")
    pool = live.api.get("/pools/api_twitter")
    assert (pool["occupied_slots"], pool["running_slots"]) == (0, 0)
    Follower(live.api, live.layout, print).wait_for_assets("transform", began.isoformat(), 300)
    assert dict(live.rows(POSTS_READ)) == {3: 1, 4: CROWD - 1}, "199 are published while one waits"
    assert live.api.run_state(run.dag_id, run.run_id) == "running"
    pass_the_time(live)
    live.crowd.limited.clear()
    assert live.finished(run.dag_id, run.run_id) == "success"
    assert square_of(live, run, "twitter.later").label.endswith(": 1 of 1 accounts read")
    Follower(live.api, live.layout, print).wait_for_assets("transform", began.isoformat(), 300)
    assert dict(live.rows(POSTS_READ)) == {4: CROWD}


POSTS_READ = """
select posts, count(*) from (select count(*) as posts from marts.post_performance group by account_id) as accounts
group by posts
"""


def square_of(live: Live, run: Run, task: str) -> Square:
    return next(square for square in live.squares(run.dag_id, run.run_id) if square.task == task)


def pass_the_time(live: Live) -> None:
    """An hour goes by, for the limit and for Airflow's scheduler."""
    with live.connect() as connection:
        connection.execute("update ops.rate_budgets set blocked_until = now() where blocked_until > now()")
        connection.execute("update ops.extract_runs set next_allowed_at = now() where next_allowed_at > now()")
    with live.connect("airflow") as connection:
        connection.execute("update task_reschedule set reschedule_date = now()")


@pytest.fixture(scope="module")
def in_every_trouble(live: Live, troubled: Run) -> list[Run]:
    """Runs in which tokens are dead and quoted, answers are pages for people, and the warehouse is away."""
    for name in ("linkedin_nordlicht", "linkedin_hudson"):
        live.simulator.vault.set_state(name, "expired")
    for platform, reads in {"linkedin": "/rest/", "instagram": "/"}.items():
        live.simulator.faults.add("token_quoted", platform=platform, after=4, path_contains=reads)
    found = [Run(f"extract_{name}", live.api.trigger(f"extract_{name}")) for name in ("linkedin", "instagram")]
    for run in found:
        assert live.finished(run.dag_id, run.run_id) == "failed"
    live.crowd.html.add("1005")
    found.append(started := Run("sync", live.api.trigger("sync", {"business_id": 1, "platforms": ["twitter"]})))
    # Whether it ends or waits for a limit until the next scheduled run depends on the time of day.
    live.wait(lambda: states_of(live, started) & {"failed", "up_for_reschedule"})
    with warehouse_away(live):
        found.append(started := Run("extract_facebook", live.api.trigger("extract_facebook")))
        live.wait(lambda: "up_for_retry" in states_of(live, started))
    live.api.end_unfinished()
    return [troubled, *found]


def states_of(live: Live, run: Run) -> set[str]:
    return {square.state for square in live.squares(run.dag_id, run.run_id)}


@contextmanager
def warehouse_away(live: Live) -> Iterator[None]:
    """The warehouse refuses everybody, and Airflow's own database does not."""
    with live.connect("postgres") as connection:
        connection.execute("alter database warehouse allow_connections false")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'warehouse'")
        try:
            yield
        finally:
            connection.execute("alter database warehouse allow_connections true")


@pytest.mark.fault("G01", "D13")
def test_two_hundred_canaries_are_in_no_log_file_no_metadata_no_page_and_no_address(
    live: Live, in_every_trouble: list[Run]
):
    own = keys(live.layout)
    secrets = {*planted(live.simulator, live.variables), *TOKENS, own.admin, own.fernet, own.jwt, own.api}
    assert len(secrets) >= CROWD + 30
    texts = pages(live, in_every_trouble) | metadata(live)
    assert "(login:" in texts["extract_twitter/extract/0/log"], "platforms did quote logins, and the words were cleaned"
    for sign in (
        "account 1005 of business 1: look at the contract: ",
        "not currently accepting connections",
        "renew the token",
    ):
        assert any(sign in text for name, text in texts.items() if name.endswith("/log")), f"no traceback says {sign}"
    assert found_in_texts(secrets, **texts) == []
    files = [live.layout.logs, live.layout.dbt, live.layout.exports, live.layout.data_docs]
    files += [path for path in live.layout.airflow.iterdir() if path.is_dir()]
    logs = [path for path in (live.layout.logs / "airflow").rglob("*.log") if "task_id=" in str(path)]
    assert len(logs) > 20, "the tasks' own files"
    assert found_in_files(secrets, *(path for path in files if any(path.rglob("*.*")))) == []
    assert_no_secret(live.variables, secrets)
    assert_no_exposed_address(live.simulator)
    assert found_in_texts(secrets, crowd="\n".join(live.crowd.addresses)) == []
    plant_one_in_each(live, TOKENS[3], secrets)


def pages(live: Live, runs: list[Run]) -> dict[str, str]:
    """What the API tells of runs: themselves, their tasks with rendered templates, their XComs and logs."""
    found = {}
    for run in runs:
        path = run_path(run.dag_id, run.run_id)
        found[f"{run.dag_id}/run"] = str(live.api.get(path))
        found[f"{run.dag_id}/tasks"] = str(live.api.tasks(run.dag_id, run.run_id))
        found[f"{run.dag_id}/xcoms"] = str(live.api.get(f"{path}/taskInstances/~/xcomEntries", limit=100))
        for square in live.squares(run.dag_id, run.run_id):
            if square.tries:
                name = f"{run.dag_id}/{square.task}/{square.map_index}/log"
                found[name] = live.log(run.dag_id, run.run_id, square)
    return found


def metadata(live: Live) -> dict[str, str]:
    """Every table of Airflow's metadata as text: XComs, rendered fields, notes, audit log, serialized DAGs."""
    found = {}
    with live.connect("airflow") as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            query = sql.SQL("select coalesce(string_agg(row::text, chr(10)), '') from {} as row")
            ((found[table],),) = connection.execute(query.format(sql.Identifier(table))).fetchall()
    assert all(found[table] for table in ("xcom", "rendered_task_instance_fields", "dag_run", "log", "serialized_dag"))
    return found


def plant_one_in_each(live: Live, canary: str, secrets: set[str]) -> None:
    """The search finds a secret in a log file, in the metadata and over the API."""
    run = Run("sync", live.api.trigger("sync", {"business_id": 1, "nonsense": canary}))
    live.finished(run.dag_id, run.run_id)
    assert "sync/run" in found_in_texts(secrets, **pages(live, [run]))
    assert "dag_run" in found_in_texts(secrets, **metadata(live))
    planted_in = live.layout.logs / "scheduler.log"
    with planted_in.open("a") as file:
        file.write(f"Authorization: Bearer {canary}\n")
    assert str(planted_in) in found_in_files(secrets, live.layout.logs)
