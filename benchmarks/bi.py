"""BI's typical questions (one business, one platform, 90 days) on the marts, beside the same on core.

The marts are asked by a BI login through its security views; core is asked by the owner, in the best SQL we know, and
once more through the marts' own definitions over it, as it would be without anything materialized.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from benchmarks.bi_questions import QUESTIONS
from benchmarks.measure import Figure, timed
from extractors.settings import Settings

ROLE = "bi_bench"
BUSINESS = 1
TIMES = 100
ZONE = "select timezone from core.dim_businesses where business_id = %s"


def parameters(today: date) -> dict[str, object]:
    """What the questions are asked with: the 90 days up to today.

    Of the columns' own types, as BI tools send them: comparisons across types are not leakproof, and a security barrier
    lets only those reach the index that are.
    """
    since = today - timedelta(days=89)
    return {"business": BUSINESS, "since": since, "until": today, "since_local": datetime.combine(since, time())}


def measure_bi(settings: Settings, now: datetime) -> Iterator[Figure]:
    """Yield the 95th percentile of each question on the marts, and how many times faster it is than on core."""
    with settings.warehouse.connect() as owner:
        owner.autocommit = True
        (zone,) = owner.execute(ZONE, (BUSINESS,)).fetchone() or ("UTC",)
        values = parameters(now.astimezone(ZoneInfo(zone)).date())
        with _login(settings, owner) as reader:
            for question in QUESTIONS:
                marts = _p95(reader, question.of_marts, values)
                for what, query in (
                    ("SQL over core", question.of_core),
                    ("the mart's definition", question.of_marts.replace("marts.", "candidate.")),
                ):
                    core = _p95(owner, query, values)
                    yield Figure(
                        what=f"BI, {question.name}, p95", value=marts * 1000, unit="ms", ratio=core / marts,
                        against=f"times faster than {what} ({core * 1000:,.1f} ms)",
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


def _p95(connection: psycopg.Connection, query: str, values: dict[str, object]) -> float:
    """The 95th percentile in seconds, the rows fetched; the first two are to warm up."""
    taken = []
    for _ in range(TIMES + 2):
        with timed() as watch:
            connection.execute(query.encode(), values).fetchall()
        taken.append(watch.seconds)
    return statistics.quantiles(taken[2:], n=20)[-1]
