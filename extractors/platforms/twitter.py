"""X (key `twitter`), API v2.

Read 2026-11-21: https://docs.x.com/x-api (users, timelines, metrics, rate limits, errors) and its OpenAPI file 2.167,
which renames tweet to post; the older spelling is sent, both are read downstream. A timeline reaches 3,200 posts back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from extractors.errors import (
    ContractBroken,
    CursorExpired,
    ObjectGone,
    PermissionLost,
    PipelineError,
    RetryLater,
    TokenDead,
    Transient,
    VersionSunset,
)
from extractors.platforms import twitter_social
from extractors.platforms.twitter_pages import next_token, page_of_posts, rfc3339
from extractors.shape import LOOK, mapping, objects, series_key, text
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
    Stream,
    Unread,
    Usage,
)
from extractors.strict_json import original

POST_FIELDS = (
    "id,text,created_at,author_id,conversation_id,public_metrics,entities,attachments,referenced_tweets,note_tweet,lang,"
    "edit_history_tweet_ids,in_reply_to_user_id,possibly_sensitive,reply_settings"
)
# Private metrics are shown for posts younger than 30 days; one older id spoils its page, hence the hour of margin.
PRIVATE_METRICS_AGE = timedelta(days=30) - timedelta(hours=1)


def refused_posts(scope: Scope, body: Any, where: str) -> list[Unread]:
    """Posts that a page names but does not bring, told in `errors` of a 200; errors about `includes` are no posts'.

    https://docs.x.com/x-api/fundamentals/response-codes-and-errors#partial-errors
    """
    errors = mapping(body, where).get("errors") or []
    found = [each for each in errors if isinstance(each, dict) and each.get("resource_type") in ("tweet", "post")]
    return [
        Unread(str(each.get("resource_id")), _partial_error(scope, each, where), original(each))
        for each in found
        if each.get("parameter") in ("id", "ids") and each.get("resource_id")
    ]


def _partial_error(scope: Scope, error: Json, where: str) -> PipelineError:
    said = f"{scope.account}: {where}: X brought all but one post: {str(error.get('title') or 'no title')[:100]!r}"
    return ObjectGone(said, "nothing, if it was deleted or withheld; its last values are kept")


def post_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """Records of a timeline page, each with its own media and author from the page's `includes`."""
    page = mapping(body, "twitter__posts")
    includes = mapping(page.get("includes") or {}, "twitter__posts includes")
    media = {item.get("media_key"): item for item in includes.get("media") or []}
    users = {item.get("id"): item for item in includes.get("users") or []}
    found = [
        Record(text(post, "id", "twitter__posts"), _with_includes(post, media, users))
        for post in page_of_posts(body, "twitter__posts")
    ]
    return [*found, *refused_posts(scope, body, "twitter__posts")]


def _with_includes(post: Json, media: Mapping[Any, Json], users: Mapping[Any, Json]) -> Json:
    keys = (post.get("attachments") or {}).get("media_keys") or []
    found = {"media": [media[key] for key in keys if key in media]}
    author = users.get(post.get("author_id"))
    found["users"] = [{name: author[name] for name in ("id", "name", "username") if name in author}] if author else []
    kept = {name: items for name, items in found.items() if items}
    return {**post, "includes": kept} if kept else post


def private_metric_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """Records of the private pass over the young posts."""
    where = "twitter__post_metrics"
    found = [Record(text(post, "id", where), post) for post in page_of_posts(body, where)]
    return [*found, *refused_posts(scope, body, where)]


def user_records(scope: Scope, body: Any) -> list[Record]:
    """The account's own user object; an unknown id comes as HTTP 200 with `errors` and no `data`."""
    page = mapping(body, "twitter__profile")
    if "data" not in page and page.get("errors"):
        raise ObjectGone(f"{scope.account}: X knows no such user", "check the user id in accounts.yml")
    return [Record(series_key(scope, "user", scope.today), user) for user in objects(page, "data", "twitter__profile")]


def timeline(scope: Scope) -> str:
    """Path of the account's own timeline; an owned read is five times cheaper than a lookup by ids."""
    return f"/2/users/{scope.account.account_id}/tweets"


def timeline_params(scope: Scope) -> Params:
    """Own posts, newest first, with everything public."""
    edges = {"start_time": scope.since, "end_time": scope.until}
    return {
        "max_results": "100",
        "exclude": "retweets",
        "tweet.fields": POST_FIELDS,
        "expansions": "attachments.media_keys,author_id",
        "media.fields": "media_key,type,duration_ms,public_metrics,alt_text",
        "user.fields": "username",
        **{name: rfc3339(edge) for name, edge in edges.items() if edge},
    }


def private_params(scope: Scope) -> Params:
    """Own young posts with the metrics only their author may see."""
    youngest_allowed = scope.now - PRIVATE_METRICS_AGE + timedelta(seconds=1)
    since = max(scope.since, youngest_allowed) if scope.since else youngest_allowed
    return {
        "max_results": "100",
        "exclude": "retweets",
        "tweet.fields": "created_at,non_public_metrics,organic_metrics",
        "start_time": rfc3339(since),
        **({"end_time": rfc3339(scope.until)} if scope.until else {}),
    }


def lookup_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """A record for each post that is there, ObjectGone for each that X could not find."""
    page = mapping(body, "twitter lookup")
    there = {text(post, "id", "twitter lookup") for post in page.get("data") or []}
    gone = {
        str(error.get("resource_id"))
        for error in page.get("errors") or []
        if str(error.get("type", "")).endswith("/resource-not-found")
    }
    error = ObjectGone(f"{scope.account}: X could not find a post", "it was deleted; nothing to do")
    return [Record(one, {}) if one in there else Unread(one, error, b"") for one in scope.ids if one in there | gone]


