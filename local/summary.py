"""What a demo ends with: the numbers that show it worked, in words for somebody who sees it for the first time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import requests
from psycopg import sql

from extractors.registry import PLATFORMS
from local.layout import Layout, relative
from local.postgres import Server
from local.stack import Stack

Row = tuple[Any, ...]
WAREHOUSE = "warehouse"
LAYERS = ("raw", "core", "marts")
# One row per run that was built: it grows though nothing on the platforms changed.
BOOKKEEPING = "loaded_runs"

RELATIONS = """
select table_name
from information_schema.tables
where table_schema = %s and table_type in ('BASE TABLE', 'VIEW') and table_name <> %s
order by table_name
"""
RUNS = """
select
    count(distinct (platform, account_id)) as accounts,
    coalesce(sum(stored), 0) as stored,
    coalesce(sum(unchanged), 0) as unchanged,
    coalesce(sum(quarantined), 0) as quarantined
from ops.extract_runs
where started_at >= %s
"""
TOP_POST = """
select post.platform, business.name, post.published_at_local, ranked.value, post.text, post.permalink
from marts.top_posts as ranked
inner join marts.post_performance as post using (business_id, post_id)
inner join ops.businesses as business using (business_id)
where ranked.platform = 'all' and ranked.window_days = 90 and ranked.metric = 'engagement' and ranked.rank = 1
order by ranked.value desc
limit 1
"""
# The best evidence first: a recommendation before a leaning, a leaning before "not enough yet".
BEST_TIMES = """
select distinct on (business.business_id)
    business.name, business.timezone, advice.platform, advice.label, advice.verdict, advice.evidence
from marts.best_time_recommendations as advice
inner join ops.businesses as business using (business_id)
where advice.rank = 1
order by
    business.business_id,
    array_position(array['recommend', 'weak', 'no_evidence', 'insufficient_data'], advice.verdict),
    advice.lift desc nulls last,
    advice.platform
"""


BEFORE = """
select clock_timestamp(), max(extract(day from %s - watermark))::integer, max(watermark)
from ops.cursors
where stream in ('facebook__account_daily', 'instagram__account_daily')
"""
# The simulator's names for the series whose number of calls follows from how many days are asked for.
DATED_READS = {
    "facebook_days": ("facebook", "page_insights"),
    "instagram_series": ("instagram", "series"),
    "instagram_totals": ("instagram", "totals"),
    "instagram_follows": ("instagram", "follows"),
}


@dataclass(frozen=True, slots=True)
class Story:
    """What was so before the pipeline ran: when that was, the days since the last read and its end, None if none."""

    began_at: datetime
    days_since: int | None
    read_until: datetime | None = None


def before(server: Server, now: datetime, database: str = WAREHOUSE) -> Story:
    """Return the database's clock, and how long before `now` the platforms were last read."""
    with _connect(server, database) as connection:
        row = connection.execute(BEFORE, (now,)).fetchone()
    assert row is not None  # noqa: S101 - this query always has one row
    return Story(*row)


def days_asked(story: Story) -> dict[str, int]:
    """Return how many days of each dated series the engine's own windows ask for; the fewest calls depend on it."""
    asked = {}
    for name, (platform, read_name) in DATED_READS.items():
        streams = PLATFORMS[platform].streams
        window = next(read.window for stream in streams for read in stream.reads if read.name == read_name)
        assert window is not None, read_name  # noqa: S101 - the engine's own definition
        back = window.history if story.days_since is None else min(window.lookback + story.days_since, window.oldest)
        asked[name] = back - window.lag
    return asked


def text(stack: Stack, story: Story, stages: Mapping[str, float]) -> str:
    """Return the closing summary."""
    with _connect(stack.server, WAREHOUSE) as connection:
        parts = [
            "",
            "=" * 78,
            "The demo is done: four platforms were read, checked, transformed and reported.",
            "=" * 78,
            *_layers(connection, story),
            *_findings(connection),
            *_calls(stack, story),
            "\nReports",
            *files(stack.layout),
            *_ways_to_look(stack.layout),
            *_stages(stages),
        ]
    return "\n".join(parts)


