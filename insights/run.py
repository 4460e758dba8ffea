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
from core.fct_posts
where engagement is not null and impressions > 0
    and published_at <= (select as_of from core.as_of) - make_interval(days => %(maturity_days)s)
order by business_id, platform, published_at, post_key
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


def run(settings: Settings) -> Written:
    """Recompute all statistics. Raises ConfigurationError while core is not built, WarehouseUnavailable."""
    with closing(settings.warehouse.connect()) as connection, connection.transaction():
        posts = _posts(connection)
        found = {name: pd.DataFrame() for name in TABLES}
        for platform in sorted(set(posts["platform"])):
            for name, frame in _platform(posts[posts["platform"] == platform]).items():
                found[name] = pd.concat([found[name], frame], ignore_index=True)
        rows = {name: _replace(connection, name, found[name]) for name in TABLES}
    return Written(rows, posts.groupby(["business_id", "platform"]).ngroups)


def _posts(connection: psycopg.Connection[Any]) -> pd.DataFrame:
    try:
        cursor = connection.execute(POSTS, {"maturity_days": MATURITY_DAYS})
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise ConfigurationError(
            "core.fct_posts does not exist yet", "build it: dbt build --select staging intermediate core"
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


def _replace(connection: psycopg.Connection[Any], name: str, frame: pd.DataFrame) -> int:
    """Replace a table's rows; readers see the old ones until the transaction ends."""
    table, columns = sql.Identifier("core", name), ("business_id", "platform", *TABLES[name])
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
