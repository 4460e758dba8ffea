"""Great Expectations on the rows of a stream's pending runs: one validation per stream, in portions of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg

from expectations.aside import MOST_ROWS
from expectations.projection import projection
from expectations.runs import Failure, Run
from extractors.errors import PipelineError
from extractors.spec import Stream

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

# A portion of projected rows takes about 20 MB, however much is pending.
ROWS_AT_ONCE = 20_000
ROWS_NAMED = 20


class GateBroken(PipelineError):
    """The gate itself failed on a stream; its runs are still pending and nothing of them was decided."""

    action = "look at the gate"


@dataclass(slots=True)
class Found:
    """One expectation's failing rows in one run, gathered over the portions; `keys` while they are few."""

    column: str
    says: str
    keys: dict[str, str] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the suite said of a stream: failures by run, and the validation worth showing: a failing one, if any."""

    failures: dict[str, list[Failure]]
    shown: ExpectationSuiteValidationResult


def judge(connection: psycopg.Connection[Any], stream: Stream, runs: Sequence[Run]) -> Verdict | None:
    """Validate the rows of the runs against the stream's suite; None when they have no row.

    Raises GateBroken when an expectation could not be computed.
    """
    # Seconds of import that a gate without rows does not pay.
    from expectations.validation import validate

    found: dict[tuple[str, str, str], Found] = {}
    shown = None
    for portion in portions(connection, stream, [run.run_id for run in runs]):
        result = validate(stream, portion)
        for single in result.results:
            if not single.success:
                gather(stream, single, found)
        if shown is None or shown.success:
            shown = result
    if shown is None:
        return None
    failures: dict[str, list[Failure]] = {run.run_id: [] for run in runs}
    for (run_id, expectation, _), rows in found.items():
        failures[run_id].append(failure(expectation, rows))
    return Verdict(failures, shown)


def portions(connection: psycopg.Connection[Any], stream: Stream, run_ids: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the judged columns of the runs' rows, a bounded number at a time."""
    with connection.transaction(), connection.cursor(name="gate") as cursor:
        cursor.execute(projection(stream), {"runs": run_ids})
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield pd.DataFrame(rows, columns=[column.name for column in cursor.description or ()])


def gather(stream: Stream, single: ExpectationValidationResult, found: dict[tuple[str, str, str], Found]) -> None:
    """Share a failed expectation's rows out to their runs."""
    config = single.expectation_config
    index = single.result.get("unexpected_index_list")
    if config is None or not index:
        name = config.type if config else "an expectation"
        raise GateBroken(
            f"{stream.full_name}: {name} could not be computed: {reason(single)}",
            "its runs are still pending; see docs/runbook.md#gate",
        )
    column = str(config.kwargs.get("column") or config.kwargs["column_A"])
    for row in index:
        rows = found.setdefault((row["run_id"], config.type, str(config.notes)), Found(column, str(config.notes)))
        rows.count += 1
        if len(rows.keys) <= MOST_ROWS:
            rows.keys.setdefault(row["record_key"], str(row[column]))
        if len(rows.rows) < ROWS_NAMED:
            rows.rows.append(row["record_key"])
            rows.examples.append(str(row[column]))


def reason(single: ExpectationValidationResult) -> str:
    """Return the first message of a failed computation."""
    raised = single.exception_info or {}
    for details in (raised, *raised.values()):
        if isinstance(details, dict) and details.get("exception_message"):
            return str(details["exception_message"])[:300]
    return "no row was named"


def failure(expectation: str, rows: Found) -> Failure:
    """Return the report of one expectation: what should hold, and what the first row has instead."""
    return Failure(
        expectation=expectation,
        column=rows.column,
        rows=tuple(rows.rows),
        count=rows.count,
        explanation=f"{rows.says}; {rows.rows[0]} has {rows.column}: {rows.examples[0]}",
        keys={key: f"{rows.says}; it has {rows.column}: {example}" for key, example in rows.keys.items()},
    )
