"""Meta's batch: up to 50 reads in one POST, each with a status and a body of its own, or null when it timed out.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/batch-requests. Every part counts as a call of the
rate limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from extractors.capabilities import MetricRejected
from extractors.errors import ContractBroken, PermissionLost, PipelineError, RetryLater, TokenDead
from extractors.platforms import meta
from extractors.shape import LOOK
from extractors.spec import Answer, Params, Scope, Unread
from extractors.strict_json import NotStrictJson, original, parse

LARGEST = 50


def path(scope: Scope) -> str:
    """Path of every batch."""
    return f"/{meta.VERSION}/"


def form(urls: Iterable[str]) -> Params:
    """One batch of reads; the addresses are relative to the version."""
    calls = [{"method": "GET", "relative_url": url} for url in urls]
    return {"batch": json.dumps(calls, separators=(",", ":")), "include_headers": "false"}


def weight(form: Params | None) -> int:
    """As how many calls Meta counts this form: one per part of a batch; a call without a form is one."""
    return len(json.loads(form["batch"])) if form else 1


def elements(body: Any, count: int, where: str) -> list[Any]:
    """Return the parts of a batch's answer. Raises ContractBroken when there are not as many as were asked for."""
    if not isinstance(body, list) or len(body) != count:
        raise ContractBroken(f"{where}: a batch of {count} answered otherwise", LOOK)
    return body


def answer_of(element: Any, scope: Scope) -> Answer:
    """Return one part as an answer of its own; null is one that timed out."""
    if not isinstance(element, dict):
        return Answer(status=504, headers={}, body=None, at=scope.now)
    try:
        body = parse(str(element.get("body") or "null").encode("utf-8", "surrogatepass"))
    except NotStrictJson:
        body = None
    code = element.get("code")
    return Answer(status=code if isinstance(code, int) else 500, headers={}, body=body, at=scope.now)


def unread(key: str, element: Any, error: PipelineError) -> Unread:
    """Keep a part that failed. Raises the error when it is about the account or its limits, whatever the part."""
    if isinstance(error, RetryLater | TokenDead):
        raise error
    return Unread(key, error, original(element))


def raise_if_all_failed(failed: Sequence[Unread], parts: int) -> None:
    """Raise what every part failed with, when that is about the account or a metric and not about the objects."""
    errors = [item.error for item in failed]
    common = [error for error in errors if isinstance(error, MetricRejected | PermissionLost)]
    if parts and len(common) == parts:
        raise next((error for error in common if isinstance(error, MetricRejected)), common[0])
