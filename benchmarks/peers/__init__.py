"""Peers are measured where they can be installed, in an environment of their own (`.venv-peers/`), by `make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.measure import Figure, settle
from extractors.settings import Settings
from extractors.spec import Record

HERE = Path(__file__).resolve().parent
VENV = HERE.parent.parent / ".venv-peers"
REQUIREMENTS = HERE / "requirements.txt"
#: No peer phones home (https://dlthub.com/docs/reference/telemetry).
SILENT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}
STRATEGIES = ("delete-insert", "upsert")
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """Rows per second of dlt, new records and the same again, and of our loader directly after."""

    new: float
    unchanged: float
    ours: float


def dlt_merge(settings: Settings, records: Sequence[Record], ours: Callable[[], float]) -> list[Figure]:
    """Return the rates of dlt's merge of the same records, and our own beside the fastest of them.

    `ours` loads the records as new ones and returns rows per second. It runs directly after each of dlt's runs, and a
    ratio is the median of such pairs, as for the other limits: what else the machine does meets both alike.
    """
    python = _python()
    if python is None:
        return [Figure(what="dlt merge: not measured, it could not be installed", value=0.0, unit="rows/s")]
    pairs = {name: [_pair(python, settings, records, name, ours) for _ in range(ROUNDS)] for name in STRATEGIES}
    figures = [figure for name in STRATEGIES for figure in _figures(name, pairs[name])]
    fastest = min(STRATEGIES, key=lambda name: _ratio(pairs[name]))
    value = median(pair.ours for pair in pairs[fastest])
    against = f"dlt's fastest merge of new records ({fastest})"
    what = "load, new records, beside dlt"
    return [*figures, Figure(what=what, value=value, unit="rows/s", ratio=_ratio(pairs[fastest]), against=against)]


def _pair(
    python: Path, settings: Settings, records: Sequence[Record], strategy: str, ours: Callable[[], float]
) -> Pair:
    settle(settings)
    seconds = _run_dlt(python, settings, records, strategy)
    return Pair(new=len(records) / seconds["new"], unchanged=len(records) / seconds["unchanged"], ours=ours())


def _ratio(pairs: Sequence[Pair]) -> float:
    return median(pair.ours / pair.new for pair in pairs)


def _figures(strategy: str, pairs: Sequence[Pair]) -> Iterator[Figure]:
    for case in ("new", "unchanged"):
        what = f"dlt merge ({strategy}), {case} records"
        ratio = median(getattr(pair, case) / pair.ours for pair in pairs)
        rate = median(getattr(pair, case) for pair in pairs)
        yield Figure(what=what, value=rate, unit="rows/s", ratio=ratio, against="load, new records")


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
