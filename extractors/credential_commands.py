"""`python -m extractors credentials ...`: how the tokens stand, and the keys that seal the refreshed ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from extractors import expiry
from extractors.credentials import scope_of
from extractors.errors import ConfigurationError
from extractors.redaction import screen
from extractors.sealing import Keyring, new_key
from extractors.settings import Settings

Add = Callable[..., argparse.ArgumentParser]


def add_commands(commands: Any, add: Add) -> None:
    """Add the group to the command line; `add` makes one command of it."""
    group = commands.add_parser("credentials", help="how the tokens stand; the keys that seal refreshed ones")
    actions = group.add_subparsers(required=True, metavar="ACTION")
    add(actions, "list", "every credential: state, end, days left; never a secret", list_them)
    add(actions, "new-key", "print a fresh key for CREDENTIALS_KEY; touches nothing", print_key)
    add(actions, "rotate", "seal every stored token again, with the first key of CREDENTIALS_KEY", rotate)
    forgetting = add(actions, "forget", "drop the stored token, so that the connection's counts again", forget)
    forgetting.add_argument("credential", help="the connection id")


def list_them(settings: Settings, options: argparse.Namespace) -> int:
    """Print one line per credential. Exit status 1 when one needs a person at once."""
    with closing(settings.warehouse.connect()) as connection:
        found = expiry.standings(connection, settings)
    facts = [each.as_dict() for each in found]
    print(json.dumps(facts, default=str) if options.json else screen(expiry.table(found)))
    return int(any(each.state != "current" for each in found))


def print_key(settings: Settings, options: argparse.Namespace) -> int:
    """Print a key that nobody has."""
    key = new_key()
    print(json.dumps({"key": key}) if options.json else key)
    return 0


def rotate(settings: Settings, options: argparse.Namespace) -> int:
    """Seal again what another key than the first one sealed. Raises ConfigurationError when one cannot be opened."""
    keyring = Keyring.parse(settings.credentials_key())
    with closing(settings.warehouse.connect()) as connection:
        count = sum(_resealed(connection, keyring, *row) for row in _sealed(connection))
        connection.commit()
    said = f"{count} stored tokens sealed again; keys behind the first may be dropped now"
    print(json.dumps({"sealed_again": count}) if options.json else said)
    return 0


def _sealed(connection: psycopg.Connection[Any]) -> list[tuple[str, str, bytes]]:
    query = "select platform, credential, sealed from ops.credentials order by platform, credential for update"
    return [(row[0], row[1], bytes(row[2])) for row in connection.execute(query)]


def _resealed(
    connection: psycopg.Connection[Any], keyring: Keyring, platform: str, credential: str, sealed: bytes
) -> bool:
    scope = scope_of(platform, credential)
    try:
        plain = keyring.open(sealed, scope)
    except ConfigurationError as error:
        raise type(error)(f"{platform} credential {credential}: {error.what}", error.remedy) from None
    if keyring.is_newest(sealed):
        return False
    update = (
        "update ops.credentials set sealed = %s, updated_at = clock_timestamp() where (platform, credential) = (%s, %s)"
    )
    connection.execute(update, (keyring.seal(plain, scope), platform, credential))
    return True


def forget(settings: Settings, options: argparse.Namespace) -> int:
    """Delete the stored token of one credential. Raises ConfigurationError when there is none."""
    with closing(settings.warehouse.connect()) as connection:
        gone = connection.execute("delete from ops.credentials where credential = %s", (options.credential,)).rowcount
        connection.commit()
    if not gone:
        raise ConfigurationError(
            f"no token of {options.credential!r} is stored", "see `python -m extractors credentials list`"
        )
    said = f"forgotten; the connection's token of {options.credential} counts again"
    print(json.dumps({"forgotten": gone}) if options.json else screen(said))
    return 0
