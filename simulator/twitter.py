"""X API v2: users and timelines. https://docs.x.com/x-api/introduction"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from simulator import audience, competitors, twitter_search
from simulator.days import x_time
from simulator.exchange import Answer, Refusal, Request
from simulator.growth import counters
from simulator.limits import X_WINDOW
from simulator.model import Account, Json, Post
from simulator.service import Service
from simulator.twitter_gates import (
    EXPANSIONS,
    MEDIA_FIELDS,
    PRIVATE,
    PROBLEMS,
    TWEET_FIELDS,
    USER_FIELDS,
    Ask,
    app_only_forbidden,
    check_token,
    instant,
    invalid,
    make_token,
    not_found,
    page_size,
    read_token,
    same_place,
    throttled,
    usage_headers,
    whole,
)

PRIVATE_FOR = timedelta(days=30)
REACH = 3_200
REACH_WITHOUT_REPLIES = 800
APP_WINDOW = 10_000
ALWAYS = ("id", "text", "edit_history_tweet_ids")
RENAMED = {
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
    "edit_history_tweet_ids": "edit_history_post_ids",
    "tweets": "posts",
    "tweet_count": "post_count",
    "retweet_count": "repost_count",
}


def handle(service: Service, request: Request) -> Answer:
    """Answer one request, as X would."""
    try:
        answer = _answer(service, request)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers = {"api-version": "2.164"} | answer.headers
    return answer


def _answer(service: Service, request: Request) -> Answer:
    route = next(((found, run) for pattern, run in ROUTES if (found := pattern.fullmatch(request.path))), None)
    if route is None or request.method != "GET":
        raise Refusal(404, {"title": "Not Found", "detail": "Not Found", "type": "about:blank", "status": 404})
    grant = check_token(service, request.bearer())
    found, run = route
    limit = APP_WINDOW if grant.kind == "app_only" else service.limits.x_window
    budget = f"twitter:{grant.credential.name}:{run.__name__}"
    usage = service.meter.spend(budget, limit=limit, window=X_WINDOW)
    if usage.exceeded:
        raise throttled(usage)
    params = request.params()
    renamed = "post.fields" in params or service.fault == "renamed_fields"
    if "post.fields" in params:
        params["tweet.fields"] = ",".join(_old_name(name) for name in params["post.fields"].split(","))
    try:
        answer = run(Ask(service=service, grant=grant, params=params), *found.groups())
    except Refusal as refusal:
        refusal.answer.headers |= usage_headers(usage)
        refusal.answer.credential = grant.credential.name
        raise
    answer.credential = grant.credential.name
    answer.headers |= usage_headers(usage)
    if renamed:
        answer.body = rename(answer.body)
    return answer


def users(ask: Ask) -> Answer:
    """`/2/users?ids=`: up to 100 users; unknown ids come as errors within the 200."""
    ids = [one for one in ask.params.get("ids", "").split(",") if one]
    if not 1 <= len(ids) <= 100:
        value = ask.params.get("ids", "")
        raise invalid(
            "ids",
            value,
            f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100",
        )
    for one in ids:
        if not re.fullmatch(r"\d{1,19}", one):
            raise invalid("ids", one, f"The `ids` query parameter value [{one}] is not valid")
    fields = ask.names("user.fields", USER_FIELDS)
    found = {one: ask.service.world.account("twitter", one) for one in ids}
    data = [user_object(ask, account, fields) for account in found.values() if account is not None]
    errors = [not_found("user", "ids", one) for one, account in found.items() if account is None]
    body = {name: value for name, value in (("data", data), ("errors", errors)) if value}
    return Answer(body=body, objects=len(data), account=ids[0] if len(ids) == 1 else None)


def users_by(ask: Ask) -> Answer:
    """`/2/users/by?usernames=`: up to 100 users by handle, in any spelling of it."""
    value = ask.params.get("usernames", "")
    handles = [one for one in value.split(",") if one]
    if not 1 <= len(handles) <= 100:
        count = f"The number of values in the `usernames` query parameter list [{len(handles)}]"
        raise invalid("usernames", value, f"{count} is not between 1 and 100")
    for one in handles:
        if not re.fullmatch(r"\w{1,15}", one, re.ASCII):
            message = f"The `usernames` query parameter value [{one}] does not match ^[A-Za-z0-9_]{{1,15}}$"
            raise invalid("usernames", one, message)
    fields = ask.names("user.fields", USER_FIELDS)
    known = {one.handle.lower(): one for one in ask.service.world.accounts if one.platform == "twitter"}
    found = {one: user_object(ask, known[one.lower()], fields) for one in handles if one.lower() in known}
    others = {one: other for one in handles if one not in found and (other := competitors.find("twitter", one))}
    found |= {one: competitor_object(ask, other, fields) for one, other in others.items()}
    data = [found[one] for one in handles if one in found]
    errors = [unknown_handle(one) for one in handles if one not in found]
    body = {name: told for name, told in (("data", data), ("errors", errors)) if told}
    return Answer(body=body, objects=len(data))


def competitor_object(ask: Ask, other: competitors.Competitor, fields: Iterable[str]) -> Json:
    """Somebody else's user object, with the fields asked for."""
    everything: Json = {
        "id": other.account_id,
        "name": other.name,
        "username": other.handle,
        "created_at": "2015-02-03T04:05:06.000Z",
        "verified": False,
        "public_metrics": {
            "followers_count": other.followers_at(ask.now),
            "following_count": 210,
            "tweet_count": other.posts,
            "listed_count": 9,
        },
    }
    kept = {"id", "name", "username", *fields}
    return {name: value for name, value in everything.items() if name in kept}


