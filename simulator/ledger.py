"""The server-side ledger: every request that came in, as the oracle for what an extractor asked."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from simulator.limits import Charge

SECRETS = frozenset({"access_token", "appsecret_proof", "client_secret", "refresh_token", "fb_exchange_token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `at` is the simulated time, `received` the real one; no token is ever in it.

    `credential` is the name of the credential, `objects` how many records went out, `parts` the requests inside a
    batch, `charges` what it cost each limit and whether that was too much, `exposed` whether a token stood in the
    address.
    """

    number: int
    platform: str
    method: str
    path: str
    query: dict[str, str]
    status: int
    at: datetime
    received: datetime
    seconds: float
    account: str | None = None
    credential: str | None = None
    fault: str | None = None
    objects: int = 0
    parts: tuple[str, ...] = field(default=())
    charges: tuple[Charge, ...] = field(default=())
    exposed: bool = False

    def as_json(self) -> dict[str, Any]:
        """The call as plain JSON values."""
        return asdict(self) | {"at": self.at.isoformat(), "received": self.received.isoformat()}


class Ledger:
    """Calls in the order they were answered; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._count = 0

    def add(self, **known: Any) -> None:
        """Note one call."""
        with self._lock:
            self._count += 1
            self._calls.append(Call(number=self._count, **known))

    def calls(self) -> list[Call]:
        """All calls since the last `clear`."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        """Forget all calls; numbers go on."""
        with self._lock:
            self._calls.clear()


def without_secrets(query: str) -> dict[str, str]:
    """A decoded query without anything that opens a door."""
    return {name: value for name, value in parse_qsl(query, keep_blank_values=True) if name not in SECRETS}


def path_without_secrets(url: str) -> str:
    """A relative URL with its secrets taken out of the query."""
    split = urlsplit(url)
    kept = "&".join(f"{name}={value}" for name, value in without_secrets(split.query).items())
    return f"{split.path}?{kept}" if kept else split.path
