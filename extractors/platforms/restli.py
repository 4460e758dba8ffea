"""How LinkedIn spells its questions and its pages: Rest.li 2.0, structure raw and values encoded.

https://learn.microsoft.com/linkedin/shared/api-guide/concepts/protocol-version, read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from extractors.errors import ContractBroken
from extractors.shape import LOOK, mapping
from extractors.spec import Json, Params, Scope

# Twenty URNs stay far below the 8 kB at which the gateway answers 414.
URNS_PER_CALL = 20
# What of the posts has organic numbers: dark posts and drafts have none.
ORGANIC = (
    "payload ->> 'lifecycleState' = 'PUBLISHED' "
    "and payload #>> '{distribution,feedDistribution}' is distinct from 'NONE'"
)


def organization(scope: Scope) -> str:
    """Return the account's URN."""
    return f"urn:li:organization:{scope.account.account_id}"


def encode(params: Params) -> str:
    """Rest.li 2.0 wants its structure raw and its values encoded: the values come encoded already."""
    return "&".join(f"{name}={value}" for name, value in params.items())


def value(raw: str) -> str:
    """Encode one value inside a Rest.li structure."""
    return quote(raw, safe="")


def urn_list(scope: Scope) -> str:
    """Return the ids of the batch as a Rest.li list."""
    return "List(" + ",".join(value(urn) for urn in scope.ids) + ")"


def gathered(bodies: Mapping[str, Any], statuses: Mapping[str, int]) -> Json:
    """Return single answers in the form of a BATCH_GET: what is there, and a status for what is not."""
    return {
        "results": dict(bodies),
        "statuses": {**dict.fromkeys(bodies, 200), **statuses},
        "errors": {urn: {"status": status} for urn, status in statuses.items()},
    }


def next_start(body: Any, params: Params) -> Params | None:
    """Follow rel=next by its `start` alone: the link itself is never called."""
    links = mapping(mapping(body, "linkedin").get("paging") or {}, "linkedin paging").get("links") or []
    for link in links:
        if isinstance(link, dict) and link.get("rel") == "next":
            start = parse_qs(urlsplit(str(link.get("href"))).query).get("start")
            if not start or not start[0].isdigit() or int(start[0]) <= int(params["start"]):
                raise ContractBroken("linkedin: the next link has no later start", LOOK)
            return {**params, "start": start[0]}
    return None
