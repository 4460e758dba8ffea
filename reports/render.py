"""From a mart to files: one report, one business, one period, on one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from extractors.errors import AlreadyRunning, ConfigurationError, WarehouseUnavailable
from extractors.settings import Settings
from reports.catalog import Report, find_report
from reports.files import MANIFEST, ExportFailed, Written, manifest_bytes, prepared_folder, publish, write_draft
from reports.periods import Period, latest_complete_period, parse_period
from reports.renderers import RENDERERS, Row
from reports.version import code_version

Connection = psycopg.Connection[tuple[Any, ...]]

# A cursor on the server: memory does not grow with the export.
FETCHED_AT_ONCE = 5_000
# How long a writer waits for another one of the same export.
PATIENCE_SECONDS = 60.0
AS_OF = "select as_of from publish.publications where mart_name = %s"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was published: the folder, its files with the manifest last, and the rows of the report."""

    directory: Path
    files: tuple[Path, ...]
    rows: int
    period: str


def render(
    settings: Settings,
    name: str,
    business_id: int,
    period: str | None,
    exports_dir: Path,
    *,
    patience: float = PATIENCE_SECONDS,
) -> Rendered:
    """Write one report of one business below `exports_dir`; without a period, the last one that has ended.

    Rendering again replaces the files; the same data give the same bytes. `patience` is how many seconds to wait while
    another process writes the same export. Raises ConfigurationError for a name, business or period that does not
    exist, WarehouseUnavailable, AlreadyRunning and ExportFailed; after any of them the earlier export is as it was.
    """
    report = find_report(name)
    asked = parse_period(report.period, period) if period is not None else None
    with closing(settings.warehouse.connect()) as connection, _plain_errors(report):
        timezone = _timezone(connection, business_id)
        chosen = asked or latest_complete_period(report.period, settings.now, timezone)
        folder = exports_dir / name / str(business_id) / str(chosen)
        with _only_writer(connection, folder, patience), prepared_folder(folder), _snapshot(connection):
            return _export(connection, settings, report, business_id, chosen, folder)


def _export(
    connection: Connection, settings: Settings, report: Report, business_id: int, period: Period, folder: Path
) -> Rendered:
    filters = {"business_id": business_id, "period": period.kind, "first_day": period.first_day}
    stem = f"{report.name}_{business_id}_{period}"
    drafts, written = [], []
    for extension in report.formats:
        rows = _Counted(_rows(connection, report, {**filters, "day_after": period.day_after}))
        draft = write_draft(folder / f"{stem}.{extension}", RENDERERS[extension](report.columns, rows))
        drafts.append(draft)
        written.append(Written(draft.final.name, extension, rows.count, draft.bytes, draft.sha256))
    facts = {
        "report": report.name,
        "title": report.title,
        "period": str(period),
        "filters": {**filters, "first_day": period.first_day.isoformat()},
        "as_of": _as_of(connection, report, settings).isoformat(),
        "columns": list(report.columns),
        "rows": written[0].rows,
        "version": code_version(),
    }
    manifest = write_draft(folder / f"{stem}{MANIFEST}", [manifest_bytes(facts, written)])
    publish(drafts, manifest)
    return Rendered(folder, (*(draft.final for draft in drafts), manifest.final), written[0].rows, str(period))


@dataclass(slots=True)
class _Counted:
    """Rows that are counted while they pass."""

    rows: Iterable[Row]
    count: int = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            self.count += 1
            yield row


def _rows(connection: Connection, report: Report, parameters: dict[str, Any]) -> Iterator[Row]:
    query = sql.SQL("select {} from {} where business_id = %(business_id)s and ({}) order by {}").format(
        sql.SQL(", ").join(map(sql.Identifier, report.columns)),
        sql.Identifier("marts", report.mart),
        sql.SQL(report.rows),
        sql.SQL(report.order_by),
    )
    with connection.cursor(name="report") as cursor:
        cursor.itersize = FETCHED_AT_ONCE
        cursor.execute(query, parameters)
        yield from cursor


def _timezone(connection: Connection, business_id: int) -> str:
    found = connection.execute("select timezone from ops.businesses where business_id = %s", [business_id]).fetchone()
    connection.rollback()
    if found is None:
        raise ConfigurationError(
            f"there is no business {business_id}", "load it with `python -m extractors accounts load accounts.yml`"
        )
    return str(found[0])


def _as_of(connection: Connection, report: Report, settings: Settings) -> datetime:
    """Return the instant the mart was computed for; a mart that nobody published is as of this run."""
    known = connection.execute("select to_regclass('publish.publications') is not null").fetchone()
    found = connection.execute(AS_OF, [report.mart]).fetchone() if known and known[0] else None
    instant: datetime = found[0] if found else settings.now
    return instant.astimezone(UTC)


@contextmanager
def _only_writer(connection: Connection, folder: Path, patience: float) -> Iterator[None]:
    """Keep other processes, on whatever host, from writing the same export; the lock dies with the connection."""
    key = f"social-analytics export {'/'.join(folder.parts[-3:])}"
    connection.autocommit = True
    try:
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{patience * 1000:.0f}ms"])
        # Before the snapshot is taken: who waited here must not publish older data than the one before.
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])
    except psycopg.errors.LockNotAvailable:
        raise AlreadyRunning(f"another process is writing {folder}", "wait for it, then try again") from None
    yield


@contextmanager
def _snapshot(connection: Connection) -> Iterator[None]:
    """Read everything as of one instant, and write nothing."""
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        yield


@contextmanager
def _plain_errors(report: Report) -> Iterator[None]:
    """Say in one line what the database refused."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn) as error:
        raise WarehouseUnavailable(
            f"the warehouse is not ready for the report {report.name}: {_first_line(error)}",
            "run `python -m extractors migrate`, then `dbt build`",
        ) from None
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(
            f"the warehouse was lost while {report.name} was read: {_first_line(error)}",
            "check that the server runs, then try again; nothing was published",
        ) from None
    except psycopg.Error as error:
        raise ExportFailed(
            f"marts.{report.mart} could not be read: {_first_line(error)}",
            "look at the mart; what was exported before is unchanged",
        ) from None


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
