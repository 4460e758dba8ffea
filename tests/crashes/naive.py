"""A loader as it is often written: rows and cursor in two transactions. It is here to be caught by the harness."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg
import requests
from psycopg.types.json import Jsonb

from extractors.settings import Settings

START = """
insert into ops.extract_runs
    (run_id, business_id, platform, account_id, stream, as_of, window_until, lease_expires_at)
values (%s, %s, 'facebook', %s, 'facebook__posts', %s, %s, now())
"""
ADVANCE = """
update ops.extract_runs
set page_cursor = %s, pages = pages + 1, listed = listed + %s, stored = stored + %s
where run_id = %s
"""
INSERT = """
insert into raw.facebook__posts (run_id, business_id, account_id, record_key, observed_at, payload_hash, payload)
values (%s, %s, %s, %s, clock_timestamp(), %s, %s)
"""


def load(settings: Settings, account: Mapping[str, Any], *, cursor_first: bool) -> None:
    """Read a Facebook page's posts; state is committed apart from the rows, before or after them."""
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        run_id, cursor = _run(connection, settings, account)
        headers = {"Authorization": f"Bearer {_page_token(connection, settings, account)}"}
        while not cursor.get("done"):
            body = _get(settings, f"{account['account_id']}/published_posts", headers, after=cursor.get("after"))
            following = body.get("paging", {}).get("cursors", {}).get("after") if "next" in body["paging"] else None
            cursor = {"after": following, "done": following is None}
            if cursor_first:
                _advance(connection, run_id, cursor, len(body["data"]))
                _insert(connection, run_id, account, body["data"])
            else:
                _insert(connection, run_id, account, body["data"])
                _advance(connection, run_id, cursor, len(body["data"]))
        connection.execute(
            "update ops.extract_runs set state = 'complete', finished_at = now() where run_id = %s", (run_id,)
        )


def _run(
    connection: psycopg.Connection[Any], settings: Settings, account: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    found = connection.execute(
        "select run_id::text, coalesce(page_cursor, '{}') from ops.extract_runs where state = 'running'"
    ).fetchone()
    if found is not None:
        return found[0], found[1]
    run_id = str(uuid.uuid4())
    connection.execute(START, (run_id, account["business_id"], account["account_id"], settings.now, settings.now))
    return run_id, {}


def _page_token(connection: psycopg.Connection[Any], settings: Settings, account: Mapping[str, Any]) -> str:
    row = connection.execute(
        "select credential from ops.accounts where platform = 'facebook' and account_id = %s", (account["account_id"],)
    ).fetchone()
    headers = {"Authorization": f"Bearer {settings.credential(row[0]).token}"}
    return str(_get(settings, account["account_id"], headers, fields="access_token")["access_token"])


def _get(settings: Settings, path: str, headers: Mapping[str, str], **asked: str | None) -> dict[str, Any]:
    params = {"limit": "25", "fields": "id,message,created_time"} | {k: v for k, v in asked.items() if v}
    answer = requests.get(f"{settings.base_urls['facebook']}/v26.0/{path}", params, headers=headers, timeout=10)
    answer.raise_for_status()
    return dict(answer.json())


def _insert(
    connection: psycopg.Connection[Any], run_id: str, account: Mapping[str, Any], posts: list[dict[str, Any]]
) -> None:
    with connection.transaction():
        for post in posts:
            digest = hashlib.sha256(json.dumps(post, sort_keys=True).encode()).digest()
            values = (run_id, account["business_id"], account["account_id"], post["id"], digest, Jsonb(post))
            connection.execute(INSERT, values)


def _advance(connection: psycopg.Connection[Any], run_id: str, cursor: dict[str, Any], rows: int) -> None:
    connection.execute(ADVANCE, (Jsonb(cursor), rows, rows, run_id))
