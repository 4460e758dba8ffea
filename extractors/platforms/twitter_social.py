"""What others write and show on X: replies to own posts, competitors' public numbers.

Read 2026-11-21: https://docs.x.com/x-api/posts/search/integrate/build-a-query (512 characters for pay-per-use and the
older self-serve tiers), /posts/recent-search (seven days back, 10 to 100 a page) and /users/lookup (100 handles). Every
post and user that comes back is paid for, so nothing is asked for twice and own replies are left to the timeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from extractors.errors import ObjectGone
from extractors.members import only, without_handles
from extractors.platforms.twitter_pages import next_token, page_of_posts, rfc3339
from extractors.shape import count_at, mapping, objects, outline, text
from extractors.spec import Batch, Competitors, Params, Read, Record, Scope, Stream, Unread
from extractors.strict_json import original

SEARCH_REACH = timedelta(days=7)
# A start that is seven days ago when it is sent would be too early when it comes.
SEARCH_MARGIN = timedelta(minutes=1)
# A reply is counted a little before or after it can be found.
SEARCH_OVERLAP = timedelta(hours=1)
# Older posts' counts are not read again either, so nobody would notice a new reply.
REPLIES_AGE = timedelta(days=28)
# 12 x 35 characters, 11 x " OR ", brackets, " is:reply" and " -from:" with an id of 19 digits make 501 of 512.
CONVERSATIONS_PER_QUERY = 12
REPLY_FIELDS = frozenset(
    {"id", "text", "created_at", "conversation_id", "lang", "edit_history_tweet_ids", "edit_history_post_ids"}
    | {"referenced_tweets", "referenced_posts", "type", "note_tweet", "note_post", "public_metrics"}
    | {"retweet_count", "repost_count", "reply_count", "like_count", "quote_count", "bookmark_count"}
    | {"impression_count"}
)
# Neither who wrote it nor whom it names is asked for.
ASKED_FIELDS = "id,text,created_at,conversation_id,lang,note_tweet,public_metrics,referenced_tweets"


def query(scope: Scope) -> str:
    """Return the search for the replies of others in some conversations."""
    conversations = " OR ".join(f"conversation_id:{post_id}" for post_id in scope.ids)
    return f"({conversations}) is:reply -from:{scope.account.account_id}"


def search_params(scope: Scope) -> Params:
    """Replies since the last look, or of the seven days that can be searched."""
    oldest = scope.now - SEARCH_REACH + SEARCH_MARGIN
    edges = {"start_time": scope.since if scope.since and scope.since > oldest else None, "end_time": scope.until}
    return {
        "query": query(scope),
        "max_results": "100",
        "tweet.fields": ASKED_FIELDS,
        **{name: rfc3339(edge) for name, edge in edges.items() if edge},
    }


def reply_records(_scope: Scope, body: Any) -> list[Record]:
    """Records of a page of replies, without whoever wrote them or is named in them."""
    where = "twitter__comments"
    return [
        Record(text(post, "id", where), only(post, REPLY_FIELDS, without_handles))
        for post in page_of_posts(body, where)
    ]


def competitor_records(scope: Scope, body: Any) -> Sequence[Record | Unread]:
    """Records of a lookup of handles, one per competitor and day; a handle that nobody has is kept apart."""
    where = "twitter__competitors"
    page = mapping(body, where)
    users = objects(page, "data", where) if "data" in page or not page.get("errors") else []
    errors = objects(page, "errors", where) if page.get("errors") else []
    found: list[Record | Unread] = [
        Record(f"{text(user, 'username', where).lower()}:profile:{scope.today.isoformat()}", user) for user in users
    ]
    return [*found, *(_unknown(scope, error) for error in errors)]


def _unknown(scope: Scope, error: Any) -> Unread:
    handle = error.get("value")
    named = handle if isinstance(handle, str) and handle in scope.handles else outline(handle)
    reason = ObjectGone(f"{scope.account}: X knows no user {named!r}", "correct the competitor in accounts.yml")
    return Unread(f"{named}:profile:{scope.today.isoformat()}", reason, original(error))


STREAMS = (
    Stream(
        platform="twitter",
        name="comments",
        kind="entity",
        lookback=SEARCH_OVERLAP,
        published_at="(payload ->> 'created_at')::timestamptz",
        reads=(
            Read(
                name="replies",
                endpoint="search_recent",
                path=lambda scope: "/2/tweets/search/recent",
                params=search_params,
                records=reply_records,
                next_page=partial(next_token, name="next_token"),
                names_members=True,
                batch=Batch(
                    of="posts",
                    size=CONVERSATIONS_PER_QUERY,
                    # Replies to a reply of ours stand in somebody else's conversation.
                    where="payload ->> 'conversation_id' = record_key",
                    oldest=REPLIES_AGE,
                    changed=count_at("$.public_metrics.reply_count"),
                ),
            ),
        ),
    ),
    Stream(
        platform="twitter",
        name="competitors",
        kind="entity",
        reads=(
            Read(
                name="users_by",
                endpoint="users_by",
                path=lambda scope: "/2/users/by",
                params=lambda scope: {
                    "usernames": ",".join(scope.handles),
                    "user.fields": "created_at,name,username,verified,public_metrics",
                },
                records=competitor_records,
                over=Competitors(size=100),
            ),
        ),
    ),
)
