"""One list, page by page: the next request from the last answer, until the list ends or leaves its window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from extractors import follow, singly
from extractors.capabilities import Fetched, MetricRejected, Negotiation, Silence, Unmeasured
from extractors.errors import ContractBroken, CursorExpired, ObjectGone
from extractors.http import Client
from extractors.load import quarantine, warn
from extractors.pages import Lease, Page, Question
from extractors.presence import Presence
from extractors.shape import foreseen, withheld
from extractors.spec import Answer, Params, Read, Record, Scope, Unread
from extractors.steps import Step
from extractors.strict_json import original
from extractors.walk import Walk


def pages(
    client: Client,
    step: Step,
    params: Params | None,
    connection: psycopg.Connection[Any],
    lease: Lease,
    silence: Silence,
    presence: Presence,
) -> Iterator[Page]:
    """Yield the pages of one list, each with the cursor that follows it.

    A list whose cursor expired, or that was shortened while it was read, is begun again: what came twice is no change.
    Raises PageLoop and EmptyPages for a list that leads nowhere.
    """
    read = step.read
    fetch = partial(_fetch, client, step, connection, lease, presence)
    asked = Negotiation(connection, lease, client.platform.version, read, step.scope, fetch)
    following: Params | None = params if params is not None else _first(read, asked.scope)
    walk = Walk(f"{client.account}: {read.name}")
    is_first = params is None
    while following is not None:
        try:
            fetched = asked.page(following)
        except CursorExpired as error:
            if is_first:
                raise
            walk.begin_again(error)
            following, is_first = _first(read, asked.scope), True
            continue
        except ObjectGone as error:
            if read.over is None:
                raise
            # A competitor that is not there is a word for whoever listed it, and no reason to stop.
            warn(connection, lease, f"{', '.join(step.scope.handles)}: {error.what}")
            fetched = None
        if fetched is None:
            yield _page(client, step, asked.scope, step.scope.now, [], None)
            return
        is_first = False
        following = None if _left_window(step, fetched.records) else fetched.next_params
        records = _measured(connection, lease, presence.split(fetched.records))
        total = read.total(fetched.answer.body) if read.total else None
        walk.take([item.key for item in fetched.records], following, fetched.answer.at, total)
        if following is None and walk.has_shrunk and walk.begin_again():
            following, is_first = _first(read, asked.scope), True
        is_last = following is None and step.following["read"] != read.name
        silence.note(read, step.scope.since, fetched, is_last=is_last)
        yield _page(client, step, asked.scope, fetched.answer.at, records, following)
        presence.note(records)


def _first(read: Read, scope: Scope) -> Params:
    return follow.START if read.follow else read.params(scope)


def _fetch(
    client: Client,
    step: Step,
    connection: psycopg.Connection[Any],
    lease: Lease,
    presence: Presence,
    scope: Scope,
    params: Params,
) -> Fetched:
    """Make one call and take its answer apart; what cannot be read or taken apart is kept."""
    read = step.read
    call = follow.asked(read, read.follow, scope, params) if read.follow else scope
    question = Question(read=read.name, step=step.key, scope=call)
    try:
        asking = read.params(call) if read.follow else params
        answer = singly.call(client, read, call, asking, connection, lease)
    except ContractBroken as error:
        if error.body:
            quarantine(connection, lease, None, error, _kept(read, error.body), client.limiter.now(), question)
        raise
    except ObjectGone as error:
        presence.judge(error, read)
        if read.batch is None:
            raise
        return Fetched(
            Answer(status=404, headers={}, body=None, at=client.limiter.now()), _all_gone(scope, error), None
        )
    try:
        with foreseen(read, call, answer.body):
            return _taken_apart(read, scope, call, params, answer)
    except MetricRejected:
        raise
    except ObjectGone as error:
        presence.judge(error, read)
        if read.batch is None:
            raise
        return Fetched(answer, _all_gone(scope, error), None)
    except ContractBroken as error:
        quarantine(connection, lease, None, error, _kept(read, original(answer.body)), answer.at, question)
        raise


def _all_gone(scope: Scope, error: ObjectGone) -> list[Record | Unread]:
    """Every object of a batch is gone, and the account is there."""
    return [Unread(key, error, b"") for key in scope.ids]


def _taken_apart(read: Read, scope: Scope, call: Scope, params: Params, answer: Answer) -> Fetched:
    records = read.records(call, answer.body)
    if read.follow is None:
        return Fetched(answer, records, read.next_page(answer.body, params))
    taken, position = follow.following(read, read.follow, scope, params, answer.body, records)
    return Fetched(answer, taken, position, has_metrics=bool(call.places))


def _measured(
    connection: psycopg.Connection[Any], lease: Lease, records: Sequence[Record | Unread]
) -> Sequence[Record | Unread]:
    """Leave out the objects of a batch that the platform measures nothing of, with one warning; they are there."""
    left_out = [item for item in records if isinstance(item, Unread) and isinstance(item.error, Unmeasured)]
    if not left_out:
        return records
    shown = ", ".join(item.key for item in left_out[:3]) + (", ..." if len(left_out) > 3 else "")
    warn(connection, lease, f"{len(left_out)} without insights ({shown}): {left_out[0].error.what}")
    keys = {item.key for item in left_out}
    return [item for item in records if item.key not in keys]


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
    calls, retries, charged = client.tally.take()
    question = Question(read=step.read.name, step=step.key, scope=scope)
    return Page(
        records=records,
        observed_at=at,
        next_cursor=cursor,
        calls=calls,
        retries=retries,
        charged=charged,
        question=question,
    )


def _left_window(step: Step, records: Sequence[Record | Unread]) -> bool:
    """Say whether a list without a date filter, newest first, has left the window with this page."""
    created_at, since = step.read.newest_first, step.scope.since
    if created_at is None or since is None:
        return False
    instants = [created_at(record.payload) for record in records if isinstance(record, Record)]
    return bool(instants) and min(instants) < since
