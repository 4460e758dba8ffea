"""One list, page by page: the next request from the last answer, until the list ends or leaves its window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from extractors import follow
from extractors.capabilities import WARN, Fetched, MetricRejected, Negotiation, Silence
from extractors.errors import ContractBroken, ObjectGone
from extractors.http import Client
from extractors.load import Asked, Lease, Page, quarantine
from extractors.shape import LOOK, foreseen, withheld
from extractors.spec import Answer, Params, Read, Record, Scope, Unread
from extractors.steps import Step
from extractors.strict_json import original


def pages(
    client: Client,
    step: Step,
    params: Params | None,
    connection: psycopg.Connection[Any],
    lease: Lease,
    silence: Silence,
) -> Iterator[Page]:
    """Yield the pages of one list, each with the cursor that follows it."""
    read = step.read
    fetch = partial(_fetch, client, step, connection, lease)
    asked = Negotiation(connection, lease, client.platform.version, read, step.scope, fetch)
    first = follow.START if read.follow else read.params(asked.scope)
    following: Params | None = params if params is not None else first
    seen: set[tuple[tuple[str, str], ...]] = set()
    while following is not None:
        try:
            fetched = asked.page(following)
        except ObjectGone as error:
            is_one_of_many = read.over is not None or (read.batch is not None and len(step.scope.ids) == 1)
            if not is_one_of_many:
                raise
            gone = ", ".join(step.scope.handles or step.scope.ids)
            connection.execute(WARN, (f"{gone}: {error.what}", lease.run_id, lease.epoch))
            fetched = None
        if fetched is None:
            yield _page(client, step, asked.scope, step.scope.now, [], None)
            return
        following = None if _left_window(step, fetched.records) else fetched.next_params
        place = tuple(sorted((following or {}).items()))
        if place in seen:
            raise ContractBroken(f"{client.account}: {read.name} leads back to a page already read", LOOK)
        seen.add(place)
        is_last = following is None and step.following["read"] != read.name
        silence.note(read, step.scope.since, fetched, is_last=is_last)
        yield _page(client, step, asked.scope, fetched.answer.at, fetched.records, following)


def _fetch(
    client: Client, step: Step, connection: psycopg.Connection[Any], lease: Lease, scope: Scope, params: Params
) -> Fetched:
    """Make one call and take its answer apart; what cannot be read or taken apart is kept."""
    read = step.read
    call = follow.asked(read, read.follow, scope, params) if read.follow else scope
    asked = Asked(read=read.name, step=step.key, scope=call)
    try:
        answer = client.call(read, call, read.params(call) if read.follow else params)
    except ContractBroken as error:
        if error.body:
            quarantine(connection, lease, None, error, _kept(read, error.body), datetime.now(UTC), asked)
        raise
    try:
        with foreseen(read, call, answer.body):
            return _taken_apart(read, scope, call, params, answer)
    except MetricRejected:
        raise
    except ContractBroken as error:
        quarantine(connection, lease, None, error, _kept(read, original(answer.body)), answer.at, asked)
        raise


def _taken_apart(read: Read, scope: Scope, call: Scope, params: Params, answer: Answer) -> Fetched:
    records = read.records(call, answer.body)
    if read.follow is None:
        return Fetched(answer, records, read.next_page(answer.body, params))
    taken, position = follow.following(read, read.follow, scope, params, answer.body, records)
    return Fetched(answer, taken, position, has_metrics=bool(call.places))


def _kept(read: Read, body: bytes) -> bytes:
    """What the quarantine may hold of an answer: never the bytes of one that names members."""
    return withheld(body) if read.names_members else body


def _page(
    client: Client,
    step: Step,
    scope: Scope,
    at: datetime,
    records: Sequence[Record | Unread],
    next_params: Params | None,
) -> Page:
    cursor = step.following
    if next_params is not None:
        cursor = {"read": step.read.name, "step": step.key, "params": dict(next_params)}
    calls, retries = client.tally.take()
    asked = Asked(read=step.read.name, step=step.key, scope=scope)
    return Page(records=records, observed_at=at, next_cursor=cursor, calls=calls, retries=retries, asked=asked)


def _left_window(step: Step, records: Sequence[Record | Unread]) -> bool:
    """Say whether a list without a date filter, newest first, has left the window with this page."""
    created_at, since = step.read.newest_first, step.scope.since
    if created_at is None or since is None:
        return False
    instants = [created_at(record.payload) for record in records if isinstance(record, Record)]
    return bool(instants) and min(instants) < since
