"""`python -m extractors run`: read many accounts, let Great Expectations judge, and say what became of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from extractors import redaction
from extractors.crew import Crew, Done
from extractors.errors import WarehouseUnavailable
from extractors.extract import RunResult

if TYPE_CHECKING:
    from expectations.gate import GateResult

OK, SOME_FAILED = 0, 1


@dataclass(slots=True)
class Tally:
    """What is kept of accounts that are done: sums, and the lines that a person must read. Facts only for --json."""

    stored: int = 0
    unchanged: int = 0
    calls: int = 0
    quarantined: list[str] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)
    failures: dict[str, None] = field(default_factory=dict)
    facts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, done: Done) -> None:
        """Count an account."""
        for result in done.results:
            self.stored += result.stored
            self.unchanged += result.unchanged
            self.calls += result.calls
            self.quarantined += [_quarantined_line(result)] if result.quarantined else []
            self.warnings |= dict.fromkeys(f"warning: {line}" for line in result.warnings)
            if result.error is not None:
                self.failures[_failure_line(result)] = None


def run(
    crew: Crew,
    accounts: Sequence[dict[str, Any]],
    *,
    docs: Path | None,
    as_json: bool,
    notices: Callable[[], list[str]] = list,
) -> int:
    """Read the accounts, judge what landed, print it, and return the exit status. `notices` are lines for the end."""
    tally = Tally()
    try:
        for number, done in enumerate(crew.read(accounts), 1):
            tally.add(done)
            if as_json:
                tally.facts += [_result_facts(result) for result in done.results]
            else:
                _show(_account_line(number, len(accounts), done))
    except WarehouseUnavailable as error:
        # Accounts before this one have landed, so this is no "nothing was touched".
        _show(f"failed: {error}", sys.stderr)
        return SOME_FAILED
    if crew.stop.asked_by is not None:
        # Judging takes longer than a deploy waits; the next run's gate sees these runs too.
        _print_lines(tally)
        _show(f"stopped: {crew.stop.asked_by}; what landed is kept, and the next run goes on there", sys.stderr)
        return SOME_FAILED
    tally.warnings |= dict.fromkeys(notices())
    return _judged(crew, accounts, tally, docs=docs, as_json=as_json)


def _judged(crew: Crew, accounts: Sequence[dict[str, Any]], tally: Tally, *, docs: Path | None, as_json: bool) -> int:
    # Great Expectations takes seconds to import: only a run pays for it.
    from expectations.gate import validate_pending

    platforms = sorted({account["platform"] for account in accounts})
    gates = validate_pending(crew.settings, platforms, docs_dir=docs)
    refused = [gate for gate in gates if not gate.passed]
    if as_json:
        print(json.dumps({"runs": tally.facts, "refused": [asdict(gate) for gate in refused]}))
    else:
        _print_summary(tally, len(gates) - len(refused))
    _print_lines(tally)
    _print_judged(gates)
    return SOME_FAILED if tally.failures or refused else OK


def _account_line(number: int, total: int, done: Done) -> str:
    name = f"{done.platform} {done.account_id} (business {done.business_id})"
    results = done.results
    counts = f"{sum(r.stored for r in results):>7} stored {sum(r.unchanged for r in results):>7} unchanged"
    failed = len(done.errors)
    return f"[{number}/{total}] {name:<50} {counts} {sum(r.calls for r in results):>5} calls" + (
        f"  {failed} of {len(results)} streams failed: {done.errors[0].action}" if failed else ""
    )


def _print_summary(tally: Tally, passed: int) -> None:
    print(f"{tally.stored} records stored, {tally.unchanged} unchanged, {tally.calls} calls; {passed} runs passed")
    for line in tally.quarantined:
        _show(line)


def _print_lines(tally: Tally) -> None:
    """Print each warning and each failure once: the platform no longer tells something, an account was not read."""
    for line in (*tally.warnings, *tally.failures):
        _show(line, sys.stderr)


def _print_judged(gates: Sequence[GateResult]) -> None:
    for gate in gates:
        for line in gate.lines():
            _show(f"{'quarantined' if gate.passed else 'refused'}: {line}", sys.stderr)


def _show(line: str, stream: TextIO | None = None) -> None:
    """Print one line, whatever names and messages of others are in it."""
    print(redaction.one_line(line), file=stream or sys.stdout, flush=True)


def _quarantined_line(result: RunResult) -> str:
    return (
        f"quarantined: {result.quarantined} records of {result.stream}, account {result.account_id}, "
        f"run {result.run_id}; look with `python -m extractors quarantine list`"
    )


def _failure_line(result: RunResult) -> str:
    return f"failed: {result.stream}, account {result.account_id} of business {result.business_id}: {result.error}"


def _result_facts(result: RunResult) -> dict[str, Any]:
    names = ("run_id", "business_id", "account_id", "stream", "state")
    counts = ("listed", "stored", "unchanged", "quarantined", "calls")
    facts: dict[str, Any] = {name: getattr(result, name) for name in (*names, *counts)}
    error = result.error
    facts["warnings"] = list(result.warnings)
    facts["error"] = {"class": type(error).__name__, "message": str(error), "action": error.action} if error else None
    return facts
