"""The command line; the DAGs call the same functions. `python -m extractors --help` lists the commands."""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from extractors import accounts, credential_commands, drift, expiry, partitions, quarantine, redaction, status, tenants
from extractors.crew import WORKERS, Crew
from extractors.erase import erase
from extractors.errors import ConfigurationError, PipelineError, WarehouseUnavailable
from extractors.extract import Asked, chosen_streams
from extractors.migrate import migrate
from extractors.plan import plan
from extractors.registry import PLATFORMS, streams
from extractors.run import OK, SOME_FAILED, run
from extractors.settings import Settings

WRONG_USE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 1 some accounts failed, 2 wrong use, nothing touched."""
    options = _parser().parse_args(arguments)
    os.umask(0o027)
    redaction.install()
    try:
        settings = Settings.from_environment()
        return int(options.command(settings, options))
    except (ConfigurationError, WarehouseUnavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return SOME_FAILED
    except psycopg.errors.UndefinedTable:
        print(f"error: {accounts.not_migrated(Settings.from_environment())}", file=sys.stderr)
        return WRONG_USE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m extractors", description="Extract social platforms into raw tables."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    _command(commands, "migrate", "create or upgrade the warehouse objects; safe to repeat", _migrate)

    group = commands.add_parser("accounts", help="the businesses and accounts to extract")
    loading = _command(
        group.add_subparsers(required=True, metavar="ACTION"), "load", "upsert accounts.yml, whole or not at all", _load
    )
    loading.add_argument("file", type=Path, help="the accounts.yml to load")

    for name, text, function in (
        ("plan", "predict the calls per budget against what is left; calls no platform", _plan),
        ("run", "extract, check with Great Expectations, and move the cursors", _run),
        ("status", "last run per account and stream: state, rows, age, calls, next allowed time", _status),
    ):
        command = _command(commands, name, text, function)
        command.add_argument(
            "--platform", action="append", choices=list(PLATFORMS), help="only this platform; repeatable"
        )
        command.add_argument(
            "--business", action="append", type=int, metavar="ID", help="only this business; repeatable"
        )
        if name != "status":
            command.add_argument("--stream", action="append", metavar="S", help="only this stream; repeatable")
            command.add_argument("--since", type=_day, metavar="D", help="first day to read, YYYY-MM-DD")
            command.add_argument("--until", type=_day, metavar="D", help="last day to read, YYYY-MM-DD, included")
        if name == "run":
            command.add_argument("--force", action="store_true", help="ignore a 'not before' learned from a platform")
            command.add_argument("--docs", type=Path, metavar="DIR", help="write Great Expectations' data docs here")
            command.add_argument(
                "--workers",
                type=_positive,
                default=WORKERS,
                metavar="N",
                help=f"accounts at once; {WORKERS} by default",
            )
        if name == "status":
            command.add_argument("--problems", action="store_true", help="only what needs a look")
    erasing = _command(commands, "erase", "delete what is stored; the accounts stay, disabled", _erase)
    erasing.add_argument("--business", type=int, required=True, metavar="ID", help="of this business")
    erasing.add_argument("--platform", choices=list(PLATFORMS), help="only of this platform")
    erasing.add_argument("--post", metavar="ID", help="only this post and what is below it; no account is disabled")
    _quarantine_commands(commands)
    _tenant_commands(commands)
    credential_commands.add_commands(commands, _command)
    drifting = _command(commands, "drift", "fields the platforms added, changed in type, or stopped sending", _drift)
    drifting.add_argument("--platform", action="append", choices=list(PLATFORMS), help="only this platform; repeatable")
    return parser


def _quarantine_commands(commands: Any) -> None:
    group = commands.add_parser("quarantine", help="what could not land: list it, look at it, land it again")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    listing = _command(actions, "list", "the open entries, one line each; notes are of records that landed", _list)
    listing.add_argument("--platform", action="append", choices=list(PLATFORMS), help="only this platform; repeatable")
    listing.add_argument("--business", action="append", type=int, metavar="ID", help="only this business; repeatable")
    listing.add_argument("--all", action="store_true", help="the resolved ones too")
    showing = _command(actions, "show", "one entry with its bytes, escaped for the screen", _show)
    showing.add_argument("id", type=int, metavar="ID", help="the number in the list")
    again = _command(actions, "replay", "read kept bytes again, check them, and resolve what landed", _replay)
    again.add_argument("ids", type=int, nargs="*", metavar="ID", help="the numbers in the list")
    again.add_argument("--all-open", action="store_true", help="every open entry")
    again.add_argument("--read", metavar="NAME", help="which list of the stream brought it, where that is not plain")


def _tenant_commands(commands: Any) -> None:
    group = commands.add_parser("tenants", help="the BI login of one business: its own rows of marts, nothing else")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    for name, text in (
        ("add", "create the login; prints its password, once"),
        ("rotate", "give the login another password and end its sessions"),
        ("remove", "drop the login and end its sessions"),
    ):
        action = _command(actions, name, text, _tenants)
        action.add_argument("--business", type=int, required=True, metavar="ID", help="the business")
        action.set_defaults(action=name)


def _tenants(settings: Settings, options: argparse.Namespace) -> int:
    if options.action == "remove":
        user = tenants.remove(settings, options.business)
        print(json.dumps({"user": user}) if options.json else f"{user} is gone")
        return OK
    login = (tenants.add if options.action == "add" else tenants.rotate)(settings, options.business)
    print(json.dumps(asdict(login)) if options.json else f"user {login.user}\npassword {login.password}")
    return OK


def _command(commands: Any, name: str, text: str, function: Callable[..., int]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="print machine-readable results")
    command.set_defaults(command=function)
    return command


def _positive(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 64")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day like 2026-11-21") from None


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    migrate(settings)
    _say(options, {"migrated": str(settings.warehouse)}, f"The warehouse {settings.warehouse} is up to date.")
    return OK


def _load(settings: Settings, options: argparse.Namespace) -> int:
    loaded = accounts.load(settings, options.file)
    facts = {name: getattr(loaded, name) for name in ("businesses", "accounts", "competitors")}
    _say(options, facts, "Loaded " + ", ".join(f"{count} {name}" for name, count in facts.items()) + ".")
    return OK


@dataclass(frozen=True, slots=True)
class _Chosen:
    accounts: list[dict[str, Any]]
    streams: list[str] | None


def _choose(settings: Settings, options: argparse.Namespace) -> _Chosen:
    """Return what the options name. Raises ConfigurationError for a name that stands for nothing."""
    known = {stream.name for stream in streams()} | {stream.full_name for stream in streams()}
    for name in options.stream or []:
        if name not in known:
            raise ConfigurationError(f"there is no stream {name!r}", f"choose from {', '.join(sorted(known))}")
    if options.since and options.until and options.since > options.until:
        raise ConfigurationError(f"--since {options.since} is after --until {options.until}", "swap them")
    with closing(settings.warehouse.connect()) as connection:
        found = accounts.enabled_accounts(connection, options.platform, options.business)
        known_ids = {row[0] for row in connection.execute("select business_id from ops.businesses")}
    for business_id in options.business or []:
        if business_id not in known_ids:
            raise ConfigurationError(f"there is no business {business_id}", "load it with `accounts load accounts.yml`")
    if not found:
        raise ConfigurationError("no enabled account matches", "load some with `accounts load accounts.yml`")
    concerned = [each for each in found if chosen_streams(PLATFORMS[each.platform], options.stream)]
    return _Chosen([each.identity() for each in concerned], options.stream)


def _plan(settings: Settings, options: argparse.Namespace) -> int:
    chosen = _choose(settings, options)
    lines = plan(settings, chosen.accounts, streams=chosen.streams, since=options.since, until=options.until)
    facts = [line.as_dict() for line in lines]
    _say(
        options, facts, "\n".join([*(str(line) for line in lines), f"{sum(line.calls for line in lines)} calls in all"])
    )
    return OK


def _run(settings: Settings, options: argparse.Namespace) -> int:
    chosen = _choose(settings, options)
    asked = Asked(streams=chosen.streams, since=options.since, until=options.until, force=options.force)
    crew = Crew(settings=settings, asked=asked, workers=options.workers)
    return run(
        crew, chosen.accounts, docs=options.docs, as_json=options.json, notices=lambda: _expiries(settings, options)
    )


def _expiries(settings: Settings, options: argparse.Namespace) -> list[str]:
    """Return a line per token of the accounts asked for that came nearer to its end since a run last told."""
    with closing(settings.warehouse.connect()) as connection:
        found = expiry.standings(connection, settings, options.platform, options.business)
        lines = expiry.new_warnings(connection, found, "run")
        connection.commit()
    return [f"warning: {line}" for line in lines]


def _status(settings: Settings, options: argparse.Namespace) -> int:
    with closing(settings.warehouse.connect()) as connection:
        lines = status.latest(connection, options.platform, options.business)
        concerns = expiry.concerns(expiry.standings(connection, settings, options.platform, options.business))
        concerns += partitions.concerns(connection)
    shown = [line for line in lines if line.todo is not None or line.warnings] if options.problems else lines
    _say(options, [line.as_dict() for line in shown], "\n".join([status.report(shown, of=len(lines)), *concerns]))
    return OK


def _erase(settings: Settings, options: argparse.Namespace) -> int:
    erased = erase(settings, options.business, options.platform, options.post)
    _say(options, asdict(erased), str(erased))
    return OK


def _drift(settings: Settings, options: argparse.Namespace) -> int:
    with closing(settings.warehouse.connect()) as connection:
        found = drift.drifted(connection, options.platform)
    text = "\n".join(map(str, found)) or "No field is new, of another type, or gone."
    _say(options, [field.as_dict() for field in found], text)
    return OK


def _list(settings: Settings, options: argparse.Namespace) -> int:
    with closing(settings.warehouse.connect()) as connection:
        found = quarantine.entries(
            connection, platforms=options.platform, business_ids=options.business, resolved=options.all
        )
    text = "\n".join(map(str, found)) or "The quarantine is empty."
    _say(options, [entry.as_dict() for entry in found], text)
    return OK


def _show(settings: Settings, options: argparse.Namespace) -> int:
    with closing(settings.warehouse.connect()) as connection:
        (entry,) = quarantine.named(connection, [options.id])
        body = quarantine.body_of(connection, entry)
    facts = entry.as_dict()
    lines = [f"{name:<13} {redaction.printable(str(value))}" for name, value in facts.items() if value is not None]
    facts["body_base64"] = base64.b64encode(body).decode()
    _say(options, facts, "\n".join([*lines, "", quarantine.printable_body(body)]))
    return OK


def _replay(settings: Settings, options: argparse.Namespace) -> int:
    if bool(options.ids) == options.all_open:
        raise ConfigurationError("replay wants numbers or --all-open", "see `python -m extractors quarantine list`")
    results = quarantine.replay(settings, options.ids or None, read=options.read)
    _say(options, [asdict(result) for result in results], "\n".join(map(str, results)) or "No entry is open.")
    return SOME_FAILED if any(result.open_because for result in results) else OK


def _say(options: argparse.Namespace, facts: object, text: str) -> None:
    print(json.dumps(facts, default=str) if options.json else redaction.screen(text))


if __name__ == "__main__":
    sys.exit(main())
