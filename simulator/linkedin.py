"""LinkedIn's Community Management API, `/rest/`.

https://learn.microsoft.com/en-us/linkedin/marketing/community-management/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from simulator import activity, audience, competitors, linkedin_social, restli
from simulator.days import DAY, milliseconds, utc_start
from simulator.exchange import Answer, Refusal, Request
from simulator.growth import counters
from simulator.limits import DAY_SECONDS
from simulator.linkedin_gates import (
    Ask,
    check_finder,
    check_token,
    check_version,
    collection,
    denied,
    organization_of,
    problem,
    throttled,
)
from simulator.model import Account, Json, Post
from simulator.restli import Interval
from simulator.service import Service

LONGEST_URL = 8_192
LONGEST_RANGE = timedelta(days=426)
REMEMBERED = timedelta(days=365)
LAG_DAYS = 2
LARGEST_BATCH = 100
HEADERS = {
    "x-restli-protocol-version": "2.0.0",
    "X-Li-Fabric": "prod-lor1",
    "x-li-proto": "http/2",
    "X-LI-UUID": "AAYbq0simulated",
}


def handle(service: Service, request: Request) -> Answer:
    """Answer one request, as LinkedIn would."""
    try:
        answer = _answer(service, request)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers = HEADERS | answer.headers
    return answer


def _answer(service: Service, request: Request) -> Answer:
    route = next(((found, run) for pattern, run in ROUTES if (found := pattern.fullmatch(request.path))), None)
    if route is None or request.method != "GET":
        raise Refusal(404, problem(404, "RESOURCE_NOT_FOUND", "No virtual resource found"))
    if len(request.path) + len(request.query) > LONGEST_URL:
        raise Refusal(414, problem(414, "URI_TOO_LONG", "The request URI is too long"))
    version = check_version(request.headers.get("linkedin-version"), service.now)
    grant = check_token(service, request.bearer())
    found, run = route
    name = f"linkedin:{grant.credential.name}:{request.path.split('/')[2]}"
    day = service.meter.spend(name, limit=service.limits.linkedin_day, window=DAY_SECONDS)
    short = service.limits.linkedin_short
    is_hasty = short is not None and service.meter.roll(f"{name}:short", short).exceeded
    modern = request.headers.get("x-restli-protocol-version") == "2.0.0"
    query = restli.parse(request.query, modern=modern)
    ask = Ask(service=service, grant=grant, version=version, query=query)
    try:
        if day.exceeded or is_hasty:
            raise throttled("APPLICATION DAY" if day.exceeded else "APPLICATION MINUTE")
        if service.limits.linkedin_development and query.urns("ids") is not None:
            resource = request.path.split("/")[2]
            raise denied(f"Not enough permissions to access: {resource}.BATCH_GET.{version}01")
        answer = run(ask, *(unquote(one) for one in found.groups()))
    except Refusal as refusal:
        answer = refusal.answer
    answer.credential = grant.credential.name
    return answer


def organization(ask: Ask, organization_id: str) -> Answer:
    """Name and vanity name of any organization."""
    account = ask.service.world.account("linkedin", organization_id)
    if account is None:
        raise Refusal(404, problem(404, "NOT_FOUND", "Could not find entity"))
    body = {
        "id": int(account.account_id),
        "$URN": account.urn,
        "localizedName": account.name,
        "name": {"localized": {"en_US": account.name}, "preferredLocale": {"country": "US", "language": "en"}},
        "vanityName": account.handle,
        "primaryOrganizationType": "NONE",
        "locations": [],
    }
    return Answer(body=body, objects=1, account=account.account_id)


def organization_by_name(ask: Ask) -> Answer:
    """Any organization by its vanity name, with what others may see of it; nothing when nobody has the name."""
    check_finder(ask, "vanityName")
    other = competitors.find("linkedin", ask.query.text("vanityName") or "")
    elements = [] if other is None else [public_organization(int(other.account_id), other.name, other.handle)]
    paging = {"start": 0, "count": 10, "links": []}
    return Answer(body={"paging": paging, "elements": elements}, objects=len(elements))


def public_organization(number: int, name: str, handle: str) -> Json:
    """What LinkedIn tells of an organization to those who do not administer it."""
    return {
        "id": number,
        "localizedName": name,
        "name": {"localized": {"en_US": name}, "preferredLocale": {"country": "US", "language": "en"}},
        "vanityName": handle,
        "primaryOrganizationType": "NONE",
        "locations": [],
    }


def network_size(ask: Ask, urn: str) -> Answer:
    """Followers of any organization."""
    if ask.query.text("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
        raise restli.invalid("edgeType")
    number = urn.removeprefix("urn:li:organization:")
    account = ask.service.world.account("linkedin", number)
    if account is None and (other := competitors.find("linkedin", number)):
        return Answer(body={"firstDegreeSize": other.followers_at(ask.now)}, objects=1)
    if account is None:
        raise Refusal(404, problem(404, "NOT_FOUND", "Could not find entity"))
    return Answer(body={"firstDegreeSize": audience.stock_at(account, ask.now)}, objects=1, account=account.account_id)


def posts(ask: Ask) -> Answer:
    """The organization's posts, newest first: drafts and dark posts among them."""
    if (urns := ask.query.urns("ids")) is not None:
        return posts_by_urn(ask, urns)
    check_finder(ask, "author")
    account = organization_of(ask, "author", "posts")
    count = ask.query.whole("count", 10, least=1, most=100)
    start = ask.query.whole("start", 0, least=0, most=1_000_000)
    order = ask.query.text("sortBy") or "LAST_MODIFIED"
    if order not in ("CREATED", "LAST_MODIFIED"):
        raise restli.invalid("sortBy")
    listed = ask.service.world.listed(account, ask.now)
    if order == "LAST_MODIFIED":
        listed.sort(key=lambda one: int(one.payload["lastModifiedAt"]), reverse=True)
    size = max(1, count // 2) if ask.service.fault == "page_short_with_next" else count
    page = listed[start : start + size]
    links = []
    if start + size < len(listed):
        links.append(_page_link("next", account, start + size, count, order))
    if start > 0:
        links.append(_page_link("prev", account, max(0, start - count), count, order))
    elements = [dict(post.payload) for post in page]
    return collection(ask, account, elements, start=start, count=count, links=links, total=len(listed))


def posts_by_urn(ask: Ask, urns: list[str]) -> Answer:
    """BATCH_GET: what exists under `results`, what does not under `errors`, by URN."""
    if len(urns) > LARGEST_BATCH:
        raise restli.invalid("ids")
    found = {urn: ask.service.world.post("linkedin", urn) for urn in urns}
    there = {
        urn: dict(post.payload)
        for urn, post in found.items()
        if post is not None and post.is_there(ask.now) and ask.grant.opens(*post.account.key)
    }
    missing = problem(404, "NOT_FOUND", "Could not find entity")
    errors = {urn: missing for urn in urns if urn not in there}
    statuses = {urn: 200 if urn in there else 404 for urn in urns}
    account = next((post.account.account_id for post in found.values() if post is not None), None)
    body = {"results": there, "statuses": statuses, "errors": errors}
    return Answer(body=body, objects=len(there), account=account)


def post_by_urn(ask: Ask, urn: str) -> Answer:
    """GET: one post, if it is there."""
    found = posts_by_urn(ask, [urn])
    if urn not in found.body["results"]:
        raise Refusal(404, problem(404, "NOT_FOUND", "Could not find entity"))
    return Answer(body=found.body["results"][urn], objects=1, account=found.account)


def _page_link(rel: str, account: Account, start: int, count: int, order: str) -> Json:
    query = f"author={quote(account.urn, safe='')}&count={count}&q=author&sortBy={order}&start={start}"
    return {"type": "application/json", "rel": rel, "href": f"/rest/posts?{query}"}


def share_statistics(ask: Ask) -> Answer:
    """Statistics of posts (`shares`, `ugcPosts`), of days (`timeIntervals`), or of the last 12 months."""
    check_finder(ask, "organizationalEntity")
    account = organization_of(ask, "organizationalEntity", "organizationalEntityShareStatistics")
    shares, ugc_posts = ask.query.urns("shares"), ask.query.urns("ugcPosts")
    interval = ask.query.interval()
    if shares is not None or ugc_posts is not None:
        elements = _statistics_of(ask, account, "share", "shares", shares or [])
        elements += _statistics_of(ask, account, "ugcPost", "ugcPosts", ugc_posts or [])
    elif interval is not None:
        elements = [
            _element(account, start, end, totalShareStatistics=statistics(grown))
            for start, end in buckets(ask, interval)
            if any((grown := _gained(ask, account, start, end)).values())
        ]
    else:
        live = [post for post in ask.service.world.listed(account, ask.now) if _told(post, ask.now)]
        sums: dict[str, int] = {}
        for post in live:
            for name, value in counters(post, ask.now).items():
                sums[name] = sums.get(name, 0) + value
        elements = [{"totalShareStatistics": statistics(sums), "organizationalEntity": account.urn}]
    return collection(ask, account, elements)


def _statistics_of(ask: Ask, account: Account, kind: str, name: str, urns: list[str]) -> list[Json]:
    """Elements of the posts that have any activity; the others are left out, as LinkedIn does."""
    if len(urns) > LARGEST_BATCH:
        raise restli.invalid(name)
    elements = []
    for position, urn in enumerate(urns):
        post = ask.service.world.post("linkedin", urn)
        foreign = post is not None and post.account.key != account.key
        if not urn.startswith(f"urn:li:{kind}:") or foreign:
            where = f"[/{name}[{position}]]"
            raise denied(
                f"Unpermitted fields present in PARAMETER: Data Processing Exception while processing fields {where}"
            )
        if (
            post is None
            or not post.is_there(ask.now)
            or not _told(post, ask.now)
            or not any(counters(post, ask.now).values())
        ):
            continue
        told = statistics(counters(post, ask.now), without_reach=post.without_reach)
        elements.append({"totalShareStatistics": told, kind: urn, "organizationalEntity": account.urn})
    return elements


def _told(post: Post, now: datetime) -> bool:
    """Whether organic statistics exist for a post: published, not dark, within the rolling year."""
    return post.is_organic and now - REMEMBERED <= post.published_at <= now


def statistics(now: dict[str, int], *, without_reach: bool = False) -> Json:
    """`totalShareStatistics` of some counters."""
    acted = now["clicks"] + now["likes"] + now["comments"] + now["shares"]
    impressions = now["impressions"]
    told: Json = {
        "shareCount": now["shares"],
        "engagement": acted / impressions if impressions else 0.0,
        "clickCount": now["clicks"],
        "likeCount": now["likes"],
        "impressionCount": impressions,
        "commentCount": now["comments"],
    }
    return told if without_reach or "reach" not in now else {"uniqueImpressionsCount": now["reach"]} | told


def _gained(ask: Ask, account: Account, start: datetime, end: datetime) -> dict[str, int]:
    return activity.gained_between(ask.service.world.posts[account.key], start, end)


def _element(account: Account, start: datetime, end: datetime, **told: Any) -> Json:
    bounds = {"start": milliseconds(start), "end": milliseconds(end)}
    return {"timeRange": bounds, **told, "organizationalEntity": account.urn}


def buckets(ask: Ask, interval: Interval) -> list[tuple[datetime, datetime]]:
    """The UTC days of an interval that LinkedIn knows: up to two days ago, a year back."""
    if interval.grain != "DAY":
        raise restli.invalid("timeIntervals")
    if interval.end - interval.start < DAY:
        raise restli.invalid("timeIntervals")
    if interval.end - interval.start > LONGEST_RANGE or interval.start < ask.now - LONGEST_RANGE:
        message = (
            f"Invalid timeIntervals parameter [{interval.spelled}] "
            "Start time and end time must be less than 14 months apart."
        )
        raise Refusal(400, {"message": message, "status": 400})
    newest = ask.now.date() - timedelta(days=LAG_DAYS)
    oldest = (ask.now - REMEMBERED).date()
    days = []
    day = max(oldest, interval.start.date())
    while day <= newest and utc_start(day + DAY) <= interval.end:
        if utc_start(day) >= interval.start:
            days.append((utc_start(day), utc_start(day + DAY)))
        day += DAY
    return days


def follower_statistics(ask: Ask) -> Answer:
    """Facets of all followers, or gains by day."""
    check_finder(ask, "organizationalEntity")
    account = organization_of(ask, "organizationalEntity", "organizationalEntityFollowerStatistics")
    interval = ask.query.interval()
    if interval is None:
        return collection(ask, account, [_facets(account, ask.now)])
    elements = []
    for start, end in buckets(ask, interval):
        flow = audience.flow_on(account, start.date())
        if flow is not None:
            gained, lost = flow
            paid = audience.paid_part(gained)
            gains = {"organicFollowerGain": gained - lost - paid, "paidFollowerGain": paid}
            elements.append(_element(account, start, end, followerGains=gains))
    return collection(ask, account, elements)


def _facets(account: Account, now: datetime) -> Json:
    element: Json = {"organizationalEntity": account.urn}
    for dimension, (name, key, _) in audience.LINKEDIN_FACETS.items():
        element[name] = _facet(key, audience.linkedin_facet(account, dimension, now))
    name, key, shares = audience.ASSOCIATION
    element[name] = _facet(key, audience.divide(audience.stock_at(account, now), shares, account.account_id))
    return element


def _facet(key: str, found: dict[str, int]) -> list[Json]:
    return [
        {key: value, "followerCounts": {"organicFollowerCount": followers, "paidFollowerCount": 0}}
        for value, followers in found.items()
    ]


def page_statistics(ask: Ask) -> Answer:
    """Views of the organization's page: by day, or over all."""
    check_finder(ask, "organization")
    account = organization_of(ask, "organization", "organizationPageStatistics")
    interval = ask.query.interval()
    if interval is None:
        day = utc_start(ask.now.date())
        views = _page_views(sum(activity.visits(account, day - n * DAY, "page") for n in range(365)))
        return collection(ask, account, [{"organization": account.urn, "totalPageStatistics": views}])
    elements = []
    for start, end in buckets(ask, interval):
        visits = activity.visits(account, start, "page")
        views = _page_views(visits, unique=activity.unique(visits, account, start))
        bounds = {"start": milliseconds(start), "end": milliseconds(end)}
        elements.append({"organization": account.urn, "timeRange": bounds, "totalPageStatistics": views})
    return collection(ask, account, elements)


def _page_views(visits: int, unique: int | None = None) -> Json:
    def family(share: float) -> Json:
        views = {"pageViews": round(visits * share)}
        return views if unique is None else views | {"uniquePageViews": round(unique * share)}

    return {
        "clicks": {"mobileCustomButtonClickCounts": [], "desktopCustomButtonClickCounts": []},
        "views": {
            "allPageViews": family(1.0),
            "allDesktopPageViews": family(0.7),
            "allMobilePageViews": family(0.3),
            "overviewPageViews": family(0.68),
            "careersPageViews": family(0.05),
        },
    }


ROUTES: tuple[tuple[re.Pattern[str], Callable[..., Answer]], ...] = (
    (re.compile(r"/rest/organizations/(\d+)"), organization),
    (re.compile(r"/rest/organizations"), organization_by_name),
    (re.compile(r"/rest/networkSizes/([^/]+)"), network_size),
    (re.compile(r"/rest/posts"), posts),
    (re.compile(r"/rest/posts/([^/]+)"), post_by_urn),
    (re.compile(r"/rest/organizationalEntityShareStatistics"), share_statistics),
    (re.compile(r"/rest/organizationalEntityFollowerStatistics"), follower_statistics),
    (re.compile(r"/rest/organizationPageStatistics"), page_statistics),
    *linkedin_social.ROUTES,
)
