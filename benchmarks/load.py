r"""Records in memory to raw, with the comparison against the last version, beside psql's \copy of the same bytes.

What is compared. The loader is given Python dicts: it encodes them canonically, hashes them, compares them with the
last version, inserts what changed and moves the run's cursor and ledger line, one transaction per page. `\copy` is
given a file of the very rows the loader writes (run, tenant, account, key, instant, hash, canonical payload, in key
order; made before the clock starts) and only stores them, in one transaction, into a table of the same shape with the
same indexes and partitions, without last versions. The second limit is \copy with one transaction per page, all from
one psql. Ratios are medians of rounds in which the limit and the loader run directly after each other, each on a server
that has written down what the other left in its memory, and vacuums nobody's rows while another's clock runs.
"""

from __future__ import annotations

import random
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psycopg

from benchmarks import peers
from benchmarks.measure import Figure, settle, timed, unvacuumed
from extractors import ledger, partitions
from extractors.load import land
from extractors.migrate import RAW_TABLE, migrate
from extractors.pages import Page
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Record
from extractors.strict_json import storable_row
from local import postgres

ROUNDS = 5
#: The last one is what stands beside dlt, which merges all records as one package.
PAGE_SIZES = (25, 100, 1_000, 5_000, 20_000)
#: Small pages are mostly commits: a fifth of the records says as much.
SMALL, SMALL_SHARE = 100, 5
STREAM = PLATFORMS["twitter"].stream("posts")
ACCOUNT = Account(business_id=1, platform="twitter", account_id="1", credential="bench", timezone="UTC")
COPY = r"psql \copy"


@dataclass(frozen=True, slots=True)
class Round:
    """Rows per second of one round: the limits and the loader, one after the other."""

    bulk: float
    paged: float
    new: float
    unchanged: float
    changed: float


def records(count: int, likes: int = 0) -> list[Record]:
    """Posts of about 500 bytes, in the shape the platform sends."""
    random.seed(7)
    return [_record(number, likes) for number in range(count)]


def stream_of_records(count: int) -> Iterator[Record]:
    """The same, one at a time, so that none is kept."""
    random.seed(7)
    return (_record(number, 0) for number in range(count))


def _record(number: int, likes: int) -> Record:
    words = ["data", "pipeline", "launch", "tower", "#analytics", "team", "results", "🚀", "now", "über"]
    key = str(1_800_000_000_000_000_000 + number * 7919)
    metrics = {"like_count": likes + number % 97, "reply_count": number % 7, "retweet_count": number % 11}
    metrics |= {"quote_count": 0, "bookmark_count": number % 5, "impression_count": 1000 + number}
    text = " ".join(random.choices(words, k=30))
    payload = {"id": key, "text": text, "created_at": "2026-10-05T08:30:00.000Z", "author_id": "1", "lang": "en"}
    payload |= {"public_metrics": metrics, "conversation_id": key, "edit_history_tweet_ids": [key]}
    return Record(key, payload)


def prepare(server: postgres.Server, database: str) -> Settings:
    """A migrated database with the one account of this benchmark."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute(f"create database {database}")
    settings = Settings.from_environment(server.environment(database))
    migrate(settings)
    with settings.warehouse.connect() as connection:
        connection.execute("insert into ops.businesses values (1, 'bench', 'UTC')")
        connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential) "
            "values (1, 'twitter', '1', 'bench')"
        )
    return settings


def measure(server: postgres.Server, rows: int) -> list[Figure]:
    r"""Return the rates of the loader per page size beside \copy, and of dlt's merge of the same records."""
    settings = prepare(server, "load_bench")
    figures: list[Figure] = []
    with unvacuumed(server):
        for page_size in PAGE_SIZES:
            count = rows // SMALL_SHARE if page_size <= SMALL else rows
            new, changed = records(count), records(count, likes=1)
            rounds = [_round(settings, page_size, new, changed) for _ in range(ROUNDS)]
            figures += _figures(page_size, rounds)
        new = records(rows)
        figures += peers.dlt_merge(settings, new, lambda: _new_rate(settings, PAGE_SIZES[-1], new))
    return figures


