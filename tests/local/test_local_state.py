"""What `.local/` remembers between commands."""

from __future__ import annotations

import json
import socket
import stat
from datetime import datetime
from pathlib import Path

import pytest

from local import environment, ports, processes, runs, stack, world
from local.__main__ import main
from local.layout import Layout, keys, read_json, write_private
from local.postgres import Server

pytestmark = pytest.mark.unit


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "stack").create()


def test_secrets_are_generated_once_and_are_the_owners_alone(layout: Layout) -> None:
    first = keys(layout)
    assert keys(layout) == first
    assert len(set(vars_of(first))) == 4
    assert stat.S_IMODE((layout.airflow / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.airflow.stat().st_mode) == 0o700


def vars_of(secrets: object) -> list[str]:
    return [getattr(secrets, name) for name in ("fernet", "jwt", "api", "admin")]


def test_half_a_secrets_file_is_replaced(layout: Layout) -> None:
    (layout.airflow / "keys.json").write_text('{"fernet": "x"')
    assert all(vars_of(keys(layout)))


def test_a_file_is_written_whole_and_private(layout: Layout) -> None:
    path = layout.root / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in layout.root.iterdir() if "secret" in each.name] == ["secret"]


def test_a_port_stays_the_same_until_somebody_takes_it(layout: Layout) -> None:
    first = ports.choose(layout, ["postgres", "linkedin"])
    assert ports.choose(layout, ["postgres", "linkedin"]) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["postgres"]))
        taken.listen()
        second = ports.choose(layout, ["postgres", "linkedin"])
    assert second["postgres"] != first["postgres"]
    assert second["linkedin"] == first["linkedin"]
    assert ports.remembered(layout, "postgres") == second["postgres"]


def test_the_second_demo_sees_the_same_instant(layout: Layout) -> None:
    first = world.frozen(layout)
    assert first.now == first.anchor
    assert datetime.fromisoformat(first.anchor).tzinfo is not None
    assert world.frozen(layout) == first


def test_a_world_does_not_go_back_after_its_clock_ran(layout: Layout) -> None:
    write_private(layout.root / "world.json", json.dumps({"seed": 7, "anchor": EARLY, "now": EARLY}))
    assert world.live(layout) == world.World(7, EARLY, None)
    again = world.frozen(layout)
    assert again.anchor == EARLY
    assert again.now is not None
    assert again.now > EARLY


EARLY = "2026-01-01T00:00:00+00:00"


def test_of_the_callers_environment_nothing_points_elsewhere() -> None:
    theirs = {
        "PGHOST": "production", "AIRFLOW_CONN_WAREHOUSE": "postgres://production", "LINKEDIN_BASE_URL": "https://x",
        "PIPELINE_NOW": "2020-01-01", "DBT_PROFILES_DIR": "/theirs", "HOME": "/home/me", "PATH": "/bin",
    }  # fmt: skip
    ours = environment.inherited(theirs)
    assert ours["HOME"] == "/home/me"
    assert ours["PATH"].endswith(":/bin")
    assert not {"PGHOST", "AIRFLOW_CONN_WAREHOUSE", "LINKEDIN_BASE_URL", "PIPELINE_NOW", "DBT_PROFILES_DIR"} & set(ours)


def test_the_clock_is_frozen_only_when_asked(layout: Layout) -> None:
    server = Server(layout.postgres, 5432, "secret")
    assert "PIPELINE_NOW" not in environment.pipeline(layout, server, now=None)
    assert environment.pipeline(layout, server, now=EARLY)["PIPELINE_NOW"] == EARLY


def test_two_commands_at_once_are_refused(layout: Layout) -> None:
    with stack.alone(layout), pytest.raises(processes.StackError, match="another"), stack.alone(layout):
        pass
    with stack.alone(layout):
        pass


def test_no_stack_runs_in_a_fresh_folder(layout: Layout) -> None:
    assert stack.mode(layout) is None
    stack.remember_mode(layout, "up")
    assert stack.mode(layout) is None, "its processes are gone, as after a reboot"


def test_the_reason_of_a_failed_task_is_its_last_exception(tmp_path: Path) -> None:
    log = tmp_path / "attempt=1.log"
    lines = [
        {"event": "starting"},
        {"event": "Task failed", "error_detail": [{"exc_value": "first"}]},
        {"event": "Task failed", "error_detail": [{"exc_value": "linkedin__posts, account 1:\n the token expired"}]},
        {"event": "done"},
    ]
    log.write_text("\n".join(json.dumps(line) for line in lines) + "\nnot json")
    assert runs.last_error(log) == "linkedin__posts, account 1: the token expired"
    assert "no reason" in runs.last_error(tmp_path / "missing.log")


def test_reading_a_missing_or_broken_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    assert read_json(tmp_path / "broken.json") is None
    assert read_json(tmp_path / "missing.json") is None


@pytest.mark.parametrize("command", ["demo", "up", "down", "status", "clean", "psql"])
def test_help_names_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert command in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["launch"])
    assert stopped.value.code == 2
