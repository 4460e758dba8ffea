"""Statistics of every business and platform, from core into core, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pandas as pd
import psycopg
from psycopg import sql

from extractors.errors import ConfigurationError
from extractors.settings import Settings
from insights import best_times, hashtags

#: A post's numbers have mostly settled by then; younger ones are held back, or every recent slot would look weak.
MATURITY_DAYS = 7

POSTS = """
select
    business_id, platform, account_id as account, content_type, published_at, published_weekday as weekday,
    published_hour as hour, engagement::float8 as engagement, impressions::float8 as impressions, hashtags
from {posts}
where engagement is not null and impressions > 0
    and published_at <= (select as_of from {instants}) - make_interval(days => %(maturity_days)s)
order by business_id, platform, published_at, post_key
"""

LIVE, REBUILT = "core", "as_of_core"
# Asked in the words that dbt was asked in: an instant, or a publication by its number.
IS_REBUILT = """
select
    present.known_at::text,
    present.known_at = coalesce(
        (select known_at from ops.publications where 'publication ' || publication_id = %(asked)s),
        ops.instant_of(%(asked)s)
    )
from as_of_core.as_of as present
"""

SLOTS = (
    "weekday", "hour", "posts", "lift", "lift_low", "lift_high", "lift_low_95", "lift_high_95", "probability_better",
    "verdict", "p_value", "posts_judged", "more_posts",
)  # fmt: skip
RECOMMENDATIONS = ("rank", "weekday", "hour", "label", "lift", "verdict", "evidence")
LIFTS = ("hashtag", "lift", "lift_low", "lift_high", "p_value", "q_value", "verdict")
TABLES = {"fct_time_slots": SLOTS, "fct_time_recommendations": RECOMMENDATIONS, "fct_hashtag_lifts": LIFTS}
INTEGERS = frozenset({"weekday", "hour", "posts", "posts_judged", "more_posts", "rank"})


@dataclass(frozen=True, slots=True)
class Written:
    """Rows written by table, and the businesses times platforms they are about."""

    rows: dict[str, int]
    judged: int


def run(settings: Settings, as_of: str = "") -> Written:
    """Recompute all statistics, or those of the core rebuilt as known at `as_of`: an instant, or `publication 17`.

    Raises ConfigurationError while core is not built, or rebuilt as of something else, and WarehouseUnavailable.
    """
    with closing(settings.warehouse.connect()) as connection, connection.transaction():
        schema = _rebuilt(connection, as_of) if as_of else LIVE
        posts = _posts(connection, schema)
        found = {name: pd.DataFrame() for name in TABLES}
        for platform in sorted(set(posts["platform"])):
            for name, frame in _platform(posts[posts["platform"] == platform]).items():
                found[name] = pd.concat([found[name], frame], ignore_index=True)
        if schema == LIVE:
            connection.execute("insert into ops.statistics_runs (known_at) select known_at from core.as_of")
        rows = {name: _replace(connection, sql.Identifier(schema, name), name, found[name]) for name in TABLES}
    return Written(rows, posts.groupby(["business_id", "platform"]).ngroups)


def _rebuilt(connection: psycopg.Connection[Any], as_of: str) -> str:
    """Return the schema of the rebuilt core if it is as of this; a core of another instant is left alone."""
    advice = f"build it: dbt build --exclude-resource-type unit_test --vars \"{{as_of: '{as_of}'}}\""
    try:
        row = connection.execute(IS_REBUILT, {"asked": as_of}).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise ConfigurationError("nothing was rebuilt as known at an earlier instant", advice) from None
    if row is None or not row[1]:
        held = row[0] if row else "nothing"
        raise ConfigurationError(f"{REBUILT} holds what was known at {held}, not {as_of}", advice)
    return REBUILT


def _posts(connection: psycopg.Connection[Any], schema: str) -> pd.DataFrame:
    query = sql.SQL(POSTS).format(posts=sql.Identifier(schema, "fct_posts"), instants=sql.Identifier(schema, "as_of"))
    try:
        cursor = connection.execute(query, {"maturity_days": MATURITY_DAYS})
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise ConfigurationError(
            f"{schema}.fct_posts does not exist yet", "build it: dbt build --select staging intermediate core"
        ) from None
    names = [column.name for column in cursor.description or ()]
    return pd.DataFrame(cursor.fetchall(), columns=names)


def _platform(posts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Judge the businesses of one platform, each with what all of them teach."""
    platform = str(posts["platform"].iloc[0])
    groups: dict[Any, pd.DataFrame] = dict(iter(posts.groupby("business_id")))
    times = {business_id: best_times.sample(frame) for business_id, frame in groups.items()}
    tags = {business_id: hashtags.sample(frame) for business_id, frame in groups.items()}
    belief, mixture = best_times.learned(list(times.values())), hashtags.learned(list(tags.values()))
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for business_id in groups:
        # The same posts give the same draws, whatever else is computed beside them.
        seed = crc32(f"{platform}:{business_id}".encode())
        slots = best_times.judged(times[business_id], belief, seed=seed).frame()
        lifts = hashtags.judged(tags[business_id], mixture, seed=seed)
        three = (slots, best_times.recommendations(slots), lifts)
        for name, part in zip(TABLES, three, strict=True):
            parts[name].append(part.assign(business_id=business_id, platform=platform))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _replace(connection: psycopg.Connection[Any], table: sql.Identifier, name: str, frame: pd.DataFrame) -> int:
    """Replace a table's rows; readers see the old ones until the transaction ends."""
    columns = ("business_id", "platform", *TABLES[name])
    connection.execute(sql.SQL("delete from {}").format(table))
    if frame.empty:
        return 0
    copying = sql.SQL("copy {} ({}) from stdin").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor().copy(copying) as copy:
        for row in _rows(frame, columns):
            copy.write_row(row)
    return len(frame)


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    for values in frame[list(columns)].itertuples(index=False, name=None):
        yield tuple(
            None if pd.isna(value) else int(value) if name in INTEGERS else value
            for name, value in zip(columns, values, strict=True)
        )
