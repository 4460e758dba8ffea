"""The command line of the gate and of the marts' border: `python -m expectations validate | marts | list`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psycopg

from expectations.gate import validate_pending
from expectations.runs import LEDGER_CHECKS
from extractors.errors import ConfigurationError, PipelineError, WarehouseUnavailable
from extractors.registry import PLATFORMS, streams
from extractors.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Exit status: 0 all passed, 1 some quarantined or not judged, 2 misuse or no warehouse."""
    asked = parser().parse_args(arguments)
    # What the gate logs is printed here; without a handler Python would say it a second time.
    logging.getLogger("expectations").addHandler(logging.NullHandler())
    try:
        return {"list": list_suites, "marts": judge_marts, "validate": validate}[asked.command](asked)
    except (ConfigurationError, WarehouseUnavailable) as error:
        print(error, file=sys.stderr)
        return 2
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        print(f"the warehouse went away: {reason}; runs without a judgement wait for the next one", file=sys.stderr)
        return 2
    except PipelineError as error:
        print(error, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog="python -m expectations", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    check = commands.add_parser("validate", help="judge every finished run that waits")
    check.add_argument("--platform", action="append", choices=sorted(PLATFORMS), help="only this one; may be repeated")
    check.add_argument("--docs", type=Path, metavar="DIR", help="write data docs there, as HTML")
    check.add_argument("--json", action="store_true", help="print machine-readable results")
    border = commands.add_parser("marts", help="judge the marts that were built and are not published yet")
    border.add_argument("--accept", type=int, metavar="BUSINESS", help="take the sizes of its marts for right instead")
    border.add_argument("--docs", type=Path, metavar="DIR", help="write data docs there, as HTML")
    commands.add_parser("list", help="print every suite with its expectations in words")
    return top


def validate(asked: argparse.Namespace) -> int:
    """Judge, print and count."""
    results = validate_pending(Settings.from_environment(), asked.platform, docs_dir=asked.docs)
    refused = [result for result in results if not result.passed]
    if asked.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        for result in results:
            print(*(f"{line}\n" for line in result.lines()), sep="", end="")
        rows = sum(result.rows for result in results)
        print(f"{len(results)} runs with {rows} rows: {len(results) - len(refused)} passed, {len(refused)} quarantined")
    return 1 if refused else 0


def judge_marts(asked: argparse.Namespace) -> int:
    """Judge the candidates of the marts, or accept their sizes."""
    from expectations import marts

    settings = Settings.from_environment()
    if asked.accept is not None:
        print(f"{marts.accept(settings, asked.accept)} sizes of business {asked.accept} accepted")
        return 0
    judgement = marts.audit(settings, docs_dir=asked.docs)
    print(f"{judgement.marts} marts and {judgement.measures} sizes are fit to be published")
    return 0


def list_suites(_: argparse.Namespace) -> int:
    """Print every suite."""
    from expectations.suites import suite_for  # seconds of import that `validate` may not need

    print("every stream, from the run ledger")
    for says in LEDGER_CHECKS.values():
        print(f"    {says}")
    for stream in streams():
        print(f"{stream.full_name} ({stream.kind})")
        for expectation in suite_for(stream).expectations:
            print(f"    {expectation.notes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
