"""LinkedIn's social side of own posts: reactions by type, numbers of videos, comments. Version 202609.

Read 2026-11-21: https://learn.microsoft.com/linkedin/marketing/community-management/shares/social-metadata-api,
/shares/video-analytics-api and /shares/network-update-social-actions. Saves, sends and link clicks exist for members'
posts alone. Reactions count sponsored ones too, so their sum may exceed the likes of the share statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from extractors.errors import ContractBroken, ObjectGone
from extractors.members import only, without_spans
from extractors.platforms.restli import ORGANIC, URNS_PER_CALL, gathered, next_start, organization, urn_list, value
from extractors.shape import LOOK, count_at, mapping, objects, text
from extractors.spec import Batch, Json, Read, Record, Records, Scope, Single, Stream, Unread
from extractors.strict_json import original

# What is asked of a video, one call each. TIME_WATCHED_FOR_VIDEO_VIEWS is TIME_WATCHED without the plays under three
# seconds: a fourth call for a number that no other platform tells.
VIDEO_METRICS = ("VIDEO_VIEW", "VIEWER", "TIME_WATCHED")
# Views and viewers are told for six months.
VIDEO_AGE = timedelta(days=180)
# Older posts' counts are not read again either, so nobody would notice a new comment.
COMMENT_AGE = timedelta(days=28)
COMMENT_FIELDS = frozenset(
    {"commentUrn", "$URN", "id", "object", "parentComment", "created", "lastModified", "time", "message"}
    | {"likesSummary", "totalLikes", "aggregatedTotalLikes"}
    | {"commentsSummary", "totalFirstLevelComments", "aggregatedTotalComments"}
)
NAMES_NO_MEMBER = frozenset({"com.linkedin.common.CompanyAttributedEntity"})


def reaction_records(scope: Scope, body: Any) -> Sequence[Record | Unread]:
    """Records of a batch of `socialMetadata`; what failed for one post is kept for that post alone."""
    answered = mapping(body, "linkedin__post_reactions")
    results = mapping(answered.get("results"), "linkedin__post_reactions results")
    errors = mapping(answered.get("errors") or {}, "linkedin__post_reactions errors")
    found: list[Record | Unread] = [
        Record(urn, mapping(element, "linkedin__post_reactions element")) for urn, element in results.items()
    ]
    return [*found, *(_failed(scope, urn, error) for urn, error in errors.items() if urn not in results)]


def _failed(scope: Scope, urn: str, error: Any) -> Unread:
    status = error.get("status") if isinstance(error, dict) else None
    said = f"{scope.account}: LinkedIn answered {status} for {urn} within a batch"
    reason: ObjectGone | ContractBroken = ContractBroken(said, LOOK)
    if status in (403, 404):
        reason = ObjectGone(said, "nothing to do if the post was deleted; its other numbers are read all the same")
    return Unread(urn, reason, original(error))


def video_records(metric: str) -> Records:
    """Records of one number of one video; a post without a video, or too old, has none."""

    def records(scope: Scope, body: Any) -> list[Record]:
        where = "linkedin__video_metrics"
        elements = objects(body, "elements", where)
        return [Record(f"{text(element, 'entity', where)}:{metric}", element) for element in elements]

    return records


def comment_records(scope: Scope, body: Any) -> list[Record]:
    """Records of a page of comments, without whoever wrote them or is named in them.

    Each with the post it was asked for as `post`: its `object` is an activity, which no listing of posts tells.
    """
    where = "linkedin__comments"
    if len(scope.ids) != 1:
        raise ContractBroken(f"{where}: the answer does not say of which post", "read the list again with `run`")
    elements = objects(body, "elements", where)
    return [Record(_urn(element), {**_anonymous(scope, element), "post": scope.ids[0]}) for element in elements]


def _urn(element: Json) -> str:
    """The comment's own name, which older answers keep under `$URN`."""
    return text(element, "commentUrn" if "commentUrn" in element else "$URN", "linkedin__comments")


