"""LinkedIn company pages: Community Management API, version 202609.

Read 2026-11-21: https://learn.microsoft.com/linkedin/marketing/community-management/ (posts, share, follower and page
statistics, versioning, rate limits). Organic numbers only; the day is the UTC day; the last two days are not ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from extractors.errors import (
    ContractBroken,
    ObjectGone,
    PermissionLost,
    PipelineError,
    RetryLater,
    TokenDead,
    Transient,
    VersionSunset,
)
from extractors.platforms import linkedin_competitors, linkedin_social
from extractors.platforms.restli import (
    ORGANIC,
    URNS_PER_CALL,
    encode,
    gathered,
    next_start,
    organization,
    urn_list,
    value,
)
from extractors.shape import LOOK, epoch_milliseconds, mapping, objects, series_key, text
from extractors.spec import (
    Account,
    Answer,
    Batch,
    Budget,
    Json,
    Params,
    Platform,
    Read,
    Record,
    Refresh,
    Scope,
    Single,
    Stream,
    Unread,
    Usage,
    Window,
)

VERSION = "202609"  # sunset 2027-09-15; older than a year answers 426


def posts_until(body: Any, params: Params) -> Params | None:
    """As `next_start`, and never past an empty page; the read's `newest_first` ends the list at the window's edge."""
    return next_start(body, params) if mapping(body, "linkedin posts").get("elements") else None


def listed_in_all(body: Any) -> int | None:
    """How many posts the whole list has, where the answer says so."""
    total = (body.get("paging") or {}).get("total") if isinstance(body, dict) else None
    return total if isinstance(total, int) else None


def post_records(scope: Scope, body: Any) -> list[Record]:
    """Records of a page of posts."""
    elements = objects(body, "elements", "linkedin__posts")
    return [Record(text(element, "id", "linkedin__posts"), element) for element in elements]


def created_at(payload: Json) -> datetime:
    """When a post was created: the order of the listing."""
    return epoch_milliseconds(payload.get("createdAt"), "linkedin__posts createdAt")


def post_metric_records(scope: Scope, body: Any) -> list[Record]:
    """Records of share statistics; a post without activity is left out by LinkedIn and stays unknown."""
    elements = objects(body, "elements", "linkedin__post_metrics")
    return [
        Record(str(e.get("share") or e.get("ugcPost") or text(e, "share", "share statistics")), e) for e in elements
    ]


def day_records(name: str) -> Callable[[Scope, Any], list[Record]]:
    """Records of a daily list, keyed by the UTC day of `timeRange.start`."""

    def records(scope: Scope, body: Any) -> list[Record]:
        found = []
        for element in objects(body, "elements", f"linkedin__account_daily {name}"):
            start = mapping(element.get("timeRange"), f"{name} timeRange").get("start")
            day = epoch_milliseconds(start, f"{name} timeRange.start").date()
            found.append(Record(series_key(scope, name, day), element))
        return found

    return records


def today_record(name: str) -> Callable[[Scope, Any], list[Record]]:
    """One record per business day of a stock that has no date of its own."""
    return lambda scope, body: [Record(series_key(scope, name, scope.today), mapping(body, f"linkedin {name}"))]


def facet_records(scope: Scope, body: Any) -> list[Record]:
    """The one element that holds every follower facet."""
    elements = objects(body, "elements", "linkedin__audience")
    return [Record(series_key(scope, "follower_statistics", scope.today), element) for element in elements]


def interval(scope: Scope) -> str:
    """Return the DAY interval of the window, UTC midnight to UTC midnight, end exclusive."""
    if scope.since is None or scope.until is None:
        raise ValueError("a daily list needs a window")
    start, end = (int(edge.timestamp() * 1000) for edge in (scope.since, scope.until))
    return f"(timeRange:(start:{start},end:{end}),timeGranularityType:DAY)"


def share_statistics(parameter: str, urn_type: str) -> Read:
    """Shares and ugcPosts go into different parameters; mixed they answer 403."""
    return Read(
        name=parameter,
        endpoint="organizationalEntityShareStatistics",
        path=lambda scope: "/rest/organizationalEntityShareStatistics",
        params=lambda scope: {
            "q": "organizationalEntity",
            "organizationalEntity": value(organization(scope)),
            parameter: urn_list(scope),
        },
        records=post_metric_records,
        batch=Batch(
            of="posts",
            size=URNS_PER_CALL,
            where=f"record_key like 'urn:li:{urn_type}:%' and {ORGANIC}",
            # Statistics cover a rolling year; an older post would only be left out.
            oldest=timedelta(days=365),
        ),
    )


def lookup_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """A record for each post under `results`, ObjectGone for each whose status is 404."""
    page = mapping(body, "linkedin lookup")
    there, statuses = page.get("results") or {}, page.get("statuses") or {}
    error = ObjectGone(f"{scope.account}: LinkedIn could not find a post", "it was deleted; nothing to do")
    gone = [Unread(urn, error, b"") for urn in scope.ids if urn not in there and statuses.get(urn) == 404]
    return [*(Record(urn, {}) for urn in scope.ids if urn in there), *gone]


LOOKUP = Read(
    name="lookup",
    endpoint="posts",
    path=lambda scope: "/rest/posts",
    params=lambda scope: {"ids": urn_list(scope)},
    records=lookup_records,
    single=Single(path=lambda scope: f"/rest/posts/{value(scope.ids[0])}", gathered=gathered),
    batch=Batch(of="posts", size=URNS_PER_CALL, where="true"),
)

DAYS = Window(days=365, history=365, oldest=365, lookback=14)


def daily(name: str, resource: str, entity: str) -> Read:
    """A daily list of one organization."""
    return Read(
        name=name,
        endpoint=resource,
        path=lambda scope: f"/rest/{resource}",
        params=lambda scope: {"q": entity, entity: value(organization(scope)), "timeIntervals": interval(scope)},
        records=day_records(name),
        window=DAYS,
    )


STREAMS = (
    Stream(
        platform="linkedin",
        name="profile",
        kind="stock",
        reads=(
            Read(
                name="organization",
                endpoint="organizations",
                path=lambda scope: f"/rest/organizations/{scope.account.account_id}",
                params=lambda scope: {},
                records=today_record("organization"),
            ),
            Read(
                name="network_size",
                endpoint="networkSizes",
                path=lambda scope: f"/rest/networkSizes/{value(organization(scope))}",
                params=lambda scope: {"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"},
                records=today_record("network_size"),
            ),
        ),
    ),
    Stream(
        platform="linkedin",
        name="posts",
        kind="entity",
        published_at="case when payload ->> 'createdAt' ~ '^[0-9]{1,15}$'\n"
        "then to_timestamp((payload ->> 'createdAt')::numeric / 1000) end",
        reads=(
            Read(
                name="posts",
                endpoint="posts",
                path=lambda scope: "/rest/posts",
                params=lambda scope: {
                    "q": "author",
                    "author": value(organization(scope)),
                    "count": "100",
                    "start": "0",
                    "sortBy": "CREATED",
                },
                records=post_records,
                next_page=posts_until,
                page_size=100,
                newest_first=created_at,
                total=listed_in_all,
            ),
        ),
    ),
    Stream(
        platform="linkedin",
        name="post_metrics",
        kind="lifetime_metrics",
        reads=(share_statistics("shares", "share"), share_statistics("ugcPosts", "ugcPost")),
    ),
    *linkedin_social.STREAMS,
    Stream(
        platform="linkedin",
        name="account_daily",
        kind="daily_series",
        reads=(
            daily("share_statistics", "organizationalEntityShareStatistics", "organizationalEntity"),
            daily("follower_gains", "organizationalEntityFollowerStatistics", "organizationalEntity"),
            daily("page_statistics", "organizationPageStatistics", "organization"),
        ),
    ),
    Stream(
        platform="linkedin",
        name="audience",
        kind="stock",
        reads=(
            Read(
                name="follower_statistics",
                endpoint="organizationalEntityFollowerStatistics",
                path=lambda scope: "/rest/organizationalEntityFollowerStatistics",
                params=lambda scope: {
                    "q": "organizationalEntity",
                    "organizationalEntity": value(organization(scope)),
                },
                records=facet_records,
            ),
        ),
    ),
    linkedin_competitors.STREAM,
)


def classify(answer: Answer, account: Account) -> PipelineError | None:
    """Decide by status and body (the numeric codes differ between clients, so `code` and the words count)."""
    if answer.status < 400:
        return None
    body = answer.body if isinstance(answer.body, dict) else {}
    code, message = str(body.get("code") or ""), str(body.get("message") or "no message")
    said = f"{account}: LinkedIn answered {answer.status} {code} {message[:200]!r}"
    match answer.status:
        case 401:
            return TokenDead(said, f"renew the token of {account.credential}")
        case 403:
            return PermissionLost(said, "grant r_organization_social and rw_organization_admin, as page ADMINISTRATOR")
        case 404:
            return ObjectGone(said, f"check that organization {account.account_id} exists")
        case 426:
            return VersionSunset(said, f"version {VERSION} is over; raise VERSION in extractors/platforms/linkedin.py")
        case 429:
            until, scope = _limit_ends(message, answer.at)
            return RetryLater(said, until, scope=scope)
        case 409 | 500 | 502 | 503 | 504:
            return Transient(said, "try again; LinkedIn's status page may tell more")
        case _:
            return ContractBroken(said, LOOK)


def _limit_ends(message: str, at: datetime) -> tuple[datetime, str]:
    """Minute and second limits pass soon; a day limit, or one without a unit, ends at the next UTC midnight."""
    words = message.upper()
    if "SECOND" in words:
        return at + timedelta(seconds=2), ""
    if "MINUTE" in words:
        return at + timedelta(seconds=60), ""
    return datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC), "day"


def usage(answer: Answer, account: Account) -> Sequence[Usage]:
    """LinkedIn tells nothing of its limits in headers."""
    return ()


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """Limits are per endpoint and UTC day and not published: be moderate, count, and stop on a 429 until it ends.

    https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits
    """
    key = f"linkedin:{account.credential}:{read.endpoint}"
    return (
        Budget(key=key, calls=600, seconds=60),
        Budget(key=f"{key}:day", calls=None, seconds=86_400, scope="day"),
    )


HEADERS: Mapping[str, str] = {"LinkedIn-Version": VERSION, "X-Restli-Protocol-Version": "2.0.0"}

PLATFORM = Platform(
    key="linkedin",
    base_url="https://api.linkedin.com",
    streams=STREAMS,
    version=VERSION,
    headers=HEADERS,
    encode=encode,
    classify=classify,
    usage=usage,
    budgets=budgets,
    # For approved partners: https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens
    refresh=Refresh(
        path="/oauth/v2/accessToken",
        single_use=False,
        needs_secret=True,
        ahead=timedelta(days=1),
        base_url="https://www.linkedin.com",
    ),
    lookup=LOOKUP,
    first_day=date(2003, 5, 5),
)
