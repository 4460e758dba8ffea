"""What Facebook and Instagram share of the Graph API: errors, cursors, windows of time, insight objects.

https://developers.facebook.com/docs/graph-api/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from simulator.days import days_within, pacific_day, utc_start
from simulator.exchange import Refusal
from simulator.fields import BadSyntax, Field, parse
from simulator.model import Account, Json, Post
from simulator.service import Service
from simulator.vault import Grant, Vault

TRACE = "AbC1dEfGhIjKlMnOpQrStUv"
TWICE = 2 * 86_400
HEAVIEST = 1_000
"""Objects times metrics of one request above which Graph asks to reduce the amount of data."""


@dataclass(slots=True)
class Policy:
    """What Meta changes overnight: names of metrics it retires, and how heavy a query may be.

    `media_without` names metrics that single media do not have, by media id. `is_terse`: a refusal does not say which.
    `hiccups`: so many refusals that mean nothing, on Instagram. `largest_page`: what a page of comments holds at most,
    whatever is asked. `without_public_content`: the app lacks the feature that shows the pages of others.
    """

    retired: set[str] = field(default_factory=set)
    heaviest: int = HEAVIEST
    media_without: dict[str, set[str]] = field(default_factory=dict)
    is_terse: bool = False
    hiccups: int = 0
    largest_page: int | None = None
    without_public_content: bool = False


_POLICIES: WeakKeyDictionary[Vault, Policy] = WeakKeyDictionary()


def policy(vault: Vault) -> Policy:
    """The policy of one simulator, found by its vault; change it to change what is served from then on."""
    return _POLICIES.setdefault(vault, Policy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to a node or an edge of it; `token` is what the caller presented, `url` the address without query."""

    service: Service
    grant: Grant
    token: str
    url: str
    params: dict[str, str]

    @property
    def policy(self) -> Policy:
        """What Meta takes at the moment."""
        return policy(self.service.vault)

    @property
    def now(self) -> datetime:
        """The simulated instant."""
        return self.service.now

    def address(self, **changed: str) -> str:
        """The address of a neighbouring page: it holds the access token, as Graph's own does."""
        params = {name: value for name, value in self.params.items() if name not in ("after", "before", "access_token")}
        return f"{self.url}?{urlencode({'access_token': self.token, **params, **changed})}"


def error(
    code: int,
    message: str,
    *,
    subcode: int | None = None,
    kind: str | None = "OAuthException",
    status: int | None = None,
    **more: Any,
) -> Refusal:
    """Graph's error envelope. HTTP 500 for codes 1 and 2, else 400."""
    body: Json = {"message": message}
    if kind is not None:
        body["type"] = kind
    body |= {**more, "code": code}
    if subcode is not None:
        body["error_subcode"] = subcode
    if kind is not None:
        body["fbtrace_id"] = TRACE
    chosen = status if status is not None else 500 if code in (1, 2) else 400
    readable = message.encode("ascii", "replace").decode()
    headers = {"WWW-Authenticate": f'OAuth "Facebook Platform" "invalid_request" "{readable}"'}
    return Refusal(chosen, {"error": body}, headers)


def missing_object(node: str) -> Refusal:
    """The answer to an id that does not exist or may not be seen."""
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation. Please read the Graph API documentation at "
        "https://developers.facebook.com/docs/graph-api"
    )
    return error(100, message, subcode=33, kind="GraphMethodException")


def page_token_needed() -> Refusal:
    """The answer to a user's or system user's token on what belongs to a Page."""
    return error(190, "(#190) This method must be called with a Page Access Token")


def expired(now: datetime) -> Refusal:
    """The answer to a token whose session is over."""
    ended, stands = (_session_time(at) for at in (now - timedelta(hours=10), now))
    message = f"Error validating access token: Session has expired on {ended}. The current time is {stands}."
    return error(190, message, subcode=463)


def _session_time(at: datetime) -> str:
    return at.strftime("%A, %d-%b-%y %H:%M:%S UTC")


def revoked() -> Refusal:
    """The answer to a token that was taken back."""
    message = (
        "Error validating access token: The session has been invalidated because the user changed their password "
        "or Facebook has changed the session for security reasons."
    )
    return error(190, message, subcode=460)


def missing_permission() -> Refusal:
    """The answer to a Page that the caller may not read."""
    return error(
        10,
        "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' "
        "feature. Refer to https://developers.facebook.com/docs/apps/review/login-permissions#manage-pages and "
        "https://developers.facebook.com/docs/apps/review/feature#reference-PAGES_ACCESS for details.",
    )


def reduce_data() -> Refusal:
    """The answer to a query that is too heavy: HTTP 500, and no type."""
    return error(1, "Please reduce the amount of data you're asking for, then retry your request", kind=None)


def wanted(ask: Ask, default: str, allowed: Collection[str], node_type: str) -> tuple[Field, ...]:
    """The fields asked for; 400 for a field that the node does not have."""
    text = ask.params.get("fields") or default
    try:
        fields = parse(text)
    except BadSyntax as problem:
        raise error(2500, f"Syntax error {problem}") from problem
    for one in fields:
        if one.name not in allowed:
            raise error(100, f"(#100) Tried accessing nonexisting field ({one.name}) on node type ({node_type})")
    return fields


