"""One request and its answer, as all four platforms see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in. `query` is raw, header names are lower case, `base_url` is how the caller reached us."""

    platform: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    def params(self) -> dict[str, str]:
        """The decoded query; of a repeated name the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The decoded form body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def bearer(self) -> str | None:
        """The token of the Authorization header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(slots=True, kw_only=True)
class Answer:
    """What goes out, and what the ledger notes about it. `body` is JSON, or bytes sent as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    objects: int = 0
    account: str | None = None
    credential: str | None = None


class Refusal(Exception):
    """A platform says no; carries the documented answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.answer = Answer(status=status, body=body, headers=dict(headers or {}))
