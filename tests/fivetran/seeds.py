"""The 24 tables of Fivetran's connectors that others published, loaded as a connector would have left them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.conftest import SHARED

FOLDER = SHARED / "data" / "fivetran_seeds"
EXPECTED = FOLDER / "expected_rollup_report.csv"
#: Where the files do not say their connector.
TWITTER = {"account_history", "organic_tweet_report", "tweet", "twitter_user_history"}
CONNECTORS = ("facebook_pages", "instagram_business", "linkedin_pages", "twitter_organic", "youtube_analytics")
#: Connectors load types, the published files are text; some of either, so that both are read.
SOME_TYPES = {
    "created_time": "timestamp with time zone",
    "date": "timestamp",
    "is_story": "boolean",
    "like_count": "bigint",
    "post_clicks": "integer",
}


def table_of(file: Path) -> tuple[str, str]:
    """The connector and the table that a file holds."""
    if file.stem in TWITTER:
        return "twitter_organic", file.stem
    for connector in CONNECTORS:
        prefix = connector.removesuffix("_analytics") + "_"
        if file.stem.startswith(prefix):
            return connector, file.stem.removeprefix(prefix).removesuffix("_data")
    raise ValueError(file.name)


def files() -> Iterator[Path]:
    """The files of the connectors' tables."""
    yield from (file for file in sorted(FOLDER.glob("*.csv")) if file != EXPECTED)


def load(connection: psycopg.Connection[Any], *, types: Mapping[str, str] | None = None) -> int:
    """Load every table into its connector's schema and return how many; columns are text but for the named ones."""
    loaded = 0
    for file in files():
        connector, name = table_of(file)
        with file.open(encoding="utf-8") as opened:
            columns = next(csv.reader(opened))
        relation = sql.Identifier(connector, name)
        typed = (
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL((types or {}).get(column, "text")))
            for column in columns
        )
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(connector)))
        connection.execute(sql.SQL("create table {} ({})").format(relation, sql.SQL(", ").join(typed)))
        with connection.cursor().copy(sql.SQL("copy {} from stdin csv header").format(relation)) as copy:
            copy.write(file.read_bytes())
        loaded += 1
    return loaded


def variables(mode: str, **settings: Any) -> str:
    """The dbt variables that read the connectors' schemas, all for business 1 unless told otherwise."""
    chosen = {"schemas": {name: name for name in CONNECTORS}, "business_id": 1, **settings}
    return json.dumps({"fivetran": chosen, "fivetran_compat": mode})


def expected() -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of what Fivetran's package made of the tables; empty text where NULL."""
    with EXPECTED.open(encoding="utf-8") as opened:
        reader = csv.DictReader(opened)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows
