"""The gate between raw and staging: every finished run passes or is quarantined, and says why.

A quarantined run keeps its rows in raw, where staging does not see them, and its cursor does not move.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from expectations import runs as ledger
from expectations.rows import GateBroken, Verdict, judge
from expectations.runs import Failure, Run
from extractors.errors import PipelineError
from extractors.registry import streams
from extractors.settings import Settings
from extractors.spec import Stream

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What the gate decided on one run; `report` is what stands in ops.extract_runs.gate_report.

    A run that passed although some expectation failed has `set_aside` records in the quarantine.
    """

    run_id: str
    stream: str
    account_id: str
    business_id: int
    passed: bool
    rows: int
    report: list[dict[str, Any]]
    set_aside: int = 0

    def lines(self) -> list[str]:
        """Return one line per failure: where, what should hold, which rows, and where to look."""
        return [
            f"{self.stream}, account {self.account_id} of business {self.business_id}, run {self.run_id}: "
            f"{item['expectation']} failed: {item['explanation']}"
            + (f"; {item['count']} row(s): {', '.join(item['rows'][:3])}" if item["rows"] else "")
            + f"; {self._look()}, see docs/runbook.md#gate"
            for item in self.report
        ]

    def _look(self) -> str:
        if self.passed:
            return "set aside, the rest of the run passed; look with `python -m extractors quarantine list`"
        return f"look at raw.{self.stream} where run_id = '{self.run_id}'"


def validate_pending(
    settings: Settings, platforms: Sequence[str] | None = None, *, docs_dir: Path | None = None
) -> list[GateResult]:
    """Judge every finished run that waits, all runs of a stream in one validation, and write the judgements.

    Complete runs that pass move their watermark. Runs that another gate decided meanwhile, or that were taken up
    again, are left out. Raises WarehouseUnavailable, and GateBroken after all streams that could be judged were.
    """
    results: list[GateResult] = []
    shown: dict[str, ExpectationSuiteValidationResult] = {}
    broken: list[PipelineError] = []
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        for name, group in groupby(ledger.pending(connection, platforms), key=lambda run: run.stream):
            waiting = list(group)
            try:
                failures, verdict = judge_stream(connection, name, waiting)
            except PipelineError as error:
                broken.append(error)
                continue
            except (psycopg.ProgrammingError, psycopg.DataError) as error:
                broken.append(unreadable(name, error))
                continue
            if verdict is not None:
                shown[name] = verdict.shown
            results += decide(connection, waiting, failures)
    if docs_dir is not None and shown:
        from expectations.docs import write  # as in `rows`: seconds of import

        write(docs_dir, shown, datetime.now(UTC))
    if broken:
        raise broken[0]
    return results


def unreadable(name: str, error: psycopg.Error) -> GateBroken:
    """Return why the rows of a stream cannot be judged: a raw table that is not there, or not as registered."""
    reason = str(error).strip().splitlines()[0]
    return GateBroken(
        f"{name}: its rows cannot be read: {reason}",
        "run `python -m extractors migrate`; if that changes nothing, see docs/runbook.md#gate",
    )


def judge_stream(
    connection: psycopg.Connection[Any], name: str, waiting: Sequence[Run]
) -> tuple[dict[str, list[Failure]], Verdict | None]:
    """Return the failures of each run of a stream, and the validation of its rows if there are any."""
    stream = _registered(name)
    if stream is None:
        says = "the registry does not know this stream any more, so nothing can judge it"
        return {run.run_id: [ledger.refusal("stream_is_registered", says)] for run in waiting}, None
    failures = ledger.ledger_failures(connection, stream, waiting)
    with_rows = [run for run in waiting if run.stored > 0]
    verdict = judge(connection, stream, with_rows) if with_rows else None
    for run_id, found in (verdict.failures if verdict else {}).items():
        failures[run_id] += found
    return failures, verdict


def _registered(name: str) -> Stream | None:
    return next((stream for stream in streams() if stream.full_name == name), None)


def decide(
    connection: psycopg.Connection[Any], waiting: Sequence[Run], failures: dict[str, list[Failure]]
) -> list[GateResult]:
    """Write each run's judgement in a transaction of its own, and log what was refused."""
    results = []
    for run in waiting:
        found = failures[run.run_id]
        moved = ledger.decide(connection, run, found, _registered(run.stream))
        if moved is not None:
            result = GateResult(
                run_id=run.run_id,
                stream=run.stream,
                account_id=run.account_id,
                business_id=run.business_id,
                passed=moved > 0 or not found,
                rows=run.stored - moved,
                report=[failure.as_json() for failure in found],
                set_aside=moved,
            )
            results.append(result)
            for line in result.lines():
                log.warning(line)
    return results
