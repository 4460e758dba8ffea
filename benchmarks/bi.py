"""BI's typical questions (one business, one platform, 90 days) on the marts, beside the same on core.

The marts are asked by a BI login through its security views; core is asked by the owner through the candidate views,
which are the marts' own definitions over core.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Iterator
from datetime import datetime, time, timedelta

import psycopg
from psycopg import sql

from benchmarks.measure import Figure, timed
from extractors.settings import Settings

ROLE = "bi_bench"
BUSINESS = 1
ASKED, ASKED_OF_CORE = 100, 20
QUERIES = {
    "posts of 90 days": "select * from {schema}.post_performance where business_id = %(business)s and platform ="
    " 'twitter' and published_at_local >= %(since_local)s order by published_at_local desc",
    "summaries": "select * from {schema}.analytics_summaries where business_id = %(business)s and platform = 'twitter'"
    " and period = 'day' and period_start >= %(since)s order by period_start",
    "trends": "select period_start, sum(engagement), sum(impressions) from {schema}.analytics_summaries where"
    " business_id = %(business)s and platform = 'all' and period = 'week' and period_start >= %(since)s group by 1"
    " order by 1",
    "top posts": "select * from {schema}.top_posts where business_id = %(business)s and platform = 'twitter' and"
    " window_days = 90 and metric = 'engagement' order by rank",
    "overview": "select * from {schema}.engagement_overview where business_id = %(business)s and window_days = 90",
}


def measure_bi(settings: Settings, now: datetime) -> Iterator[Figure]:
    """Yield the 95th percentile of each query on the marts, and how many times faster it is than on core."""
    # Of the column's own type, as BI tools send it: comparisons across types are not leakproof, and a security barrier
    # lets only those reach the index that are.
    since = now.date() - timedelta(days=90)
    values = {"business": BUSINESS, "since": since, "since_local": datetime.combine(since, time())}
    with settings.warehouse.connect() as owner:
        owner.autocommit = True
        with _login(settings, owner) as reader:
            for name, query in QUERIES.items():
                marts = _p95(reader, query.format(schema="marts"), values, ASKED)
                core = _p95(owner, query.format(schema="candidate"), values, ASKED_OF_CORE)
                yield Figure(
                    what=f"BI, {name}, p95", value=marts * 1000, unit="ms", ratio=core / marts,
                    against=f"times faster than core ({core * 1000:,.0f} ms)",
                )  # fmt: skip


def _login(settings: Settings, owner: psycopg.Connection) -> psycopg.Connection:
    password = secrets.token_urlsafe(12)
    role = sql.Identifier(ROLE)
    owner.execute(sql.SQL("drop role if exists {}").format(role))
    owner.execute(sql.SQL("create role {} login password {}").format(role, sql.Literal(password)))
    owner.execute(sql.SQL("grant usage on schema marts to {}").format(role))
    owner.execute(sql.SQL("grant select on all tables in schema marts to {}").format(role))
    owner.execute("insert into ops.tenant_grants (role_name, business_id) values (%s, %s)", (ROLE, BUSINESS))
    environment = settings.warehouse.environment() | {"PGUSER": ROLE, "PGPASSWORD": password}
    reader = Settings.from_environment(environment).warehouse.connect()
    reader.autocommit = True
    return reader


def _p95(connection: psycopg.Connection, query: str, values: dict[str, object], times: int) -> float:
    """The 95th percentile in seconds, the rows fetched; the first two are to warm up."""
    taken = []
    for _ in range(times + 2):
        with timed() as watch:
            connection.execute(query.encode(), values).fetchall()
        taken.append(watch.seconds)
    return statistics.quantiles(taken[2:], n=20)[-1]
