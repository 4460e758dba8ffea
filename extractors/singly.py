"""Batches that a platform refuses to some apps: the same objects one by one, learned once and tried again a week later.

LinkedIn's Development tier answers no BATCH_GET at all, and Standard tier every one. The verdict is per account, since
each may belong to another app, and stands in `ops.metric_capabilities` under the name `BATCH`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg

from extractors.capabilities import KNOWN, REJECT, RESTORE, RETRY_AFTER
from extractors.errors import ObjectGone, PermissionLost, PipelineError
from extractors.http import Client
from extractors.load import warn
from extractors.pages import Lease
from extractors.spec import Answer, Params, Read, Scope, Single, Stream

BATCH = "BATCH"


def call(
    client: Client, read: Read, scope: Scope, params: Params, connection: psycopg.Connection[Any], lease: Lease
) -> Answer:
    """Make a read's call, or the calls for each of its objects where the account's app is known to get no batch.

    A refused batch is told from a lost permission by asking for objects alone: when one comes, it was the batch. Raises
    what the client raises.
    """
    if read.single is None or not scope.ids:
        return client.call(read, scope, params)
    values = _key(scope, lease.stream, read, client.platform.version)
    known = _verdict(connection, values)
    if known is False:
        return _each(client, read, read.single, scope)[0]
    try:
        answer = client.call(read, scope, params)
    except PermissionLost as refused:
        answer, has_come = _each(client, read, read.single, scope)
        if has_come:
            _learn(connection, lease, scope, values, refused)
        return answer
    if known is True:
        connection.execute(RESTORE, {**values, "metrics": [BATCH]})
    return answer


def is_refused(connection: psycopg.Connection[Any], scope: Scope, stream: Stream, read: Read, api_version: str) -> bool:
    """Say whether the account's objects of this read are asked one by one at present."""
    return read.single is not None and _verdict(connection, _key(scope, stream, read, api_version)) is False


def _verdict(connection: psycopg.Connection[Any], values: dict[str, Any]) -> bool | None:
    """False: refused; True: refused once and due to be tried again; None: nothing is known against it."""
    found: dict[str, bool] = dict(connection.execute(KNOWN, values).fetchall())
    return found.get(BATCH)


def _each(client: Client, read: Read, single: Single, scope: Scope) -> tuple[Answer, bool]:
    """Ask for each object, and say whether any came. Raises a refusal before that: then it is not about batches."""
    alone = replace(read, path=single.path, params=lambda _scope: {}, form=None)
    bodies: dict[str, Any] = {}
    refused: dict[str, PipelineError] = {}
    last: Answer | None = None
    for key in scope.ids:
        try:
            last = client.call(alone, replace(scope, ids=(key,)), {})
            bodies[key] = last.body
        except (ObjectGone, PermissionLost) as error:
            refused[key] = error
            if isinstance(error, PermissionLost) and not bodies:
                raise
    at = last.at if last is not None else client.limiter.now()
    statuses = {key: 404 if isinstance(error, ObjectGone) else 403 for key, error in refused.items()}
    return Answer(status=200, headers={}, body=single.gathered(bodies, statuses), at=at), bool(bodies)


def _key(scope: Scope, stream: Stream, read: Read, api_version: str) -> dict[str, Any]:
    return {
        "platform": scope.account.platform,
        "account_id": scope.account.account_id,
        "stream": stream.full_name,
        "read": read.name,
        "api_version": api_version,
        "now": scope.now,
    }


def _learn(
    connection: psycopg.Connection[Any], lease: Lease, scope: Scope, values: dict[str, Any], refused: PermissionLost
) -> None:
    until = scope.now + RETRY_AFTER
    verdict = {**values, "metric": BATCH, "error": refused.what, "retry_after": until}
    if connection.execute(REJECT, verdict).fetchone():
        account = scope.account
        line = f"{values['read']}: batches are refused to the app of {account}, so each object is asked by itself"
        warn(connection, lease, f"{line} until {until:%Y-%m-%d}; nothing is missing, Standard tier saves the calls")