def unknown_handle(handle: str) -> Json:
    """The partial error of a handle that nobody has."""
    problem = not_found("user", "usernames", handle)
    return problem | {"detail": f"Could not find user with usernames: [{handle}]."}


def user_object(ask: Ask, account: Account, fields: Iterable[str]) -> Json:
    """A user with the fields asked for; id, name and username always."""
    listed = ask.service.world.listed(account, ask.now)
    everything: Json = {
        "id": account.account_id,
        "name": account.name,
        "username": account.handle,
        "created_at": x_time(account.created_at),
        "description": f"{account.name}. All that happens here.",
        "verified": True,
        "protected": False,
        "public_metrics": {
            "followers_count": audience.stock_at(account, ask.now),
            "following_count": 312,
            "tweet_count": len(listed),
            "listed_count": 41,
            "like_count": 902,
            "media_count": sum(1 for post in listed if post.media),
        },
    }
    kept = {"id", "name", "username", *fields}
    return {name: value for name, value in everything.items() if name in kept}


def timeline(ask: Ask, user_id: str) -> Answer:
    """`/2/users/{id}/tweets`: newest first, private metrics only for the author and for 30 days."""
    fields = ask.names("tweet.fields", frozenset(TWEET_FIELDS))
    expansions = ask.names("expansions", EXPANSIONS)
    media_fields, user_fields = ask.names("media.fields", MEDIA_FIELDS), ask.names("user.fields", USER_FIELDS)
    size = page_size(ask)
    account = ask.service.world.account("twitter", user_id)
    if PRIVATE & set(fields) and ask.grant.kind == "app_only":
        raise app_only_forbidden()
    if account is None:
        return Answer(body={"errors": [not_found("user", "id", user_id)]}, account=user_id)
    page, meta = _page(_in_window(ask, account), ask, size)
    told, errors = withhold(page, fields, ask, account)
    meta = (
        {"result_count": len(told)}
        | ({"newest_id": told[0].post_id, "oldest_id": told[-1].post_id} if told else {})
        | meta
    )
    body: Json = {}
    if told:
        body["data"] = [tweet_object(post, fields, expansions, ask.now) for post in told]
        includes = _includes(ask, account, told, expansions, media_fields, user_fields)
        body |= {"includes": includes} if includes else {}
    if errors:
        body["errors"] = errors
    body["meta"] = meta
    return Answer(body=body, objects=len(told), account=user_id)


def lookup(ask: Ask) -> Answer:
    """`/2/tweets?ids=`: up to 100 posts; what is deleted or unknown comes as errors within the 200."""
    ids = [one for one in ask.params.get("ids", "").split(",") if one]
    if not 1 <= len(ids) <= 100:
        message = f"The number of values in the `ids` query parameter list [{len(ids)}] is not between 1 and 100"
        raise invalid("ids", ask.params.get("ids", ""), message)
    fields = ask.names("tweet.fields", frozenset(TWEET_FIELDS))
    posts = {one: ask.service.world.post("twitter", one) for one in ids}
    there = [post for post in posts.values() if post is not None and post.is_there(ask.now)]
    told = {post.post_id for post in there}
    errors = [not_found("tweet", "ids", one) for one in ids if one not in told]
    data = [tweet_object(post, fields, [], ask.now) for post in there]
    body = {name: value for name, value in (("data", data), ("errors", errors)) if value}
    return Answer(body=body, objects=len(data), account=there[0].account.account_id if there else None)


def _in_window(ask: Ask, account: Account) -> list[Post]:
    """The posts the parameters leave, newest first, no further back than X reaches."""
    excluded = set(ask.names("exclude", frozenset({"replies", "retweets"})))
    reach = REACH_WITHOUT_REPLIES if "replies" in excluded else REACH
    start, end = instant(ask, "start_time"), instant(ask, "end_time")
    since_id, until_id = whole(ask, "since_id"), whole(ask, "until_id")
    hidden = {"replies": "reply", "retweets": "retweet"}
    kinds = {hidden[name] for name in excluded}
    return [
        post
        for post in ask.service.world.listed(account, ask.now)[:reach]
        if post.kind not in kinds
        and (start is None or post.published_at >= start)
        and (end is None or post.published_at < end)
        and int(post.post_id) > since_id
        and (until_id == 0 or int(post.post_id) < until_id)
    ]


