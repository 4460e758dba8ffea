"""Nothing the stack starts is left behind, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import processes
from local.layout import Layout

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True); time.sleep(600)",
]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    created = Layout(tmp_path / "stack").create()
    yield created
    processes.stop(created, patience=0.1)


def start(layout: Layout, name: str, command: list[str]) -> psutil.Process:
    processes.start(layout, name, command, dict(os.environ))
    time.sleep(0.3)
    return psutil.Process(processes.running(layout)[name])


def test_a_started_process_is_known_and_stopped(layout: Layout) -> None:
    process = start(layout, "sleeper", SLEEPER)
    assert processes.died(layout, ["sleeper", "other"]) == ["other"]
    assert processes.stop(layout) == ["sleeper"]
    assert not process.is_running()
    assert processes.running(layout) == {}


def test_who_is_asked_first_may_finish_while_the_others_still_run(layout: Layout) -> None:
    start(layout, "server", SLEEPER)
    server = processes.running(layout)["server"]
    farewell = (
        "import os, signal, sys, time\n"
        f"def end(*_):\n    os.kill({server}, 0); print('it still ran', flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); time.sleep(600)"
    )
    start(layout, "worker", [sys.executable, "-c", farewell])
    processes.stop(layout, first=["worker"])
    assert processes.log_of(layout, "worker").read_text() == "it still ran\n"
    assert processes.running(layout) == {}


def test_a_process_that_ignores_the_request_is_killed(layout: Layout) -> None:
    process = start(layout, "stubborn", STUBBORN)
    processes.stop(layout, patience=0.3)
    assert not process.is_running()


def test_a_child_in_a_session_of_its_own_is_stopped_too(layout: Layout) -> None:
    parent = start(layout, "parent", PARENT)
    (child,) = parent.children()
    assert os.getsid(child.pid) != os.getsid(parent.pid)
    processes.stop(layout)
    assert not child.is_running()


def test_a_process_whose_record_a_crash_lost_is_still_found(layout: Layout) -> None:
    process = start(layout, "sleeper", SLEEPER)
    (layout.processes / "sleeper.json").unlink()
    processes.stop(layout, patience=0.1)
    assert not process.is_running()


def test_a_process_that_gave_itself_a_title_is_still_found(layout: Layout) -> None:
    """Airflow's api-server does: the title is written over the memory that holds the environment."""
    title = "import setproctitle, time; setproctitle.setproctitle('airflow ' * 500); time.sleep(600)"
    process = start(layout, "titled", [sys.executable, "-c", title])
    (layout.processes / "titled.json").unlink()
    processes.stop(layout, patience=0.1)
    assert not process.is_running()


def test_children_of_a_parent_that_was_killed_are_still_found(layout: Layout) -> None:
    parent = start(layout, "parent", PARENT)
    (child,) = parent.children()
    parent.send_signal(signal.SIGKILL)
    parent.wait(5)
    assert processes.running(layout) == {}
    processes.stop(layout, patience=0.1)
    assert not child.is_running()


def test_a_pid_that_somebody_else_has_now_is_left_alone(layout: Layout) -> None:
    """After a reboot a record's pid belongs to a stranger."""
    stranger = subprocess.Popen(SLEEPER)
    try:
        record = {"pid": stranger.pid, "created": psutil.Process(stranger.pid).create_time() - 3600}
        (layout.processes / "scheduler.json").write_text(json.dumps(record))
        assert processes.running(layout) == {}
        assert processes.stop(layout, patience=0.1) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_half_a_record_is_forgotten(layout: Layout) -> None:
    (layout.processes / "scheduler.json").write_text('{"pid": 1')
    assert processes.running(layout) == {}
    assert not list(layout.processes.glob("*.json"))


def test_another_stack_is_left_alone(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other").create()
    process = start(other, "sleeper", SLEEPER)
    try:
        processes.stop(layout)
        assert process.is_running()
    finally:
        processes.stop(other)


def test_the_log_of_the_last_start_is_kept(layout: Layout) -> None:
    for word in ("first", "second"):
        processes.start(layout, "talker", [sys.executable, "-c", f"print('{word}')"], dict(os.environ))
        time.sleep(0.3)
    assert processes.log_of(layout, "talker").read_text() == "second\n"
    assert (layout.logs / "talker.previous.log").read_text() == "first\n"
