"""Runs landed by hand in a migrated warehouse."""

from __future__ import annotations

import hashlib
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from extractors.settings import Settings

AS_OF = datetime.fromisoformat("2026-10-08T12:00:00+00:00")
numbers = itertools.count(1)


@dataclass(frozen=True)
class World:
    """One throw-away database, and how to put runs into it."""

    settings: Settings
    connection: psycopg.Connection[Any]

    def account(self, stream: str, account_id: str = "2414183", business_id: int = 1) -> None:
        platform = stream.split("__")[0]
        self.connection.execute(
            "insert into ops.businesses values (%s, 'Acme', 'Europe/Berlin') on conflict do nothing", (business_id,)
        )
        self.connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential) values (%s, %s, %s, 'acme')"
            " on conflict do nothing",
            (business_id, platform, account_id),
        )

    def run(
        self,
        stream: str,
        records: dict[str, dict[str, Any]] | list[tuple[str, dict[str, Any]]] | None = None,
        *,
        account_id: str = "2414183",
        state: str = "complete",
        until: datetime = AS_OF,
        since: datetime | None = None,
        listed: int | None = None,
        stored: int | None = None,
        observed: timedelta = timedelta(0),
    ) -> str:
        """Land a finished run that waits for its judgement, and return its id."""
        self.account(stream, account_id)
        rows = list(records.items()) if isinstance(records, dict) else (records or [])
        run_id = str(uuid.uuid4())
        counted = len(rows) if stored is None else stored
        listed = counted if listed is None else listed
        self.connection.execute(
            "insert into ops.extract_runs (run_id, business_id, platform, account_id, stream, state, as_of,"
            " window_since, window_until, lease_expires_at, listed, stored, unchanged, finished_at, error_class)"
            " values (%s, 1, %s, %s, %s, %s, %s, %s, %s, now(), %s, %s, %s, clock_timestamp(), %s)",
            (
                run_id,
                stream.split("__")[0],
                account_id,
                stream,
                state,
                AS_OF,
                since,
                until,
                listed,
                counted,
                listed - counted,
                "Transient" if state == "failed" else None,
            ),
        )
        for key, payload in rows:
            self.row(stream, run_id, key, payload, account_id=account_id, observed=observed)
        return run_id

    def row(
        self, stream: str, run_id: str, key: str, payload: Any, *, account_id: str, observed: timedelta = timedelta(0)
    ) -> None:
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).digest()
        # Microseconds apart, so that several versions of a record can stand in one run.
        statement = sql.SQL(
            "insert into {} values (%s, 1, %s, %s, clock_timestamp() + %s + %s * interval '1 microsecond', %s, %s)"
        ).format(sql.Identifier("raw", stream))
        self.connection.execute(statement, (run_id, account_id, key, observed, next(numbers), digest, Jsonb(payload)))

    def one(self, query: str, *values: Any) -> Any:
        row = self.connection.execute(query, values).fetchone()
        return row[0] if row else None

    def gate(self, run_id: str) -> str:
        return str(self.one("select gate from ops.extract_runs where run_id = %s", run_id))

    def watermark(self, stream: str, account_id: str = "2414183") -> datetime | None:
        found: datetime | None = self.one(
            "select watermark from ops.cursors where stream = %s and account_id = %s", stream, account_id
        )
        return found


def open_world(environment: Mapping[str, str]) -> Iterator[World]:
    settings = Settings.from_environment(environment)
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        yield World(settings, connection)


@pytest.fixture
def world(warehouse: Mapping[str, str]) -> Iterator[World]:
    yield from open_world(warehouse)


@pytest.fixture(scope="module")
def shared_world(new_database: Callable[[str], dict[str, str]], migrated_template: str) -> Iterator[World]:
    yield from open_world(new_database(migrated_template))