def _figures(page_size: int, rounds: Sequence[Round]) -> Iterator[Figure]:
    pages = f"pages of {page_size:,}"
    for what, ours, limit, against in (
        (f"{COPY}, one transaction", "bulk", "bulk", "itself"),
        (f"{COPY}, {pages}", "paged", "bulk", f"{COPY}, one transaction"),
        (f"load, new records, {pages}", "new", "bulk", f"{COPY}, one transaction"),
        (f"load, new records, {pages}", "new", "paged", f"{COPY}, {pages}"),
        (f"load, unchanged records, {pages}", "unchanged", "bulk", f"{COPY}, one transaction"),
        (f"load, changed records, {pages}", "changed", "bulk", f"{COPY}, one transaction"),
    ):
        rate = median(getattr(each, ours) for each in rounds)
        ratio = median(getattr(each, ours) / getattr(each, limit) for each in rounds)
        yield Figure(what=what, value=rate, unit="rows/s", ratio=ratio, against=against)


def _round(settings: Settings, page_size: int, new: Sequence[Record], changed: Sequence[Record]) -> Round:
    bulk, paged = _copy_rate(settings, new, len(new)), _copy_rate(settings, new, page_size)
    with _emptied(settings) as connection:
        first, second, third = (_land(settings, connection, page_size, batch) for batch in (new, new, changed))
    return Round(bulk, paged, first, second, third)


def _new_rate(settings: Settings, page_size: int, new: Sequence[Record]) -> float:
    with _emptied(settings) as connection:
        return _land(settings, connection, page_size, new)


@contextmanager
def _emptied(settings: Settings) -> Iterator[psycopg.Connection]:
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        connection.execute("truncate raw.twitter__posts, ops.extract_runs, ops.cursors, ops.quarantine cascade")
        yield connection


def _copy_rate(settings: Settings, new: Sequence[Record], page_size: int) -> float:
    r"""Rows per second of \copy from a script of one psql, a transaction per page, hashes ready."""
    with settings.warehouse.connect() as connection:
        connection.execute("drop table if exists raw.limit_of_copy")
        connection.execute(RAW_TABLE.format(name="limit_of_copy"))
        connection.execute("create index on raw.limit_of_copy (run_id)")
        partitions.prepare(connection, ["limit_of_copy"])
    with TemporaryDirectory() as directory:
        script = Path(directory) / "rows.psql"
        with script.open("w", encoding="utf-8") as file:
            for start in range(0, len(new), page_size):
                file.write("\\copy raw.limit_of_copy from stdin\n")
                file.writelines(_lines(new[start : start + page_size]))
                file.write("\\.\n")
        settle(settings)
        command = [str(postgres.client("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        with timed() as watch:
            subprocess.run(command, env=settings.warehouse.environment(), check=True)
    return len(new) / watch.seconds


def _lines(new: Sequence[Record]) -> Iterator[str]:
    run_id, now = uuid.UUID(int=7), datetime.now(UTC).isoformat()
    for record in new:
        row = storable_row(record.payload)
        text = row.text.replace("\\", "\\\\")
        yield f"{run_id}\t1\t1\t{record.key}\t{now}\t\\\\x{row.digest.hex()}\t{text}\n"


def _land(settings: Settings, connection: psycopg.Connection, page_size: int, batch: Sequence[Record]) -> float:
    now = datetime.now(UTC)
    lease = ledger.open_run(connection, ACCOUNT, STREAM, as_of=now, since=None, until=now).lease
    settle(settings)
    with timed() as watch:
        for start in range(0, len(batch), page_size):
            land(connection, lease, page_of(batch[start : start + page_size]))
    ledger.complete(connection, lease)
    connection.execute("analyze raw.twitter__posts")
    return len(batch) / watch.seconds


def page_of(part: Sequence[Record]) -> Page:
    """A page as one call would have brought it just now."""
    return Page(records=part, observed_at=datetime.now(UTC), next_cursor={}, calls=1, retries=0)
