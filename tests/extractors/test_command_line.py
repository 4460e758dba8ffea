"""What goes wrong at the command line: one clear message that names the thing and the remedy, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from extractors.__main__ import main
from local import postgres
from simulator.server import Simulator

Connection = psycopg.Connection[Any]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command line in the test's environment; give exit status, output and errors."""

    def run(*arguments: str, **changed: str) -> tuple[int, str, str]:
        for name, value in {**environment, **changed}.items():
            monkeypatch.setenv(name, value)
        status = main(arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def contents(connection: Connection) -> dict[str, str]:
    """A fingerprint of every table, the ledger of runs with what it said before, and the limits apart."""
    tables = connection.execute(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables "
        "where table_schema in ('ops', 'raw') and table_type = 'BASE TABLE' "
        "and table_name not in ('extract_runs', 'former_values', 'rate_budgets')"
    ).fetchall()
    query = "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} as t"
    return {name: connection.execute(query.format(name)).fetchone()[0] for (name,) in tables}


def one_line(text: str) -> str:
    """The only line of a message."""
    (line,) = text.strip().splitlines()
    return line


def test_a_wrong_token_fails_its_account_alone_and_says_how_to_renew_it(
    command: Command, connection: Connection, environment: dict[str, str]
):
    before = contents(connection)
    credential = next(name for name in environment if name.startswith("AIRFLOW_CONN_TWITTER"))
    account = connection.execute(
        "select business_id::text from ops.accounts where upper(credential) = %s",
        (credential.removeprefix("AIRFLOW_CONN_"),),
    ).fetchone()
    wrong = json.dumps({"conn_type": "http", "password": "not-the-token"})
    status, _, errors = command("run", "--platform", "twitter", "--business", account[0], **{credential: wrong})
    assert status == 1
    assert "401" in errors
    assert f"renew the user token of {credential.removeprefix('AIRFLOW_CONN_').lower()}" in errors
    assert "not-the-token" not in errors
    assert contents(connection) == before


def test_a_missing_credential_names_the_variable_and_the_others_land(
    command: Command, connection: Connection, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
):
    credential = next(name for name in environment if name.startswith("AIRFLOW_CONN_TWITTER"))
    status, _, errors = command("run", "--platform", "twitter", "--stream", "profile", **{credential: ""})
    assert status == 1
    assert f"set {credential}" in one_line(errors)
    landed = connection.execute("select count(distinct account_id) from raw.twitter__profile").fetchone()
    assert landed[0] == 2


def test_an_unknown_account_is_named(command: Command, connection: Connection):
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) "
        "select business_id, platform, '404404', credential from ops.accounts where platform = 'twitter' limit 1"
    )
    before = contents(connection)
    status, _, errors = command("run", "--platform", "twitter", "--stream", "profile")
    assert status == 1
    line = one_line(errors)
    assert "404404" in line
    assert "check the user id" in line
    after = contents(connection)
    changed = {name for name, fingerprint in after.items() if before[name] != fingerprint}
    assert changed <= {"raw.twitter__profile", "ops.cursors", "ops.schema_paths"}
    strangers = connection.execute("select count(*) from raw.twitter__profile where account_id = '404404'").fetchone()
    assert strangers[0] == 0


@pytest.mark.parametrize("arguments", [("run",), ("status",), ("plan",), ("migrate",)])
def test_an_unreachable_database_is_named_without_its_password(command: Command, arguments: tuple[str, ...]):
    status, output, errors = command(*arguments, PGPORT=str(postgres.free_port()), PGPASSWORD="s3cret")
    assert status == 2
    assert "cannot be reached" in one_line(errors)
    assert "check PGHOST" in errors
    assert "s3cret" not in output + errors


def test_an_empty_database_says_to_migrate(command: Command, new_database: Callable[[str], dict[str, str]]):
    empty = new_database("template0")
    for arguments in (("run",), ("status",), ("plan",)):
        status, _, errors = command(*arguments, **empty)
        assert status == 2
        assert "run `python -m extractors migrate` first" in one_line(errors)


