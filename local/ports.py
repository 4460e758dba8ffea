"""Loopback ports: the same ones on every start where they are free, others where they are not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable

from local.layout import Layout, read_json, write_private
from local.postgres import free_port

PREFERRED = {"ui": 8080}


def choose(layout: Layout, names: Iterable[str]) -> dict[str, int]:
    """Return a free port per name, and remember the choice."""
    path = layout.root / "ports.json"
    remembered = read_json(path) or {}
    chosen: dict[str, int] = {}
    for name in names:
        wanted = remembered.get(name) or PREFERRED.get(name)
        port = wanted if wanted and is_free(wanted) and wanted not in chosen.values() else free_port()
        chosen[name] = port
    write_private(path, json.dumps({**remembered, **chosen}))
    return chosen


def is_free(port: int) -> bool:
    """Return whether nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def remembered(layout: Layout, name: str) -> int | None:
    """Return the port chosen last for a name."""
    return (read_json(layout.root / "ports.json") or {}).get(name)
