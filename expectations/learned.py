"""What the gate teaches `ops.schema_paths`: the fields of a run's rows, with the names that are data left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from expectations.fields import Fields, fields_of
from extractors import drift
from extractors.spec import Stream

if TYPE_CHECKING:
    from expectations.runs import Run

Keys = tuple[str, ...]
# Where a metric object of Meta keeps numbers by type, such as reactions.
BY_TYPE: tuple[Keys, ...] = (("values", "[]", "value"), ("total_value", "value"))


def learn(connection: psycopg.Connection[Any], stream: Stream, run: Run, *, passed: bool) -> None:
    """Take note of the fields in the run's rows."""
    declared = fields_of(stream.full_name, stream.kind)
    drift.learn(
        connection,
        stream,
        run.run_id,
        business_id=run.business_id,
        account_id=run.account_id,
        passed=passed,
        maps=maps(declared),
        named=[keys(declared.insights)[:-1]] if declared.insights else [],
        lists=sorted({name for read in stream.reads for name in (read.name, *read.metrics)}),
    )


def maps(declared: Fields) -> list[Keys]:
    """Return the objects whose keys are data, not names: those that a declared metric is any member of."""
    counted = (*declared.metrics, *declared.signed)
    found = [keys(path.split(".*")[0]) for path in counted if ".*" in path and not path.startswith("$.*")]
    if declared.insights:
        found += [(*keys(declared.insights), *rest) for rest in BY_TYPE]
    return found


def keys(path: str) -> Keys:
    """Return an SQL/JSON path as its keys from the top: `$.insights.data[*]` is insights, data, []."""
    return tuple(path.removeprefix("$.").replace("[*]", ".[]").split("."))