def test_a_malformed_accounts_file_is_refused_whole(command: Command, connection: Connection, tmp_path: Path):
    before = contents(connection)
    path = tmp_path / "accounts.yml"
    path.write_text(
        "businesses:\n  - business_id: 77\n    name: New\n    timezone: UTC\n    accounts:\n"
        "      - {platform: twitter, account_id: '1', credential: a}\n"
        "      - {platform: tiktok, account_id: '2', credential: a}\n"
    )
    status, _, errors = command("accounts", "load", str(path))
    assert status == 2
    assert f"{path}, line 7: there is no platform 'tiktok'" in one_line(errors)
    assert contents(connection) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--stream", "likes"), "there is no stream 'likes'"),
        (("run", "--business", "99"), "there is no business 99"),
        (("run", "--since", "2026-11-02", "--until", "2026-11-01"), "is after"),
    ],
)
def test_what_stands_for_nothing_is_refused(
    command: Command, connection: Connection, arguments: tuple[str, ...], words: str
):
    before = contents(connection)
    status, _, errors = command(*arguments)
    assert status == 2
    assert words in one_line(errors)
    assert contents(connection) == before


@pytest.mark.parametrize("arguments", [("run", "--platform", "myspace"), ("run", "--since", "soon"), ("fly",), ()])
def test_wrong_use_exits_with_two(command: Command, arguments: tuple[str, ...]):
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == 2


def test_a_platform_that_is_down_leaves_the_others_alone(
    command: Command, connection: Connection, simulator: Simulator
):
    nowhere = f"http://127.0.0.1:{postgres.free_port()}"
    status, output, errors = command(
        "run", "--business", "3", "--stream", "profile", "--json", LINKEDIN_BASE_URL=nowhere
    )
    assert status == 1
    runs = json.loads(output)["runs"]
    assert {run["stream"]: run["state"] for run in runs} == {
        "linkedin__profile": "failed",
        "twitter__profile": "complete",
        "facebook__profile": "complete",
        "instagram__profile": "complete",
    }
    assert "no whole answer from" in one_line(errors)


def test_the_plan_predicts_what_the_run_then_costs(command: Command, connection: Connection, simulator: Simulator):
    assert command("run")[0] == 0
    simulator.clear_calls()
    status, output, _ = command("plan", "--json")
    assert status == 0
    assert simulator.calls == [], "a plan calls no platform"
    # A call has several budgets: those of the day, the month and the app count it a second time.
    others = (":day", ":month")
    lines = [line for line in json.loads(output) if not line["budget"].endswith(others)]
    predicted = sum(line["calls"] for line in lines if not line["budget"].startswith("meta:"))
    assert command("run")[0] == 0
    exact = [line["calls"] for line in lines if not line["is_lower_bound"]]
    assert sum(exact) > 40
    # Where more may follow, the line says "at least"; tests/extractors/test_plan.py compares budget by budget.
    assert predicted <= len(simulator.calls) <= predicted + 2 * sum(line["is_lower_bound"] for line in lines)


def test_the_status_shows_every_stream_also_before_it_ever_ran(command: Command):
    status, output, _ = command("status", "--json")
    assert status == 0
    lines = json.loads(output)
    assert {line["state"] for line in lines} == {"never ran"}
    assert {line["platform"] for line in lines} == {"linkedin", "twitter", "facebook", "instagram"}


def test_a_refused_run_names_the_expectation_and_the_rows_and_is_read_again(
    command: Command, connection: Connection, simulator: Simulator
):
    simulator.faults.add("metric_as_string", platform="twitter", path_contains="/tweets", times=1)
    status, _, errors = command("run", "--platform", "twitter", "--business", "2", "--stream", "posts")
    assert status == 1
    assert errors.startswith("refused: twitter__posts, account ")
    assert "row(s): " in errors
    assert connection.execute("select count(*) from ops.cursors").fetchone()[0] == 0
    status, output, _ = command("run", "--platform", "twitter", "--business", "2", "--stream", "posts", "--json")
    assert status == 0
    (run,) = json.loads(output)["runs"]
    assert run["stored"] == run["listed"] > 0, "rows of the refused run are no version"
