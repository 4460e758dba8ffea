"""Stories while they are live, 24 hours, with their metrics. What was seen last stays: afterwards nothing is told.

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/reference/instagram-user/stories and
/instagram-media/insights. Metrics nested in the list would fail the whole list for one story that fewer than five
people saw, so the list comes first and the metrics in batches: those without a breakdown, and the navigation by kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from extractors.capabilities import MetricRejected
from extractors.errors import PipelineError
from extractors.platforms import graph_batch, meta
from extractors.platforms.instagram_metrics import NAVIGATION, STORY
from extractors.shape import mapping, objects, text
from extractors.spec import Answer, Follow, Json, Params, Read, Record, Scope, Stream, Unread

WHERE = "instagram__stories"
FIELDS = "id,caption,media_type,media_product_type,permalink,shortcode,timestamp"
PER_PAGE = 100
# Two parts each: 25 stories fill a batch.
PER_BATCH = graph_batch.LARGEST // 2


def list_params(scope: Scope) -> Params:
    """The first page of the list; a batch has no query."""
    return {} if scope.places else {"fields": FIELDS, "limit": str(PER_PAGE)}


def path(scope: Scope) -> str:
    """The list, or a batch once it has named stories."""
    return graph_batch.path(scope) if scope.places else f"{meta.node(scope)}/stories"


def form(scope: Scope) -> Params | None:
    """A batch of what the list named; None for the list itself."""
    if not scope.places:
        return None
    return graph_batch.form(url for key, place in scope.places.items() for url in _urls(scope, key, place))


def _urls(scope: Scope, key: str, place: str) -> list[str]:
    if key == scope.account.account_id:
        return [f"{key}/stories?fields={FIELDS}&limit={PER_PAGE}&after={quote(place, safe='')}"]
    plain = [metric for metric in scope.metrics if metric != NAVIGATION]
    urls = [f"{key}/insights?metric={','.join(plain)}"] if plain else []
    if NAVIGATION in scope.metrics:
        urls.append(f"{key}/insights?metric={NAVIGATION}&breakdown=story_navigation_action_type")
    return urls or [f"{key}?fields=id"]


def places(scope: Scope, body: Any) -> Params:
    """What a page of the list names: its stories, each with what the list told of it, and the page that follows."""
    pages = [body] if not scope.places else _pages(scope, body)
    found: dict[str, str] = {}
    for page in pages:
        found |= {text(item, "id", WHERE): json.dumps(item) for item in objects(page, "data", WHERE)}
        after = (meta.after_cursor(page, {}) or {}).get("after")
        found |= {scope.account.account_id: after} if after else {}
    return found


def records(scope: Scope, body: Any) -> list[Record | Unread]:
    """Records of the stories whose metrics came, and the unread ones; a page of the list holds none yet.

    Raises a rejected metric or a lost permission when every story answered so.
    """
    if not scope.places:
        objects(body, "data", WHERE)
        return []
    told = [
        _story(scope, key, place, parts)
        for key, place, parts in _parted(scope, body)
        if key != scope.account.account_id
    ]
    failed = [item for item in told if isinstance(item, Unread)]
    graph_batch.raise_if_all_failed(failed, len(told))
    return told


def _pages(scope: Scope, body: Any) -> list[Json]:
    """The pages of the list among the parts of a batch. Raises what such a part failed with."""
    found = []
    for key, _, parts in _parted(scope, body):
        if key == scope.account.account_id:
            answer = graph_batch.answer_of(parts[0], scope)
            if error := meta.classify(answer, scope.account):
                raise error
            found.append(mapping(answer.body, WHERE))
    return found


def _parted(scope: Scope, body: Any) -> list[tuple[str, str, Sequence[Any]]]:
    """The parts of a batch by the object they are about."""
    counts = [(key, place, len(_urls(scope, key, place))) for key, place in scope.places.items()]
    parts = iter(graph_batch.elements(body, sum(count for *_, count in counts), WHERE))
    return [(key, place, [next(parts) for _ in range(count)]) for key, place, count in counts]


def _story(scope: Scope, key: str, place: str, parts: Sequence[Any]) -> Record | Unread:
    """One story with its metrics; without any while fewer than five people saw it."""
    found: list[Json] = []
    for part in parts:
        answer = graph_batch.answer_of(part, scope)
        if has_too_few_viewers(answer):
            continue
        if error := meta.classify(answer, scope.account):
            return graph_batch.unread(key, part, _named(error, is_navigation=part is parts[-1] and len(parts) > 1))
        found += mapping(answer.body, WHERE).get("data") or []
    story = json.loads(place)
    return Record(key, {**story, "insights": {"data": found}} if found else story)


def _named(error: PipelineError, *, is_navigation: bool) -> PipelineError:
    """A refusal of the part with the breakdown is about its one metric, whatever position it names."""
    if not is_navigation or not isinstance(error, MetricRejected):
        return error
    return MetricRejected(
        error.what, error.remedy, names=(NAVIGATION,), certain=error.certain, everywhere=error.everywhere
    )


def has_too_few_viewers(answer: Answer) -> bool:
    """Whether the answer is a condition of the data, though it has the code of a permission (10)."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return isinstance(error, dict) and error.get("code") == 10 and "Not enough viewers" in str(error.get("message"))


STREAM = Stream(
    platform="instagram",
    name="stories",
    kind="entity",
    reads=(
        Read(
            name="stories",
            path=path,
            params=list_params,
            form=form,
            weight=lambda scope: graph_batch.weight(form(scope)),
            records=records,
            follow=Follow(places=places, size=PER_BATCH),
            metrics=STORY,
            has_more=True,
        ),
    ),
)
