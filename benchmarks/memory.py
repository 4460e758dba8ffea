"""Peak memory of loading 100,000 and 1,000,000 records, page by page from a generator, each in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from benchmarks.load import ACCOUNT, STREAM, page_of, prepare, stream_of_records
from benchmarks.measure import Figure
from extractors import ledger
from extractors.load import land
from extractors.settings import Settings
from local import postgres

PAGE = 1_000
KIB = 1_024


def measure(server: postgres.Server, rows: int) -> list[Figure]:
    """Return the peak resident memory for `rows` records and for ten times as many."""
    few, many = (_peak(server, count) for count in (rows, 10 * rows))
    return [
        _figure(rows, few, few, "itself"),
        _figure(10 * rows, many, few, f"{rows:,} records"),
    ]


def _figure(count: int, peak: float, other: float, against: str) -> Figure:
    what = f"peak memory, {count:,} records, pages of {PAGE:,}"
    return Figure(what=what, value=peak, unit="MiB", ratio=peak / other, against=against)


def _peak(server: postgres.Server, count: int) -> float:
    settings = prepare(server, f"memory_{count}")
    environment = {**os.environ, **settings.warehouse.environment()}
    command = [sys.executable, "-m", "benchmarks.memory", str(count)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def main() -> None:
    """Load as many records as the argument says into the warehouse of the environment; print the peak in MiB."""
    records, now = stream_of_records(int(sys.argv[1])), datetime.now(UTC)
    with Settings.from_environment().warehouse.connect() as connection:
        connection.autocommit = True
        lease = ledger.open_run(connection, ACCOUNT, STREAM, as_of=now, since=None, until=now).lease
        while part := list(islice(records, PAGE)):
            land(connection, lease, page_of(part))
    print(_peak_bytes() / KIB**2)


def _peak_bytes() -> int:
    """The highest resident memory of this program. Linux's ru_maxrss also remembers the process it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * KIB
    # macOS counts in bytes (getrusage(2)).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
