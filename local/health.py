"""Is a service of the stack healthy? `python -m local.health scheduler` exits 0 or 1; standard library alone."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from datetime import datetime
from typing import Any

from local.services import SERVICES


def report(base_url: str) -> dict[str, Any]:
    """Return Airflow's health report, `{}` while nobody answers."""
    try:
        with urllib.request.urlopen(f"{base_url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310 - our own stack
            found = json.load(answer)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def unhealthy(base_url: str, *, since: datetime | None = None) -> list[str]:
    """Return the names of the services that are not healthy (yet).

    A heartbeat counts for half a minute, also that of a service that is dead: only those after `since` do.
    """
    found = report(base_url)
    return [each.name for each in SERVICES if not _is_healthy(found.get(each.health) or {}, each.health, since)]


def _is_healthy(said: dict[str, Any], name: str, since: datetime | None) -> bool:
    heartbeat = said.get(f"latest_{name}_heartbeat")
    is_fresh = since is None or heartbeat is None or datetime.fromisoformat(heartbeat) > since
    return said.get("status") == "healthy" and is_fresh


if __name__ == "__main__":
    sick = unhealthy(os.environ.get("AIRFLOW__API__BASE_URL", "http://127.0.0.1:8080"))
    sys.exit(1 if sys.argv[1] in sick else 0)