def _layers(connection: psycopg.Connection[Row], story: Story) -> Iterator[str]:
    yield "\nRows in the warehouse"
    for layer in LAYERS:
        names = [row[0] for row in connection.execute(RELATIONS, (layer, BOOKKEEPING))]
        total = sum(_count(connection, layer, name) for name in names)
        yield f"  {layer:<6} {total:>9,} rows in {len(names)} tables"
    accounts, stored, unchanged, quarantined = connection.execute(RUNS, (story.began_at,)).fetchone() or (0, 0, 0, 0)
    counts = f"{stored:,} inserted, {unchanged:,} unchanged, {quarantined:,} quarantined"
    yield f"  This run read {accounts} accounts: {counts}."
    if not stored:
        yield "  Nothing has changed on the platforms since the last run, so nothing was added."


def _findings(connection: psycopg.Connection[Row]) -> Iterator[str]:
    yield "\nWhat the data says"
    for platform, business, published, value, words, permalink in connection.execute(TOP_POST):
        yield f"  Top post of 90 days: {business} on {platform}, {published:%Y-%m-%d %H:%M}, {value:,.0f} engagements"
        yield f"    {one_line(words)}"
        yield f"    {one_line(permalink)}"
    for name, zone, platform, label, verdict, evidence in connection.execute(BEST_TIMES):
        yield f"  Best time for {name}: {platform}, {f'{label} ({zone})' if label else 'not known'}: {verdict}"
        yield f"    {evidence}"


def _calls(stack: Stack, story: Story) -> Iterator[str]:
    session = requests.Session()
    session.trust_env = False
    address = f"{stack.simulator}/_simulator"
    made = _per_platform(session.get(f"{address}/calls", timeout=30).json())
    first = "true" if story.days_since is None else "false"
    question = {"first_run": first, **{name: str(days) for name, days in days_asked(story).items()}}
    if story.read_until is not None:
        question["before"] = story.read_until.isoformat()
    fewest = session.get(f"{address}/minimum", params=question, timeout=30).json()
    yield "\nCalls to the platforms (made / fewest possible)"
    for platform, minimum in fewest.items():
        yield f"  {platform:<10} {made.get(platform, 0):>5} / {minimum}"


def _per_platform(calls: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for call in calls["calls"] if isinstance(calls, dict) else calls:
        counts[call["platform"]] = counts.get(call["platform"], 0) + 1
    return counts


def files(layout: Layout) -> list[str]:
    """Return a line per exported file, with the manifest's count of rows."""
    found = []
    for manifest in sorted(layout.exports.rglob("*.manifest.json")):
        rows = json.loads(manifest.read_text())["rows"]
        found += [f"  {relative(file)}" for file in sorted(manifest.parent.iterdir()) if file != manifest]
        found.append(f"  {relative(manifest)}  ({rows} rows)")
    return found


def one_line(words: str | None) -> str:
    """Return the beginning of a post's text; it may hold anything, also what a terminal would obey."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in words or "").split())
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


def _ways_to_look(layout: Layout) -> Iterator[str]:
    yield "\nLook around"
    yield "  .venv/bin/python -m local psql -c 'select * from marts.platform_comparison'"
    yield "  make up        the same stack kept running, with Airflow's UI"
    yield f"  {relative(layout.data_docs)}/   what Great Expectations checked, as HTML"


def _stages(stages: Mapping[str, float]) -> Iterator[str]:
    yield "\nTime"
    for name, seconds in stages.items():
        yield f"  {name:<32} {seconds:6.1f} s"


def _count(connection: psycopg.Connection[Row], schema: str, name: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _connect(server: Server, database: str) -> psycopg.Connection[Row]:
    login = server.environment(database)
    return psycopg.connect(
        host=login["PGHOST"], port=login["PGPORT"], user=login["PGUSER"], password=login["PGPASSWORD"],
        dbname=login["PGDATABASE"], autocommit=True, options="-c timezone=UTC",
    )  # fmt: skip