LOOKUP = Read(
    name="lookup",
    endpoint="tweets",
    path=lambda scope: "/2/tweets",
    params=lambda scope: {"ids": ",".join(scope.ids)},
    records=lookup_records,
    batch=Batch(of="posts", size=100, where="true"),
)

STREAMS = (
    Stream(
        platform="twitter",
        name="profile",
        kind="stock",
        reads=(
            Read(
                name="user",
                endpoint="users",
                path=lambda scope: "/2/users",
                params=lambda scope: {
                    "ids": scope.account.account_id,
                    "user.fields": "created_at,description,name,username,verified,public_metrics",
                },
                records=user_records,
            ),
        ),
    ),
    Stream(
        platform="twitter",
        name="posts",
        kind="entity",
        published_at="ops.instant_of(payload ->> 'created_at')",
        reads=(
            Read(
                name="timeline",
                endpoint="timeline",
                path=timeline,
                params=timeline_params,
                records=post_records,
                next_page=next_token,
                page_size=100,
            ),
        ),
    ),
    Stream(
        platform="twitter",
        name="post_metrics",
        kind="lifetime_metrics",
        reads=(
            Read(
                name="private",
                endpoint="timeline",
                path=timeline,
                params=private_params,
                records=private_metric_records,
                next_page=next_token,
                oldest=PRIVATE_METRICS_AGE,
                page_size=100,
            ),
        ),
    ),
    *twitter_social.STREAMS,
)


def classify(answer: Answer, account: Account) -> PipelineError | None:
    """Decide by status and problem type; a body with data is an answer even when some ids failed."""
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status < 400:
        return None
    problem = str(body.get("type") or "about:blank").rsplit("/", 1)[-1]
    said = (
        f"{account}: X answered {answer.status} {body.get('title') or problem!r}: {str(body.get('detail') or '')[:200]}"
    )
    match answer.status:
        case 401:
            return TokenDead(said, f"renew the user token of {account.credential}")
        case 402:
            return PermissionLost(said, "add API credits in the developer portal")
        case 403:
            return PermissionLost(said, "use a user token of this account, from an app with access to these endpoints")
        case 404:
            return ObjectGone(said, f"check that user {account.account_id} exists")
        case 410:
            return VersionSunset(said, "raise the version in extractors/platforms/twitter.py")
        case 429 if problem == "usage-capped":
            return RetryLater(said, _next_month(answer.at), scope="month")
        case 429:
            return RetryLater(said, _reset(answer) or answer.at + timedelta(minutes=15))
        case 400 if _names(body, "pagination_token"):
            return CursorExpired(said, "begin the list again")
        case 500 | 502 | 503 | 504:
            return Transient(said, "try again; X's status page may tell more")
        case _:
            return ContractBroken(said, LOOK)


def _names(body: Json, parameter: str) -> bool:
    """Whether an "invalid request" is about one parameter."""
    errors = body.get("errors")
    return isinstance(errors, list) and any(
        isinstance(error, dict) and parameter in (error.get("parameters") or {}) for error in errors
    )


def usage(answer: Answer, account: Account) -> Sequence[Usage]:
    """Read the x-rate-limit headers that come with every answer: https://docs.x.com/x-api/fundamentals/rate-limits."""
    limit, remaining = (_number(answer.headers.get(f"x-rate-limit-{name}")) for name in ("limit", "remaining"))
    if not limit or remaining is None:
        return ()
    return (Usage(used=max(limit - remaining, 0), limit=limit, resets_at=_reset(answer)),)


def _reset(answer: Answer) -> datetime | None:
    """When the window ends, by the database's clock: X says it by its own, which the answer's Date tells.

    Not before now, at most 24 hours ahead, a second later than said, for neither clock shows more.
    """
    seconds = _number(answer.headers.get("x-rate-limit-reset"))
    if seconds is None or not 0 < seconds < 32_503_680_000:
        return None
    ahead = datetime.fromtimestamp(seconds, UTC) - (_said_at(answer) or answer.at)
    return answer.at + min(max(ahead, timedelta(0)) + timedelta(seconds=1), timedelta(hours=24))


def _said_at(answer: Answer) -> datetime | None:
    try:
        said = parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return said if said.tzinfo else None


def _number(header: str | None) -> int | None:
    said = (header or "").strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 12 else None


def _next_month(at: datetime) -> datetime:
    """A usage cap lasts until the billing period ends; the first of the next month is the nearest known bound."""
    return (at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)


# Where a user token's limit is not the usual 900: https://docs.x.com/x-api/fundamentals/rate-limits
ENDPOINT_CALLS = {"search_recent": 300}


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """User-token limits of the endpoints used, each in 15 minutes; and the cap of the month, for all."""
    calls = ENDPOINT_CALLS.get(read.endpoint, 900)
    return (
        Budget(key=f"twitter:{account.credential}:{read.endpoint}", calls=calls, seconds=900),
        Budget(key=f"twitter:{account.credential}:month", calls=None, seconds=86_400, scope="month"),
    )


PLATFORM = Platform(
    key="twitter",
    base_url="https://api.x.com",
    streams=STREAMS,
    headers={},
    # Commas and colons stay readable; X accepts them raw.
    encode=lambda params: urlencode(params, safe=",:"),
    classify=classify,
    usage=usage,
    budgets=budgets,
    # A user token lives two hours: https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/authorization-code
    refresh=Refresh(path="/2/oauth2/token", single_use=True, needs_secret=False, ahead=timedelta(minutes=5)),
    lookup=LOOKUP,
    # A timeline's start_time may not be earlier: https://docs.x.com/x-api/posts/timelines
    first_day=date(2010, 11, 7),
)
