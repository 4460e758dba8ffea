"""`python -m tests.crashes.runner`: forks a fresh process per attempt and tells how it ended.

One JSON command per line on stdin, JSON events on stdout. The fork has everything imported, so that an attempt costs a
tenth of a second; it is a process of its own with connections of its own, and dies by a real SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from datetime import date
from typing import Any

from extractors.errors import PipelineError
from extractors.extract import extract_account
from extractors.settings import Settings
from tests.crashes import failpoints, naive

COMPLETE, FAILED, CRASHED = 0, 3, 4
#: An attempt that hangs dies of SIGALRM, which no verdict takes for a kill.
LONGEST_SECONDS = 60
Command = dict[str, Any]


def main() -> None:
    """Serve commands until stdin ends."""
    for line in iter(sys.stdin.readline, ""):
        _serve(json.loads(line))


def _serve(command: Command) -> None:
    reader, writer = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(command, writer)
    os.close(writer)
    _tell(event="started", pid=pid)
    status = _follow(pid, command)
    with os.fdopen(reader) as report:
        said = json.loads(report.read() or "{}")
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    _tell(event="ended", signal=killed_by, code=code, seconds=time.monotonic() - started, **said)


def _follow(pid: int, command: Command) -> int:
    """Wait for the end. The parent sends the signals, so a number that was given away again is never hit."""
    if command.get("signal_after") is not None:
        deadline = time.monotonic() + command["signal_after"]
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.001)
        os.kill(pid, command["signal"])
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return status
        _tell(event="stopped")
        sys.stdin.readline()
        os.kill(pid, signal.SIGCONT)


def _child(command: Command, writer: int) -> None:
    signal.alarm(LONGEST_SECONDS)
    code, report = CRASHED, {}
    names: list[str] = []

    def point(name: str) -> None:
        names.append(name)
        if len(names) == command.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if len(names) in command.get("stop_at", ()):
            os.kill(os.getpid(), signal.SIGSTOP)

    try:
        failpoints.install(point)
        code, report = _attempt(command)
    except BaseException:
        report = {"error": traceback.format_exc()[-1500:]}
    finally:
        report["points"] = names if command.get("trace") else len(names)
        os.write(writer, json.dumps(report).encode())
        os._exit(code)


def _attempt(command: Command) -> tuple[int, dict[str, Any]]:
    settings = Settings.from_environment(command["environment"])
    if command["loader"] != "extract":
        naive.load(settings, command["account"], cursor_first=command["loader"] == "naive, cursor first")
        return COMPLETE, {}
    try:
        results = extract_account(
            settings,
            command["account"],
            streams=command["streams"],
            since=_day(command, "since"),
            until=_day(command, "until"),
        )
    except PipelineError as error:
        return FAILED, {"error": f"{type(error).__name__}: {error}"}
    errors = [f"{type(result.error).__name__}: {result.error}" for result in results if result.error]
    return (FAILED, {"error": "; ".join(errors)}) if errors else (COMPLETE, {})


def _day(command: Command, name: str) -> date | None:
    return date.fromisoformat(command[name]) if name in command else None


def _tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
