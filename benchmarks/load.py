r"""Records in memory to raw, with the comparison against the last version, beside psql's \copy of the same bytes."""

from __future__ import annotations

import random
import statistics
import subprocess
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.measure import Figure, timed
from extractors import ledger
from extractors.load import Page, land
from extractors.migrate import RAW_TABLE, migrate
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Record
from extractors.strict_json import storable_row
from local import postgres

ROUNDS = 3
STREAM = PLATFORMS["twitter"].stream("posts")
ACCOUNT = Account(business_id=1, platform="twitter", account_id="1", credential="bench", timezone="UTC")


def records(count: int, likes: int = 0) -> list[Record]:
    """Posts of about 600 bytes, in the shape the platform sends."""
    random.seed(7)
    words = ["data", "pipeline", "launch", "tower", "#analytics", "team", "results", "🚀", "now", "über"]
    found = []
    for number in range(count):
        key = str(1_800_000_000_000_000_000 + number * 7919)
        metrics = {"like_count": likes + number % 97, "reply_count": number % 7, "retweet_count": number % 11}
        metrics |= {"quote_count": 0, "bookmark_count": number % 5, "impression_count": 1000 + number}
        text = " ".join(random.choices(words, k=30))
        payload = {"id": key, "text": text, "created_at": "2026-10-05T08:30:00.000Z", "author_id": "1", "lang": "en"}
        payload |= {"public_metrics": metrics, "conversation_id": key, "edit_history_tweet_ids": [key]}
        found.append(Record(key, payload))
    return found


def measure(server: postgres.Server, rows: int) -> list[Figure]:
    r"""Return rows per second of the loader and of \copy, medians of three rounds."""
    environment = server.environment("postgres")
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("create database load_bench")
    environment["PGDATABASE"] = "load_bench"
    settings = Settings.from_environment(environment)
    migrate(settings)
    new, changed = records(rows), records(rows, likes=1)
    limit = statistics.median(_copy_rate(settings, new) for _ in range(ROUNDS))
    figures = [Figure(what=f"psql \\copy, {rows:,} records", value=limit, unit="rows/s", ratio=1.0, against="itself")]
    for page_size in (100, 5_000):
        rates = [_load_rates(settings, page_size, new, changed) for _ in range(ROUNDS)]
        for name, column in (("new", 0), ("unchanged", 1), ("changed", 2)):
            rate = statistics.median(each[column] for each in rates)
            what = f"load, {name} records, pages of {page_size:,}"
            figures.append(Figure(what=what, value=rate, unit="rows/s", ratio=rate / limit, against="psql \\copy"))
    return figures


def _copy_rate(settings: Settings, new: Sequence[Record]) -> float:
    r"""\copy of the same rows, hashes ready, into a table of the same shape."""
    with settings.warehouse.connect() as connection:
        connection.execute("drop table if exists raw.limit_of_copy")
        connection.execute(RAW_TABLE.format(name="limit_of_copy"))
        connection.execute("create index on raw.limit_of_copy (run_id)")
    run_id, now = uuid.uuid4(), datetime.now(UTC)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "rows.tsv"
        with path.open("w", encoding="utf-8") as file:
            for record in new:
                row = storable_row(record.payload)
                text = row.text.replace("\\", "\\\\")
                file.write(f"{run_id}\t1\t1\t{record.key}\t{now.isoformat()}\t\\\\x{row.digest.hex()}\t{text}\n")
        command = [str(postgres.client("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c"]
        with timed() as watch:
            subprocess.run(
                [*command, f"\\copy raw.limit_of_copy from '{path}'"], env=settings.warehouse.environment(), check=True
            )
    return len(new) / watch.seconds


def _load_rates(
    settings: Settings, page_size: int, new: Sequence[Record], changed: Sequence[Record]
) -> tuple[float, float, float]:
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        connection.execute("truncate raw.twitter__posts, ops.extract_runs, ops.cursors, ops.quarantine cascade")
        connection.execute("insert into ops.businesses values (1, 'bench', 'UTC') on conflict do nothing")
        connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential) "
            "values (1, 'twitter', '1', 'bench') on conflict do nothing"
        )
        first, second, third = (_land(connection, page_size, batch) for batch in (new, new, changed))
    return first, second, third


def _land(connection: psycopg.Connection, page_size: int, batch: Sequence[Record]) -> float:
    now = datetime.now(UTC)
    lease = ledger.open_run(connection, ACCOUNT, STREAM, as_of=now, since=None, until=now).lease
    with timed() as watch:
        for start in range(0, len(batch), page_size):
            part = batch[start : start + page_size]
            land(
                connection, lease, Page(records=part, observed_at=datetime.now(UTC), next_cursor={}, calls=1, retries=0)
            )
    ledger.complete(connection, lease)
    connection.execute("analyze raw.twitter__posts")
    return len(batch) / watch.seconds
