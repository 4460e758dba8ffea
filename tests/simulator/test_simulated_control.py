"""Other processes steer the simulator over HTTP, and start it from the command line."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask

ROOT = Path(__file__).parents[2]


def test_the_clock_is_read_and_moved_on_any_port(simulator: Simulator, ask: Ask) -> None:
    assert ask("twitter", "/_simulator/clock").json()["now"] == ANCHOR.isoformat()

    moved = ask("facebook", "/_simulator/clock", method="POST", json={"advance_days": 2, "advance_seconds": 60})
    assert moved.json()["now"] == simulator.clock.now().isoformat()
    assert simulator.clock.now() == ANCHOR + timedelta(days=2, seconds=60)
    ask("linkedin", "/_simulator/clock", method="POST", json={"set": "2026-12-01T00:00:00+05:45"})
    assert simulator.clock.now().isoformat() == "2026-11-30T18:15:00+00:00"
    for nonsense in ({}, {"set": "tomorrow"}, {"set": "2026-12-01"}, []):
        assert ask("linkedin", "/_simulator/clock", method="POST", json=nonsense).status_code == 400


def test_the_ledger_leaves_out_its_own_readers(simulator: Simulator, ask: Ask) -> None:
    ask("twitter", "/2/users?ids=1", token="nobody")

    calls = ask("linkedin", "/_simulator/calls").json()
    assert [(one["platform"], one["path"], one["status"]) for one in calls] == [("twitter", "/2/users", 401)]
    assert ask("linkedin", "/_simulator/calls?platform=facebook").json() == []
    ask("linkedin", "/_simulator/calls", method="DELETE")
    assert simulator.calls == []


def test_faults_and_dead_tokens_are_scripted_over_http(simulator: Simulator, ask: Ask, world: World) -> None:
    token = world.credentials["twitter_nordlicht"].token
    fault = {"name": "http_500", "platform": "twitter", "times": 1}
    assert ask("linkedin", "/_simulator/faults", method="POST", json=fault).json() == {"waiting": ["http_500"]}
    assert ask("twitter", "/2/users?ids=1", token=token).status_code == 500

    state = {"credential": "twitter_nordlicht", "state": "expired"}
    assert ask("linkedin", "/_simulator/token", method="POST", json=state).ok
    assert ask("twitter", "/2/users?ids=1", token=token).status_code == 401
    assert ask("linkedin", "/_simulator/faults", method="POST", json={"name": "meteor"}).status_code == 400
    unknown = {"credential": "nobody", "state": "expired"}
    assert ask("linkedin", "/_simulator/token", method="POST", json=unknown).status_code == 400


def test_the_minimum_of_calls_is_told(simulator: Simulator, ask: Ask, world: World) -> None:
    first = ask("linkedin", "/_simulator/minimum?first_run=true").json()
    assert first == world.minimum_calls(ANCHOR, first_run=True)

    wider = ask("linkedin", "/_simulator/minimum?first_run=true&instagram_totals=37").json()
    instagram = sum(1 for one in world.accounts if one.platform == "instagram")
    assert wider["instagram"] == first["instagram"] + 7 * instagram
    assert ask("linkedin", "/_simulator/minimum?weather=fine").status_code == 400


def test_controls_that_do_not_exist_are_404(ask: Ask) -> None:
    answer = ask("linkedin", "/_simulator/weather")

    assert answer.status_code == 404
    assert "GET /_simulator/clock" in answer.json()["known"]


def test_the_world_tells_what_is_planted(ask: Ask, world: World) -> None:
    about: dict[str, Any] = ask("linkedin", "/_simulator/about").json()

    assert about["seed"] == world.seed
    assert len(about["planted"]) == len(world.planted)


def wait_for(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return dict(json.loads(path.read_text()))


def test_the_command_serves_writes_its_files_and_stops_cleanly(tmp_path: Path) -> None:
    state, accounts, environment = (tmp_path / name for name in ("state.json", "accounts.yml", "environment"))
    command = [sys.executable, "-m", "simulator", "--scale", "0.01", "--anchor", ANCHOR.isoformat()]
    command += ["--state", str(state), "--write-accounts", str(accounts), "--write-environment", str(environment)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        told = wait_for(state)
        clock = requests.get(told["base_urls"]["linkedin"] + "/_simulator/clock", timeout=5).json()
        assert (told["pid"], told["anchor"], clock["now"]) == (process.pid, ANCHOR.isoformat(), ANCHOR.isoformat())
        assert len(yaml.safe_load(accounts.read_text())["businesses"]) == 3
        named = dict(line.split("=", 1) for line in environment.read_text().splitlines())
        assert named["TWITTER_BASE_URL"] == told["base_urls"]["twitter"]
        assert json.loads(named["AIRFLOW_CONN_META_HIMAL"])["password"]
        assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    finally:
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert not state.exists()
    assert "AIRFLOW_CONN" not in output


def test_the_command_explains_itself_and_refuses_nonsense() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "simulator", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    helped, refused = run("--help"), run("--anchor", "yesterday")
    assert helped.returncode == 0
    assert "--write-environment" in helped.stdout
    assert refused.returncode == 2
    assert "'yesterday' is not an ISO 8601 instant" in refused.stderr
