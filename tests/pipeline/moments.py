"""The instants of what an extraction wrote, moved from this machine's clock to the simulator's.

`PIPELINE_NOW` moves windows and "today", never `observed_at`: a warehouse that was fed nine simulated days within a
minute would know posts of one age only. Here each run began, ended and had its answers at its own `as_of`. Moved just
before a build: a row that is younger than the machine's clock would push the next version of its record beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from extractors.registry import streams
from extractors.settings import Settings

MOVE_ROWS = sql.SQL(
    "update {table} as record set observed_at = run.as_of from ops.extract_runs as run"
    " where record.run_id = run.run_id and record.observed_at <> run.as_of"
)
MOVE_RUNS = "update ops.extract_runs set started_at = as_of, finished_at = as_of where started_at <> as_of"


def move(environment: Mapping[str, str]) -> None:
    """Let every run and every row have the instant of its run's `as_of`."""
    with Settings.from_environment(environment).warehouse.connect() as connection:
        for stream in streams():
            connection.execute(MOVE_ROWS.format(table=sql.Identifier("raw", stream.full_name)))
        connection.execute(MOVE_RUNS)
