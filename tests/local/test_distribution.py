"""How `make test` deals tests to its workers: what is dear to build is built by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, TOGETHER

FILE = """
import json, os

def test_one(worker_id):
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps([__file__, worker_id]) + "\\n")

def test_two():
    pass

def test_three():
    pass
"""


def test_the_files_of_a_folder_with_a_dear_fixture_go_to_one_worker_and_go_first(tmp_path: Path) -> None:
    together, apart = f"{TOGETHER[1]}/test_{{}}.py", "tests/a_folder/test_{}.py"
    for pattern in (together, apart):
        for name in "abcd":
            path = tmp_path / pattern.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FILE)
    seen = tmp_path / "seen"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-p", "tests.conftest", "--rootdir", ".",
         "--import-mode", "importlib"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "SEEN": str(seen)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    dealt = [json.loads(line) for line in seen.read_text().splitlines()]
    workers = {Path(file).parent.name: set() for file, _ in dealt}
    for file, worker in dealt:
        workers[Path(file).parent.name].add(worker)
    assert len(dealt) == 8
    assert len(workers["warehouse"]) == 1
    assert workers["a_folder"], "the other worker did not wait"
    assert [Path(file).parent.name for file, worker in dealt if worker in workers["warehouse"]][:4] == ["warehouse"] * 4
