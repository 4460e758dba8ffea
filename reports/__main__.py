"""The command line of the reports; the DAGs call the same functions. `python -m reports --help` lists the commands."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from extractors.errors import ConfigurationError, PipelineError, WarehouseUnavailable
from extractors.settings import Settings
from reports.catalog import REPORTS
from reports.files import verify
from reports.periods import FORMS
from reports.render import render

OK, FAILED, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 1 failed, 2 wrong use or configuration, nothing touched."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (ConfigurationError, WarehouseUnavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description="Write reports as files, and check them.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _command(commands, "list", "print the reports, one name per line", _list)

    rendering = _command(commands, "render", "write one report of one business", _render)
    rendering.add_argument("name", metavar="NAME", help="a report, as `list` prints it")
    rendering.add_argument("--business", type=int, required=True, metavar="ID", help="the business it is about")
    rendering.add_argument(
        "--period", metavar="P", help=f"{', '.join(FORMS.values())}, as the report asks; default: the last one ended"
    )
    rendering.add_argument(
        "--exports", type=Path, default=Path("exports"), metavar="DIR", help="where to write; default: exports"
    )

    verifying = _command(commands, "verify", "compare every export below a folder with its manifest", _verify)
    verifying.add_argument("directory", type=Path, metavar="DIR", help="a folder of exports")
    return parser


def _command(commands: Any, name: str, text: str, function: Callable[..., int]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="print machine-readable results")
    command.set_defaults(command=function)
    return command


def _list(options: argparse.Namespace) -> int:
    facts = [
        {
            "name": report.name,
            "title": report.title,
            "mart": f"marts.{report.mart}",
            "period": report.period,
            "schedule": report.cron,
            "formats": list(report.formats),
        }
        for report in REPORTS.values()
    ]
    _say(options, facts, "\n".join(REPORTS))
    return OK


def _render(options: argparse.Namespace) -> int:
    done = render(Settings.from_environment(), options.name, options.business, options.period, options.exports)
    facts = {
        "report": options.name,
        "business_id": options.business,
        "period": done.period,
        "rows": done.rows,
        "directory": str(done.directory),
        "files": [str(path) for path in done.files],
    }
    _say(options, facts, "\n".join([f"{done.rows} rows of {done.period}", *map(str, done.files)]))
    return OK


def _verify(options: argparse.Namespace) -> int:
    if not options.directory.is_dir():
        raise ConfigurationError(f"{options.directory} is no folder", "name a folder of exports")
    manifests, differences = verify(options.directory)
    if not manifests and not differences:
        raise ConfigurationError(f"below {options.directory} there is no manifest", "name a folder of exports")
    facts = {
        "manifests": manifests,
        "differences": [{"path": str(each.path), "problem": each.problem} for each in differences],
    }
    _say(options, facts, f"{manifests} manifests checked, {len(differences)} differences")
    for each in differences:
        print(f"differs: {each}", file=sys.stderr)
    return FAILED if differences else OK


def _say(options: argparse.Namespace, facts: object, text: str) -> None:
    print(json.dumps(facts) if options.json else text)


if __name__ == "__main__":
    sys.exit(main())
