"""The SQL that flattens the rows of pending runs into the columns which the suites judge.

Every column says what is wrong, and is NULL (or 0) where nothing is: metrics stay exact in the warehouse, and a row
comes over as a few short values instead of its payload.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from expectations.fields import ALL, Fields, Unit, fields_of
from extractors.spec import Stream

# Where a metric object of Meta keeps its numbers, plain or by type; some answer with both.
VALUES = ("values[*].value", "values[*].value.*", "total_value.value", "total_value.value.*")
KEYED_BY_DAY = ("stock", "daily_series")


def projection(stream: Stream) -> sql.Composed:
    """Return a query of the stream's judged columns; its parameter `runs` holds the run ids."""
    declared = fields_of(stream.full_name, stream.kind)
    columns = {**common(stream), **metrics(declared), **shape(stream, declared)}
    if stream.kind in KEYED_BY_DAY:
        columns |= dated_key(declared)
    if stream.kind == "entity" and declared.published:
        columns |= publication(declared)
    listed = sql.SQL(",\n    ").join(
        sql.SQL("{} as {}").format(expression, sql.Identifier(name)) for name, expression in columns.items()
    )
    return sql.SQL(
        """
select
    {columns}
from ops.extract_runs as run
inner join {table} as record
    on run.business_id = record.business_id and run.account_id = record.account_id and run.run_id = record.run_id
where run.run_id = any(%(runs)s)
"""
    ).format(columns=listed, table=sql.Identifier("raw", stream.full_name))


def common(stream: Stream) -> dict[str, sql.Composable]:
    """Columns of every stream: which row, what kind of JSON, when it was seen, how often the run has it."""
    same = "run.run_id, record.record_key" + ("" if stream.kind == "daily_series" else ", record.payload_hash")
    return {
        "run_id": sql.SQL("run.run_id::text"),
        "record_key": sql.SQL("record.record_key"),
        "payload_type": sql.SQL("jsonb_typeof(record.payload)"),
        "observed_off_minutes": sql.SQL(
            "(case when record.observed_at < run.started_at"
            " then -extract(epoch from run.started_at - record.observed_at)"
            " when record.observed_at > clock_timestamp()"
            " then extract(epoch from record.observed_at - clock_timestamp()) else 0 end / 60)::float8"
        ),
        "times_in_run": sql.SQL(f"count(*) over (partition by {same})"),
    }


def metrics(declared: Fields) -> dict[str, sql.Composable]:
    """Columns that name the metrics which are no number, and those below zero."""
    counted = (*declared.metrics, *declared.signed)
    # `type()` is asked of the value itself: a filter would look into a list, and take a list of numbers for one.
    wrong = [named(path, f'{path}.type() ? (@ != "number" && @ != "null")', "is of type") for path in counted]
    below = [named(path, f"{path} ? (@ < 0)", "=") for path in declared.metrics]
    if declared.insights:
        wrong.append(
            text_at(f"{declared.insights} ? ({any_value('exists (@.{0}.type() ? (' + NO_NUMBER + '))')}).name")
        )
        below.append(text_at(f"{declared.insights} ? ({any_value('@.{0} < 0')}).name"))
    return {"metrics_not_numbers": joined(wrong), "metrics_below_zero": joined(below)}


NO_NUMBER = '@ != "number" && @ != "object" && @ != "null"'


def any_value(condition: str) -> str:
    """Return a jsonpath condition over every place where a metric object may keep a number."""
    return " || ".join(condition.replace("{0}", place) for place in VALUES)


def shape(stream: Stream, declared: Fields) -> dict[str, sql.Composable]:
    """Columns about what a record must hold and whose it is."""
    part = sql.SQL("split_part(record.record_key, ':', 2)")
    missing: list[sql.Composable] = []
    for where, paths in declared.required.items():
        applies = sql.SQL("true") if where == ALL else sql.SQL("{} = {}").format(part, sql.Literal(where))
        missing += [
            sql.SQL("case when {} and coalesce(jsonb_typeof({}), 'null') = 'null' then {} end").format(
                applies, first(path), sql.Literal(path)
            )
            for path in paths
        ]
    columns: dict[str, sql.Composable] = {"missing_fields": joined(missing)}
    if declared.id:
        columns["payload_id"] = text_of(declared.id)
    if declared.owner:
        account = sql.SQL("replace({}, '{{account_id}}', run.account_id)").format(sql.Literal(declared.owner_form))
        columns["foreign_owner"] = sql.SQL("nullif(left({}, 100), {})").format(text_of(declared.owner), account)
    if declared.name:
        columns["foreign_name"] = sql.SQL("nullif(left({}, 100), {})").format(text_at(declared.name), part)
    if declared.absent:
        columns["named_members"] = joined([present(path) for path in declared.absent])
    if declared.insights:
        columns["token_links"] = sql.SQL("jsonb_path_exists(record.payload, {}) or null").format(
            sql.Literal('$.**.paging.* ? (@ like_regex "access_token=")')
        )
    return columns


