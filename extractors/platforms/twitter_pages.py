"""How X writes its pages and instants: https://docs.x.com/x-api/fundamentals/pagination, read 2026-11-21."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from extractors.errors import ContractBroken
from extractors.shape import LOOK, mapping, objects, outline
from extractors.spec import Json, Params


def page_of_posts(body: Any, where: str) -> list[Json]:
    """Return the posts of a timeline page. An empty page has no `data`; errors without data are refused."""
    page = mapping(body, where)
    if "data" not in page and "meta" in page:
        return []
    return objects(page, "data", where)


def next_token(body: Any, params: Params, *, name: str = "pagination_token") -> Params | None:
    """Go on while `meta.next_token` is there, also after a page without posts; `name` is what takes it."""
    token = (mapping(body, "twitter").get("meta") or {}).get("next_token")
    if token is None:
        return None
    if not isinstance(token, str) or not token:
        raise ContractBroken(f"twitter: next_token is {outline(token)}", LOOK)
    return {**params, name: token}


def rfc3339(instant: datetime) -> str:
    """Return the instant as X wants it, in whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
