"""Looks for canary secrets wherever a pipeline writes: files, tables, texts. Its own tests plant one to be found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from simulator.server import Simulator


def planted(simulator: Simulator, environment: Mapping[str, str]) -> set[str]:
    """Everything that opens a door in a test's world: tokens, refresh tokens and those that followed, apps, keys."""
    keys = environment.get("CREDENTIALS_KEY", "").split(",")
    return {secret for secret in [*simulator.vault.secrets(), *keys, environment["PGPASSWORD"]] if secret}


def shapes(secret: str) -> set[str]:
    """A secret as it may be written: plain, percent-encoded, as a JSON text."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}


def found_in_files(secrets: Iterable[str], *folders: Path) -> list[str]:
    """The files below the folders that hold a secret, databases of SQLite and compiled pages included."""
    # One plain search after the other: a pattern of hundreds of alternatives takes minutes for the same.
    wanted = sorted({each.encode() for secret in secrets for each in shapes(secret)})
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files, "a search through nothing proves nothing"
    return [str(path) for path in files if (content := path.read_bytes()) and any(each in content for each in wanted)]


def found_in_texts(secrets: Iterable[str], **texts: str) -> list[str]:
    """The names of the texts that hold a secret."""
    wanted = sorted({each for secret in secrets for each in shapes(secret)})
    return [name for name, text in texts.items() if any(each in text for each in wanted)]
