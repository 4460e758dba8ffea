"""Start and stop the stack's processes so that none is ever left behind, not even after a crash or a reboot.

Each process carries its stack's folder in its environment (`MARK`). What a record file forgot, the mark still finds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types

from local.layout import PROJECT, Layout, read_json, write_private

MARK = "SOCIAL_ANALYTICS_STACK"
# setproctitle writes a process's title over its environment, and with it over the mark, unless told not to.
READABLE = {"SPT_NOENV": "1"}


class StackError(RuntimeError):
    """The stack cannot be started or stopped; the message says why, what to do, and where the log is."""


def start(layout: Layout, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start one process in a session of its own, its output in `logs/<name>.log`, and record it."""
    log = log_of(layout, name)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=PROJECT,
            env={**environment, MARK: str(layout.root), **READABLE}, start_new_session=True,
            preexec_fn=_listen_to_signals,
        )  # fmt: skip
    record = {"pid": process.pid, "created": psutil.Process(process.pid).create_time()}
    write_private(layout.processes / f"{name}.json", json.dumps(record))


def log_of(layout: Layout, name: str) -> Path:
    """Return where a process writes."""
    return layout.logs / f"{name}.log"


def running(layout: Layout) -> dict[str, int]:
    """Return name and pid of the recorded processes that still live; forget the others."""
    alive = {}
    for record in sorted(layout.processes.glob("*.json")):
        process = _recorded(read_json(record))
        if process is None:
            record.unlink(missing_ok=True)
        else:
            alive[record.stem] = int(process.pid)
    return alive


def died(layout: Layout, names: Sequence[str]) -> list[str]:
    """Return which of the processes that should be running are not."""
    alive = running(layout)
    return [name for name in names if name not in alive]


def stop(layout: Layout, *, first: Sequence[str] = (), patience: float = 20) -> list[str]:
    """Stop everything this stack started: ask the recorded processes, then kill what is left. Return the names.

    Those named in `first` are asked first, and given `patience` seconds while the others still serve them.
    """
    recorded = running(layout)
    family = _family(layout, set(recorded.values()))
    early = {recorded[name] for name in first if name in recorded}
    for pids in (early, set(recorded.values()) - early):
        leaders = [process for process in family if process.pid in pids]
        for process in leaders:
            _signal(process, signal.SIGTERM)
        psutil.wait_procs(leaders, timeout=patience)
    for _ in range(3):  # a dying process may still fork
        left = {*_family(layout, set(recorded.values())), *(each for each in family if _lives(each))}
        if not left:
            break
        for process in left:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(left, timeout=5)
    running(layout)
    return sorted(recorded)


def _listen_to_signals() -> None:
    """Undo what a shell does to background jobs: they ignore SIGINT, and their children inherit it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _recorded(record: object) -> psutil.Process | None:
    """Return the live process of a record; a reused pid was created at another time."""
    if not isinstance(record, dict) or "pid" not in record:
        return None
    try:
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["created"]) < 2
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def _family(layout: Layout, leaders: set[int]) -> list[psutil.Process]:
    """Return the live processes that carry the mark, or belong to the session of a recorded process."""
    return [process for process in psutil.process_iter() if _lives(process) and _belongs(process, layout, leaders)]


def _belongs(process: psutil.Process, layout: Layout, leaders: set[int]) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        return os.getsid(process.pid) in leaders or process.environ().get(MARK) == str(layout.root)
    except (psutil.Error, OSError):
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
