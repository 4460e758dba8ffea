"""Peers are measured where they can be installed, in an environment of their own (`.venv-peers/`), by `make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Figure
from extractors.settings import Settings
from extractors.spec import Record

HERE = Path(__file__).resolve().parent
VENV = HERE.parent.parent / ".venv-peers"
REQUIREMENTS = HERE / "requirements.txt"
#: No peer phones home (https://dlthub.com/docs/reference/telemetry).
SILENT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}


def dlt_merge(settings: Settings, records: Sequence[Record], ours: float) -> list[Figure]:
    """Return the rates of dlt's merge of the same records, and `ours` (rows per second, new records) against each."""
    python = _python()
    if python is None:
        return [Figure(what="dlt merge: not measured, it could not be installed", value=0.0, unit="rows/s")]
    figures = []
    for strategy in ("delete-insert", "upsert"):
        said = _run_dlt(python, settings, records, strategy)
        for case, seconds in said.items():
            rate = len(records) / seconds
            what = f"dlt merge ({strategy}), {case} records"
            figures.append(Figure(what=what, value=rate, unit="rows/s", ratio=rate / ours, against="load, new records"))
    fastest = max(figure.value for figure in figures if "new" in figure.what)
    against = "dlt's fastest merge of new records"
    ratio = ours / fastest
    return [*figures, Figure(what="load, new records", value=ours, unit="rows/s", ratio=ratio, against=against)]


def _run_dlt(python: Path, settings: Settings, records: Sequence[Record], strategy: str) -> dict[str, float]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "records.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps([record.key, record.payload]) + "\n" for record in records)
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "DLT_DATA_DIR": directory, **SILENT}
        environment |= settings.warehouse.environment()
        command = [str(python), str(HERE / "dlt_merge.py"), str(path), strategy]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=directory)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _python() -> Path | None:
    """Return the interpreter of the peers' environment, made if need be; None when it cannot be made."""
    python, stamp = VENV / "bin" / "python", VENV / ".installed"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True, capture_output=True)
        subprocess.run(install, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    stamp.write_text(REQUIREMENTS.read_text())
    return python
