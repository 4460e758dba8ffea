"""`python -m insights run`: the statistics SQL cannot say well. `calibrate` measures how often they are right."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from extractors.errors import PipelineError
from extractors.settings import Settings

OK, FAILED, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 2 wrong use or configuration."""
    parser = argparse.ArgumentParser(prog="python -m insights", description="Statistics from core into core.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    running = commands.add_parser("run", help="recompute best times and hashtag lifts from core into core")
    running.add_argument(
        "--as-of", default="", metavar="WHEN", help="of the core rebuilt as of this: an instant, or 'publication 17'"
    )
    calibrating = commands.add_parser("calibrate", help="measure the advice on simulated accounts of known truth")
    calibrating.add_argument("--accounts", type=int, default=1_000, metavar="N", help="accounts per row (1000)")
    calibrating.add_argument("--seed", type=int, default=2, metavar="N", help="of the random accounts (2)")
    calibrating.add_argument("--write", type=Path, metavar="FILE", help="replace the tables in this page")
    options = parser.parse_args(arguments)
    try:
        return _calibrate(options) if "accounts" in options else _run(options.as_of)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE


def _run(as_of: str) -> int:
    from insights.run import LIVE, REBUILT, run

    written = run(Settings.from_environment(), as_of)
    schema = REBUILT if as_of else LIVE
    rows = ", ".join(f"{count} rows in {schema}.{name}" for name, count in written.rows.items())
    print(f"{written.judged} businesses x platforms judged: {rows}")
    return OK


def _calibrate(options: argparse.Namespace) -> int:
    from insights.tables import tables, written_into

    found = tables(options.accounts, options.seed)
    if options.write:
        options.write.write_text(written_into(options.write.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(found)
    return OK


if __name__ == "__main__":
    sys.exit(main())
