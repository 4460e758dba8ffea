"""X's recent search, as far as replies need it. https://docs.x.com/x-api/posts/search/integrate/build-a-query"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import timedelta

from simulator.days import x_time
from simulator.exchange import Answer
from simulator.model import Json
from simulator.replies import LONG_WORDS, Reply, replies
from simulator.twitter_gates import (
    EXPANSIONS,
    TWEET_FIELDS,
    USER_FIELDS,
    Ask,
    instant,
    invalid,
    make_token,
    page_size,
    read_token,
    whole,
)

LONGEST_QUERY = 512
"""Of a self-serve app; an enterprise's may have 4,096."""
REACH = timedelta(days=7)
CONVERSATIONS = re.compile(r"\((conversation_id:\d+(?: OR conversation_id:\d+)*)\)|(conversation_id:\d+)")
ALWAYS = frozenset({"id", "text", "edit_history_tweet_ids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A query that was understood: these conversations, without what somebody wrote."""

    conversations: frozenset[str]
    without: frozenset[str]


def recent(ask: Ask) -> Answer:
    """`/2/tweets/search/recent`: replies of the last seven days, newest first."""
    search = understood(ask.params.get("query", ""))
    size = page_size(ask, least=10)
    fields = {*ALWAYS, *ask.names("tweet.fields", frozenset(TWEET_FIELDS))}
    expansions = ask.names("expansions", EXPANSIONS)
    user_fields = {"id", "name", "username", *ask.names("user.fields", USER_FIELDS)}
    found = _found(ask, search)
    token = ask.params.get("next_token") or ask.params.get("pagination_token")
    last = read_token(token) if token else None
    left = [one for one in found if last is None or int(one.reply_id) < last]
    page = left[:size]
    body: Json = {}
    meta: Json = {"result_count": len(page)}
    if page:
        body["data"] = [_kept(reply_object(one), fields) for one in page]
        meta |= {"newest_id": page[0].reply_id, "oldest_id": page[-1].reply_id}
    if "author_id" in expansions and page:
        body["includes"] = {"users": [_kept(person_object(one), user_fields) for one in page]}
    if len(left) > size:
        meta["next_token"] = make_token(page[-1].reply_id)
    return Answer(body=body | {"meta": meta}, objects=len(page), account=_asked_about(ask, search))


def understood(query: str) -> Search:
    """A query taken apart; 400 for what is too long or was not understood."""
    if not 1 <= len(query) <= LONGEST_QUERY:
        message = f"Query length is invalid. Length must be between 1 and {LONGEST_QUERY}, but was {len(query)}"
        raise invalid("query", query, message)
    conversations = CONVERSATIONS.match(query)
    rest = query[conversations.end() :].split() if conversations else ["?"]
    without = {one.removeprefix("-from:") for one in rest if one.startswith("-from:")}
    if not conversations or any(one != "is:reply" and not one.startswith("-from:") for one in rest):
        raise invalid("query", query, "There were errors processing your request: no viable alternative at input")
    return Search(conversations=frozenset(re.findall(r"\d+", conversations[0])), without=frozenset(without))


def _found(ask: Ask, search: Search) -> list[Reply]:
    start, since_id = instant(ask, "start_time"), whole(ask, "since_id")
    oldest = ask.now - REACH
    if start is not None and start < oldest - timedelta(seconds=1):
        value = ask.params["start_time"]
        message = f"Invalid 'start_time':'{value}'. 'start_time' must be on or after {x_time(oldest)}"
        raise invalid("start_time", value, message)
    posts = [post for one in search.conversations if (post := ask.service.world.post("twitter", one))]
    found = [
        one
        for post in posts
        for one in replies(post, ask.now)
        if one.written_at >= max(start or oldest, oldest)
        and int(one.reply_id) > since_id
        and not {author_id(one), author_handle(one)} & search.without
    ]
    return sorted(found, key=lambda one: int(one.reply_id), reverse=True)


def _asked_about(ask: Ask, search: Search) -> str | None:
    posts = (ask.service.world.post("twitter", one) for one in search.conversations)
    return next((post.account.account_id for post in posts if post), None)


def author_id(reply: Reply) -> str:
    """Who wrote it."""
    account = reply.post.account
    return account.account_id if reply.is_own else str(900_000_000_000 + int(reply.person.removeprefix("person")))


def author_handle(reply: Reply) -> str:
    """How that one is called."""
    return reply.post.account.handle if reply.is_own else reply.person


def person_object(reply: Reply) -> Json:
    """The user behind a reply, for those who ask for users."""
    handle = author_handle(reply)
    return {"id": author_id(reply), "name": f"Jo {handle}", "username": handle, "verified": False}


def reply_object(reply: Reply) -> Json:
    """A reply with all of its fields: it begins with whom it answers."""
    post = reply.post
    text = html.escape(f"{_addressed(reply)}{reply.words.replace('{friend}', f'@{reply.friend}')}", quote=False)
    answered = {"type": "replied_to", "id": reply.answers or post.post_id}
    mentions = [{"start": 0, "end": len(post.account.handle) + 1, "username": post.account.handle}]
    counts = {"retweet_count": 0, "reply_count": 0, "quote_count": 0, "bookmark_count": 0, "impression_count": 40}
    element: Json = {
        "id": reply.reply_id,
        "text": text,
        "created_at": x_time(reply.written_at),
        "author_id": author_id(reply),
        "conversation_id": post.post_id,
        "in_reply_to_user_id": post.account.account_id,
        "lang": "en",
        "edit_history_tweet_ids": [reply.reply_id],
        "referenced_tweets": [answered],
        "entities": {"mentions": mentions},
        "public_metrics": counts | {"like_count": reply.likes},
    }
    if reply.words == LONG_WORDS:
        element["note_tweet"] = {"text": text, "entities": {"mentions": mentions}}
        element["text"] = text[:250].rsplit(" ", 1)[0] + "… https://t.co/AbCdEf1234"
    return element


def _addressed(reply: Reply) -> str:
    """The handles at the beginning: the account's, and that of the one answered."""
    return f"@{reply.post.account.handle} " + ("@someone_else " if reply.answers else "")


def _kept(value: Json, names: frozenset[str] | set[str]) -> Json:
    return {name: inner for name, inner in value.items() if name in names}
