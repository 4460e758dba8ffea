"""Make the databases ready: Airflow's metadata, its pools, and the warehouse. Safe to repeat.

`python -m local.initialise` is the `init` service of docker-compose.yml and the first step of the local stack.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from extractors.registry import PLATFORMS
from local.layout import write_private

# How many chunks of a platform's accounts are read at once; the limiter in the warehouse decides how fast.
SLOTS = "2"


def pools() -> list[tuple[str, str]]:
    """Return name and description of each platform's pool, which caps how many tasks call it at once."""
    return [(f"api_{platform}", f"Calls to {platform}") for platform in PLATFORMS]


def airflow_metadata() -> None:
    """Run Airflow's own `db migrate` and `pools set` in one process: starting its CLI costs seconds each time."""
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    for command in (["db", "migrate"], *(["pools", "set", name, SLOTS, words] for name, words in pools())):
        arguments = parser.parse_args(command)
        arguments.func(arguments)


def admin_password() -> None:
    """Give the UI's user the password of AIRFLOW_ADMIN_PASSWORD, in the file Airflow's SimpleAuthManager reads."""
    path = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_private(path, json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}))


def warehouse() -> None:
    """Create or upgrade the warehouse objects, at the address of the PG* variables."""
    from extractors.migrate import migrate
    from extractors.settings import Settings

    migrate(Settings.from_environment())


if __name__ == "__main__":
    admin_password()
    airflow_metadata()
    warehouse()