def _page(posts: list[Post], ask: Ask, size: int) -> tuple[list[Post], Json]:
    """One page and the tokens around it."""
    start = 0
    if (token := ask.params.get("pagination_token")) is not None:
        last = read_token(token)
        start = sum(1 for post in posts if int(post.post_id) >= last)
    if ask.service.fault == "page_short_with_next":
        resume = posts[start - 1].post_id if start else str(int(posts[0].post_id) + 1) if posts else "0"
        return [], {"next_token": make_token(resume)}
    if ask.service.fault == "endless_empty_pages":
        return [], {"next_token": same_place(token or make_token(str(int(posts[0].post_id) + 1)))}
    page = posts[start : start + size]
    meta: Json = {}
    if page and start + size < len(posts):
        meta["next_token"] = make_token(page[-1].post_id)
    if start > 0:
        meta["previous_token"] = make_token(posts[max(0, start - size)].post_id)
    return page, meta


def withhold(page: list[Post], fields: list[str], ask: Ask, account: Account) -> tuple[list[Post], list[Json]]:
    """Leave out the posts whose private metrics may not be told, with an error for each."""
    private = sorted(PRIVATE & set(fields))
    if not private:
        return page, []
    own = ask.grant.opens(*account.key)
    told, errors = [], []
    for post in page:
        if own and ask.now - post.published_at < PRIVATE_FOR and "promoted_metrics" not in private:
            told.append(post)
        else:
            errors += [_field_error(post, name) for name in private]
    return told, errors


def _field_error(post: Post, field: str) -> Json:
    return {
        "resource_id": post.post_id,
        "parameter": "ids",
        "resource_type": "tweet",
        "section": "data",
        "field": field,
        "value": post.post_id,
        "title": "Field Authorization Error",
        "detail": f"Sorry, you are not authorized to access '{field}' on the Tweet with ids : [{post.post_id}].",
        "type": f"{PROBLEMS}not-authorized-for-field",
    }


def tweet_object(post: Post, fields: list[str], expansions: list[str], now: datetime) -> Json:
    """A post with the fields asked for; what has no value is left out."""
    kept = {*ALWAYS, *fields} | {name.split(".")[0] for name in expansions}
    tweet = {name: value for name, value in post.payload.items() if name in kept}
    told = metrics(post, now)
    return tweet | {name: told[name] for name in fields if name in told}


def metrics(post: Post, now: datetime) -> Json:
    """All groups of metrics of a post."""
    now_ = counters(post, now)
    shared = {
        "impression_count": now_["impressions"],
        "like_count": now_["likes"],
        "reply_count": now_["comments"],
        "retweet_count": now_["reposts"],
    }
    clicks = {"url_link_clicks": now_["clicks"], "user_profile_clicks": now_["profile_clicks"]}
    acted = ("likes", "comments", "reposts", "quotes", "saves", "clicks", "profile_clicks")
    return {
        "public_metrics": shared | {"quote_count": now_["quotes"], "bookmark_count": now_["saves"]},
        "non_public_metrics": {
            "impression_count": now_["impressions"],
            "engagements": sum(now_[name] for name in acted),
            **clicks,
        },
        "organic_metrics": shared | clicks,
    }


def _includes(
    ask: Ask,
    account: Account,
    posts: list[Post],
    expansions: list[str],
    media_fields: list[str],
    user_fields: list[str],
) -> Json:
    """The objects the expansions ask for."""
    includes: Json = {}
    if "attachments.media_keys" in expansions:
        media = [media_object(one, post, media_fields, ask.now) for post in posts for one in post.media]
        includes |= {"media": media} if media else {}
    if "author_id" in expansions:
        includes["users"] = [user_object(ask, account, user_fields)]
    if "referenced_tweets.id" in expansions:
        referred = {one["id"]: one for post in posts for one in post.payload.get("referenced_tweets", [])}
        tweets = [{"id": one, "text": "Somebody else's words", "edit_history_tweet_ids": [one]} for one in referred]
        includes |= {"tweets": tweets} if tweets else {}
    return includes


def media_object(media: Json, post: Post, fields: list[str], now: datetime) -> Json:
    """A medium with the fields asked for; only videos count views."""
    kept = {"media_key", "type", *fields}
    told = {name: value for name, value in media.items() if name in kept}
    if "public_metrics" in fields and media["type"] == "video":
        told["public_metrics"] = {"view_count": counters(post, now)["video_views"]}
    return told


def rename(value: Any) -> Any:
    """The vocabulary of specification 2.167, in which tweets are posts."""
    if isinstance(value, dict):
        return {RENAMED.get(name, name): rename(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rename(inner) for inner in value]
    return value


def _old_name(name: str) -> str:
    return next((old for old, new in RENAMED.items() if new == name), name)


ROUTES: tuple[tuple[re.Pattern[str], Callable[..., Answer]], ...] = (
    (re.compile(r"/2/users"), users),
    (re.compile(r"/2/tweets"), lookup),
    (re.compile(r"/2/users/(\d+)/tweets"), timeline),
    (re.compile(r"/2/users/by"), users_by),
    (re.compile(r"/2/tweets/search/recent"), twitter_search.recent),
)