def _anonymous(scope: Scope, element: Json) -> Json:
    """One comment; `actor` stays where it is the organization itself."""
    kept: Json = only({**element, "message": None}, COMMENT_FIELDS)
    kept["message"] = _message(element.get("message"))
    own = organization(scope)
    return {**kept, "actor": own} if element.get("actor") == own else kept


def _message(message: Any) -> Json | None:
    """The words, with `@member` for everyone they name; none where it cannot be told who is named."""
    if not isinstance(message, dict) or not isinstance(message.get("text"), str):
        return None
    listed = message.get("attributes") or []
    attributes = listed if isinstance(listed, list) else [listed]
    spans = [_span(one) for one in attributes if not _names_a_company(one)]
    readable = [span for span in spans if span is not None]
    return {"text": without_spans(message["text"], readable) if len(readable) == len(spans) else None}


def _names_a_company(attribute: Any) -> bool:
    value = attribute.get("value") if isinstance(attribute, dict) else None
    return isinstance(value, dict) and bool(value) and set(value) <= NAMES_NO_MEMBER


def _span(attribute: Any) -> tuple[int, int] | None:
    found = [attribute.get(name) for name in ("start", "length")] if isinstance(attribute, dict) else []
    numbers = [one for one in found if isinstance(one, int) and one >= 0]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def video_read(metric: str) -> Read:
    """One number of one video per call: the finder takes a single entity and type."""
    return Read(
        name=metric.lower(),
        endpoint="videoAnalytics",
        path=lambda scope: "/rest/videoAnalytics",
        params=lambda scope: {"q": "entity", "entity": value(scope.ids[0]), "type": metric, "aggregation": "ALL"},
        records=video_records(metric),
        batch=Batch(
            of="posts",
            size=1,
            where="record_key like 'urn:li:ugcPost:%' "
            f"and payload #>> '{{content,media,id}}' like 'urn:li:video:%' and {ORGANIC}",
            oldest=VIDEO_AGE,
            changed=count_at("$.totalShareStatistics.impressionCount"),
            counted_in="post_metrics",
        ),
    )


STREAMS = (
    Stream(
        platform="linkedin",
        name="post_reactions",
        kind="lifetime_metrics",
        reads=(
            Read(
                name="social_metadata",
                endpoint="socialMetadata",
                path=lambda scope: "/rest/socialMetadata",
                params=lambda scope: {"ids": urn_list(scope)},
                records=reaction_records,
                single=Single(path=lambda scope: f"/rest/socialMetadata/{value(scope.ids[0])}", gathered=gathered),
                batch=Batch(
                    of="posts",
                    size=URNS_PER_CALL,
                    where=ORGANIC,
                    oldest=timedelta(days=365),
                    changed=count_at("$.totalShareStatistics.likeCount"),
                    counted_in="post_metrics",
                ),
            ),
        ),
    ),
    Stream(
        platform="linkedin",
        name="video_metrics",
        kind="lifetime_metrics",
        # Ends at the moment of the answer, and so differs every time.
        volatile=(("timeRange",),),
        reads=tuple(video_read(metric) for metric in VIDEO_METRICS),
    ),
    Stream(
        platform="linkedin",
        name="comments",
        kind="entity",
        published_at="to_timestamp((payload #>> '{created,time}')::numeric / 1000)",
        reads=(
            Read(
                name="comments",
                endpoint="socialActions",
                path=lambda scope: f"/rest/socialActions/{value(scope.ids[0])}/comments",
                params=lambda scope: {"start": "0", "count": "100"},
                records=comment_records,
                next_page=next_start,
                names_members=True,
                batch=Batch(
                    of="posts",
                    size=1,
                    where=ORGANIC,
                    oldest=COMMENT_AGE,
                    changed=count_at("$.totalShareStatistics.commentCount"),
                    counted_in="post_metrics",
                ),
            ),
        ),
    ),
)