def page_of(ask: Ask, posts: Sequence[Post], *, default: int) -> tuple[list[Post], Json]:
    """One page of a list by cursor, with its paging block (empty for an empty list)."""
    limit = whole(ask, "limit", default)
    if not 1 <= limit <= 100:
        raise error(100, "(#100) Param limit must be a number between 1 and 100")
    ids = [post.post_id for post in posts]
    start = 0
    if (after := ask.params.get("after")) is not None:
        start = _position(ids, read_cursor(after)) + 1
    elif (before := ask.params.get("before")) is not None:
        start = max(0, _position(ids, read_cursor(before)) - limit)
    if ask.service.fault == "endless_empty_pages" and after is not None:
        again = same_place(after)
        return [], {"cursors": {"before": again, "after": again}, "next": ask.address(after=again)}
    size = limit // 2 if ask.service.fault == "page_short_with_next" else limit
    page = list(posts[start : start + size])
    if not page and not (start < len(posts)):
        return [], {}
    first = page[0].post_id if page else ids[start - 1] if start else ids[0]
    last = page[-1].post_id if page else first
    paging: Json = {"cursors": {"before": make_cursor(first), "after": make_cursor(last)}}
    if start + size < len(posts):
        paging["next"] = ask.address(after=make_cursor(last))
    if start > 0:
        paging["previous"] = ask.address(before=make_cursor(first))
    return page, paging


def whole(ask: Ask, name: str, default: int) -> int:
    """A whole number of the query; 400 when it is none."""
    value = ask.params.get(name)
    if value is None:
        return default
    if not value.isdigit():
        raise error(100, f"(#100) Param {name} must be an integer")
    return int(value)


def make_cursor(post_id: str) -> str:
    """An opaque cursor."""
    return "QVFI" + base64.urlsafe_b64encode(post_id.encode()).decode().rstrip("=")


def same_place(cursor: str) -> str:
    """Another cursor that stands at the same object."""
    return make_cursor(f"{read_cursor(cursor, whole=True)}#")


def read_cursor(cursor: str, *, whole: bool = False) -> str:
    """The object a cursor stands at; 400 for one that Graph never gave out."""
    encoded = cursor.removeprefix("QVFI")
    try:
        found = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError as problem:
        raise error(100, "(#100) Invalid cursors values") from problem
    return found if whole else found.rstrip("#")


def _position(ids: list[str], one: str) -> int:
    if one not in ids:
        raise error(100, "(#100) Invalid cursors values")
    return ids.index(one)


def instant(ask: Ask, name: str) -> datetime | None:
    """`since` or `until`: unix seconds or YYYY-MM-DD; 400 for anything else."""
    value = ask.params.get(name)
    if value is None:
        return None
    if re.fullmatch(r"\d{9,11}", value):
        return datetime.fromtimestamp(int(value), tz=UTC)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return utc_start(datetime.fromisoformat(value).date())
    raise error(100, f"(#100) Param {name} must be a valid date or unix timestamp")


def in_window(ask: Ask, posts: Sequence[Post]) -> list[Post]:
    """The posts that `since` and `until` leave."""
    since, until = instant(ask, "since"), instant(ask, "until")
    return [
        post
        for post in posts
        if (since is None or post.created_at >= since) and (until is None or post.created_at <= until)
    ]


def series_window(ask: Ask, longest_days: int) -> tuple[datetime, datetime]:
    """The window of an insights request, two days when not said; 400 when it is longer than allowed."""
    until = instant(ask, "until") or ask.now
    since = instant(ask, "since") or until - timedelta(days=2)
    if until - since > timedelta(days=longest_days):
        seconds = longest_days * 86_400
        raise error(100, f"(#100) There cannot be more than {longest_days} days ({seconds} s) between since and until")
    return since, until


def known_days(ask: Ask, account: Account, window: tuple[datetime, datetime], *, lag: int) -> list[Any]:
    """The Pacific days of a window that are over for `lag` days, and within the account's history."""
    newest = pacific_day(ask.now) - timedelta(days=lag)
    return [day for day in days_within(*window) if account.followers.first_day <= day <= newest]


def window_paging(ask: Ask, window: tuple[datetime, datetime], *, with_token: bool) -> Json:
    """The paging of insights: windows of time before and after, which never end."""
    since, until = (int(edge.timestamp()) for edge in window)
    kept = {
        name: value for name, value in ask.params.items() if name in ("metric", "period", "metric_type", "breakdown")
    }
    token = {"access_token": ask.token} if with_token else {}

    def neighbour(by: int) -> str:
        return f"{ask.url}?{urlencode({**token, 'since': since + by, 'until': until + by, **kept})}"

    return {"previous": neighbour(-TWICE), "next": neighbour(TWICE)}


def insight(node: str, name: str, period: str, **values: Any) -> Json:
    """One metric object."""
    title = name.replace("_", " ").capitalize()
    return {
        "name": name,
        "period": period,
        **values,
        "title": title,
        "description": "",
        "id": f"{node}/insights/{name}/{period}",
    }


def metric_names(ask: Ask) -> list[str]:
    """The `metric` parameter; 400 without."""
    names = [name.strip() for name in ask.params.get("metric", "").split(",") if name.strip()]
    if not names:
        message = (
            "No metric was specified to be fetched. Please specify one or more metrics to be fetched and try again."
        )
        raise error(3001, f"(#3001) {message}", subcode=1504028)
    return names
