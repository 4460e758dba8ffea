"""Great Expectations at the border of the marts: what is about to be published, judged beside what usually is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from extractors.errors import PipelineError, WarehouseUnavailable
from extractors.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult

#: Outside of this share of the usual number of rows nothing is published until a person accepts it.
BAND = (0.5, 2.0)
LOOK = "see docs/runbook.md#publication"

# One row per mart, business and platform; where nothing is usual yet there is nothing to compare with.
MEASURES = "select mart_name, business_id, platform, number_of_rows, share_of_usual from candidate.mart_measures"
# One row per mart: an empty one is no fault where nothing was ever published of it.
RELATIONS = """
select views.viewname::text, tables.ispopulated is not null
from pg_catalog.pg_views as views
left join pg_catalog.pg_matviews as tables on tables.schemaname = 'publish' and tables.matviewname = views.viewname
where views.schemaname = 'candidate' and views.viewname <> 'mart_measures'
order by views.viewname
"""
UNEXPLAINED = """
select run_id::text, stream, account_id, business_id, unexplained::bigint from candidate.reconciliation
where unexplained <> 0
union all
select run_id::text, stream || ' ' || metric, account_id, business_id, unexplained from candidate.reconciliation_totals
where unexplained <> 0
"""
REFUSE = """
insert into ops.publications (invocation_id, outcome, reason, ended_at)
values ('expectations', 'refused', %s, clock_timestamp())
"""
ACCEPT = """
insert into ops.mart_measures (publication_id, mart_name, business_id, platform, number_of_rows, is_accepted)
select (select max(publication_id) from ops.publications), mart_name, business_id, platform, number_of_rows, true
from candidate.mart_measures
where business_id = %s and (share_of_usual < %s or share_of_usual > %s)
on conflict (mart_name, business_id, platform, publication_id) do update
set number_of_rows = excluded.number_of_rows, is_accepted = true, measured_at = clock_timestamp()
"""


class MartsRefused(PipelineError):
    """The marts that were built may not be published; the last publication stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How much was looked at and found right."""

    marts: int
    measures: int


def audit(settings: Settings, *, docs_dir: Path | None = None) -> Judgement:
    """Judge the candidates of all marts: non-empty, within the band, every difference reconciled.

    Raises MartsRefused, having written the reason down for data_freshness, and WarehouseUnavailable.
    """
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        try:
            frames = _frames(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise WarehouseUnavailable(
                "the candidates of the marts are not there", "run `dbt build --vars 'publish: false'` first"
            ) from None
        shown = _validated(frames)
        if docs_dir is not None:
            from expectations.docs import write  # seconds of import

            write(docs_dir, {f"border__{name}": result for name, result in shown.items()}, datetime.now(UTC))
        lines = _failures(shown, frames)
        if lines:
            reason = f"the border of the marts refused: {'; '.join(lines[:5])}"
            connection.execute(REFUSE, (reason,))
            raise MartsRefused(reason, f"the last publication stands; {LOOK}")
    return Judgement(marts=len(frames["marts"]), measures=len(frames["mart_measures"]))


def last_refusal(settings: Settings) -> str:
    """Return why the last attempt to publish came to nothing."""
    with closing(settings.warehouse.connect()) as connection:
        row = connection.execute("select reason from ops.publications order by publication_id desc limit 1").fetchone()
    return str(row[0]) if row and row[0] else "nothing was published; the log of dbt says why"


def accept(settings: Settings, business_id: int) -> int:
    """Take the present sizes of a business's marts for right; return how many were outside of the band."""
    with closing(settings.warehouse.connect()) as connection, connection:
        return connection.execute(ACCEPT, (business_id, *BAND)).rowcount


def _frames(connection: psycopg.Connection[Any]) -> dict[str, pd.DataFrame]:
    import pandas as pd  # seconds of import, as Great Expectations

    def frame(query: str, names: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame(connection.execute(query.encode()).fetchall(), columns=list(names))

    marts = frame(RELATIONS, ("mart_name", "is_published"))
    marts["lost_rows"] = [
        int(published and _filled(connection, "publish", name) and not _filled(connection, "candidate", name))
        for name, published in marts.to_numpy()
    ]
    measures = frame(MEASURES, ("mart_name", "business_id", "platform", "number_of_rows", "share_of_usual"))
    measures["share_of_usual"] = measures["share_of_usual"].astype("float64")
    names = ("run_id", "stream", "account_id", "business_id", "unexplained")
    return {"marts": marts, "mart_measures": measures, "reconciliation": frame(UNEXPLAINED, names)}


def _filled(connection: psycopg.Connection[Any], schema: str, name: str) -> bool:
    query = sql.SQL("select exists(select from {})").format(sql.Identifier(schema, name))
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _validated(frames: dict[str, pd.DataFrame]) -> dict[str, ExpectationSuiteValidationResult]:
    """Return what each suite says of its frame."""
    import great_expectations.expectations as gxe
    from great_expectations.core import ExpectationSuite

    from expectations.validation import RESULT_FORMAT, datasource

    low, high = BAND
    suites = {
        "marts": [
            gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="there are marts to publish"),
            gxe.ExpectColumnValuesToBeInSet(
                column="lost_rows", value_set=[0], notes="a mart that has rows is not published empty"
            ),
        ],
        "mart_measures": [
            gxe.ExpectColumnValuesToBeBetween(
                column="share_of_usual", min_value=low, max_value=high,
                notes="no business has half or twice its usual rows",
            ),
        ],
        "reconciliation": [
            gxe.ExpectTableRowCountToEqual(value=0, notes="every difference of every run has a reason"),
        ],
    }  # fmt: skip
    found = {}
    for name, expectations in suites.items():
        batch = datasource().add_dataframe_asset(name).add_batch_definition_whole_dataframe("candidates")
        suite = ExpectationSuite(name=name, expectations=expectations)
        result_format = {key: value for key, value in RESULT_FORMAT.items() if key != "unexpected_index_column_names"}
        found[name] = batch.get_batch({"dataframe": frames[name]}).validate(suite, result_format=result_format)
    return found


def _failures(shown: dict[str, ExpectationSuiteValidationResult], frames: dict[str, pd.DataFrame]) -> list[str]:
    """Return one line per row that does not meet its expectation, in plain words."""
    failed = {name for name, result in shown.items() if not result.success}
    lines = []
    if "marts" in failed:
        marts = frames["marts"]
        lost = marts[marts["lost_rows"] == 1]
        lines += [f"{mart} would be empty" for mart in lost["mart_name"]] or ["there is no mart"]
    if "mart_measures" in failed:
        measures = frames["mart_measures"]
        outside = measures[(measures["share_of_usual"] < BAND[0]) | (measures["share_of_usual"] > BAND[1])]
        lines += [
            f"{row.mart_name} of business {row.business_id} on {row.platform} has {row.number_of_rows} rows, "
            f"{row.share_of_usual:.2f} times the usual"
            for row in outside.itertuples()
        ]
    if "reconciliation" in failed:
        lines += [
            f"{row.unexplained} record(s) of {row.stream}, account {row.account_id} of business {row.business_id}, "
            f"run {row.run_id}, are missing without a reason"
            for row in frames["reconciliation"].itertuples()
        ]
    return lines
