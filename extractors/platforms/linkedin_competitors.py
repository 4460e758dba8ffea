"""LinkedIn's competitors: the followers of any organization, found by its vanity name. Version 202609.

Read 2026-11-21: https://learn.microsoft.com/linkedin/marketing/community-management/organizations/organization-lookup-api
(who does not administer an organization gets its id, names and place) and /organizations/follower-statistics
(`networkSizes`). Posts and their numbers answer 403 to anyone else.
"""

from __future__ import annotations

import json
from typing import Any

from extractors.errors import ContractBroken, ObjectGone
from extractors.platforms.restli import value
from extractors.shape import LOOK, mapping, objects
from extractors.spec import Competitors, Follow, Json, Params, Read, Record, Scope, Stream

WHERE = "linkedin__competitors"
KEPT = ("id", "localizedName", "vanityName")


def path(scope: Scope) -> str:
    """The organization of a name, then the size of its network."""
    if not scope.places:
        return "/rest/organizations"
    (number,) = scope.places
    return f"/rest/networkSizes/{value(f'urn:li:organization:{number}')}"


def params(scope: Scope) -> Params:
    """By name first; the size of what was found then."""
    if scope.places:
        return {"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"}
    return {"q": "vanityName", "vanityName": value(scope.handles[0])}


def led_to(scope: Scope, body: Any) -> Params:
    """The organization whose size is asked next, with what is known of it."""
    if scope.places:
        return {}
    elements = objects(body, "elements", WHERE)
    if not elements:
        what = f"{scope.account}: LinkedIn knows no organization {scope.handles[0]!r}"
        raise ObjectGone(what, "give the competitor's vanity name, the end of its page's address, in accounts.yml")
    found = elements[0]
    number = found.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        raise ContractBroken(f"{WHERE}: an organization without a numeric id", LOOK)
    return {str(number): json.dumps({name: found[name] for name in KEPT if name in found})}


def records(scope: Scope, body: Any) -> list[Record]:
    """One record per competitor and day: what is known of the organization, and its size."""
    if not scope.places:
        return []
    (known,) = scope.places.values()
    size = mapping(body, WHERE)
    if "firstDegreeSize" not in size:
        raise ContractBroken(f"{WHERE}: the size of a network is missing", LOOK)
    payload: Json = {**json.loads(known), **size}
    return [Record(f"{scope.handles[0].lower()}:profile:{scope.today.isoformat()}", payload)]


STREAM = Stream(
    platform="linkedin",
    name="competitors",
    kind="entity",
    reads=(
        Read(
            name="network_size_by_name",
            endpoint="competitors",
            path=path,
            params=params,
            records=records,
            over=Competitors(size=1),
            follow=Follow(places=led_to, size=1),
        ),
    ),
)