def dated_key(declared: Fields) -> dict[str, sql.Composable]:
    """Columns about a key of account, name and day."""
    last = sql.SQL("split_part(record.record_key, ':', 3)")
    day = sql.SQL("ops.day_of({})").format(last)
    columns: dict[str, sql.Composable] = {
        "key_account": sql.SQL("split_part(record.record_key, ':', 1)"),
        "account_id": sql.SQL("run.account_id"),
        "key_year": sql.SQL("extract(year from {})::float8").format(day),
        # The newest "today" on earth is fourteen hours ahead of UTC.
        "key_days_ahead": sql.SQL(
            "{} - ((greatest(run.as_of, record.observed_at) + interval '14 hours') at time zone 'UTC')::date"
        ).format(day),
    }
    if declared.measured:
        columns["measured_days_after"] = sql.SQL("({} at time zone 'UTC')::date - {}").format(
            instant((declared.measured,), declared.unit), day
        )
    return columns


def publication(declared: Fields) -> dict[str, sql.Composable]:
    """Columns about when a post was published; NULL where the text is no instant."""
    published = instant(declared.published, declared.unit)
    return {
        "published_year": sql.SQL("extract(year from {} at time zone 'UTC')::float8").format(published),
        # Against the run's own clock, which PIPELINE_NOW may have moved, and against the response's.
        "published_hours_ahead": sql.SQL(
            "extract(epoch from {} - greatest(run.as_of, record.observed_at))::float8 / 3600"
        ).format(published),
    }


def instant(paths: Sequence[str], unit: Unit) -> sql.Composed:
    """Return an expression for an instant in the payload: NULL for a foreign text or an impossible number."""
    if unit == "epoch_ms":
        return sql.SQL(
            "case when jsonb_typeof({0}) = 'number' and ({0})::numeric between 0 and 1e14"
            " then to_timestamp(({0})::numeric / 1000) end"
        ).format(first_of(paths))
    return sql.SQL("ops.instant_of({})").format(text_of(paths))


def named(path: str, condition: str, verb: str) -> sql.Composed:
    """Return an expression `path = -3` or `path is of type string`, NULL where no value meets the condition."""
    said = sql.SQL("left({} #>> '{{}}', 40)").format(first(condition))
    return sql.SQL("{} || {}").format(sql.Literal(f"{path} {verb} "), said)


def present(path: str) -> sql.Composed:
    """Return an expression that is the path where something is there, JSON null too, and NULL otherwise."""
    there = sql.SQL("case when jsonb_path_exists(record.payload, {0}) then {0} end")
    return there.format(sql.Literal(path))


def first(path: str) -> sql.Composed:
    """Return an expression for the first JSON value at a path."""
    return sql.SQL("jsonb_path_query_first(record.payload, {})").format(sql.Literal(path))


def first_of(paths: Sequence[str]) -> sql.Composed:
    """Return an expression for the first JSON value at the first path that has one."""
    return sql.SQL("coalesce({})").format(sql.SQL(", ").join(first(path) for path in paths))


def text_at(path: str) -> sql.Composed:
    """Return an expression for the first value at a path, as text."""
    return text_of((path,))


def text_of(paths: Sequence[str]) -> sql.Composed:
    """Return an expression for the first value at the first path that has one, as text."""
    return sql.SQL("({} #>> '{{}}')").format(first_of(paths))


def joined(parts: Sequence[sql.Composable]) -> sql.Composable:
    """Return an expression that lists what is not NULL, and is NULL when all is well."""
    if not parts:
        return sql.SQL("null::text")
    return sql.SQL("nullif(left(concat_ws(', ', {}), 300), '')").format(sql.SQL(", ").join(parts))
