"""Processes of their own that renew a token or read an account, for tests that let many run or one die."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any

from extractors.credentials import Grant
from extractors.extract import extract_account
from extractors.http import Client
from extractors.limiter import Limiter
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Scope


def renew_and_call(settings: Settings, account: Account, dead: str) -> int:
    """Renew a dead token and make a call with what came; return the answer's status."""
    platform = PLATFORMS[account.platform]
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        grant = Grant(settings, account, connection)
        base_url = settings.base_urls[platform.key]
        client = Client(platform, account, base_url, dead, Limiter(connection), renewed=grant.renewed)
        scope = Scope(account=account, now=settings.now)
        read = platform.stream("profile").reads[0]
        return client.call(read, scope, read.params(scope)).status


def main() -> None:
    """Say `ready`, wait for a line, then do what the first argument says; print the outcome."""
    print("ready", flush=True)
    sys.stdin.readline()
    settings = Settings.from_environment()
    asked: dict[str, Any] = json.loads(sys.argv[2])
    if sys.argv[1] == "renew":
        dead = asked.pop("dead")
        print(renew_and_call(settings, Account(**asked), dead), flush=True)
    else:
        results = extract_account(settings, asked)
        print(json.dumps([type(result.error).__name__ for result in results if result.error]), flush=True)


if __name__ == "__main__":
    main()
