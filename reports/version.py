"""Which code wrote a file."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def code_version(root: Path = ROOT) -> str:
    """Return the project's version, and the commit where there is a checkout: 0.1.0+g1a2b3c4d5e6f."""
    try:
        version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except FileNotFoundError:
        version = "unknown"
    commit = _commit(root / ".git")
    return f"{version}+g{commit[:12]}" if commit else str(version)


def _commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        lines = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)
    except OSError:
        return None
