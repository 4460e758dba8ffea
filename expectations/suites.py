"""One suite per stream, derived from its kind and from what `fields` declares: nothing is written per stream here.

The suites judge the columns of `projection`. An expectation's notes are its meaning in words, for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.fields import Fields, fields_of
from extractors.spec import Stream

Expectations = list[gxe.Expectation]

# Clocks of workers and warehouse may differ by minutes; a run taken up again is older than its last rows, not younger.
CLOCKS_DIFFER_MINUTES = 5
BEFORE_START_MINUTES = 60
FUTURE_HOURS = 2


def suite_for(stream: Stream) -> gx.ExpectationSuite:
    """Return the suite that every run of the stream must pass."""
    declared = fields_of(stream.full_name, stream.kind)
    expectations = [*common(stream), *BY_KIND[stream.kind](declared), *declared_shape(declared)]
    return gx.ExpectationSuite(name=stream.full_name, expectations=expectations)


def common(stream: Stream) -> Expectations:
    """What holds for every stream."""
    once = "holds a metric and day once" if stream.kind == "daily_series" else "stores no record twice unchanged"
    return [
        gxe.ExpectColumnValuesToMatchRegex(column="record_key", regex=r"\S", notes="every row has a record key"),
        gxe.ExpectColumnValuesToBeInSet(
            column="payload_type", value_set=["object"], notes="the payload is a JSON object"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="observed_off_minutes",
            min_value=-BEFORE_START_MINUTES,
            max_value=CLOCKS_DIFFER_MINUTES,
            notes="observed_at is neither an hour before the run's start nor five minutes after now",
        ),
        gxe.ExpectColumnValuesToBeBetween(column="times_in_run", max_value=1, notes=f"a run {once}"),
    ]


def entity(declared: Fields) -> Expectations:
    """What holds for things with an id of their own: posts."""
    return [*identified(declared), *(published(declared) if declared.published else [])]


def identified(declared: Fields) -> Expectations:
    """The payload's own id is the record key."""
    if not declared.id:
        return []
    return [
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="payload_id",
            column_B="record_key",
            ignore_row_if="neither",
            notes=f"the payload's id ({', '.join(declared.id)}) is the record key",
        )
    ]


def published(declared: Fields) -> Expectations:
    """A post has a plausible instant of publication: neither seconds read as milliseconds nor the future."""
    where = ", ".join(declared.published)
    return [
        gxe.ExpectColumnValuesToNotBeNull(
            column="published_year", notes=f"the instant of publication ({where}) is there and readable"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="published_year",
            min_value=declared.earliest.year,
            notes=f"nothing was published before {declared.earliest.year}",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="published_hours_ahead",
            max_value=FUTURE_HOURS,
            notes=f"nothing was published more than {FUTURE_HOURS} hours after the run looked",
        ),
    ]


def dated(declared: Fields) -> Expectations:
    """What holds for records keyed by account, name and day."""
    return [
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="key_account",
            column_B="account_id",
            ignore_row_if="neither",
            notes="the record key begins with the account",
        ),
        gxe.ExpectColumnValuesToNotBeNull(column="key_year", notes="the record key ends with a day, YYYY-MM-DD"),
        gxe.ExpectColumnValuesToBeBetween(
            column="key_year", min_value=declared.earliest.year, notes=f"no day is before {declared.earliest.year}"
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="key_days_ahead", max_value=0, notes="no day is in the future, anywhere on earth"
        ),
    ]


def daily_series(declared: Fields) -> Expectations:
    """A dated key whose day is the one the payload tells."""
    if not declared.measured:
        return dated(declared)
    least, most = declared.days_after
    return [
        *dated(declared),
        gxe.ExpectColumnValuesToBeBetween(
            column="measured_days_after",
            min_value=least,
            max_value=most,
            notes=f"the day of {declared.measured} (UTC) is {least} to {most} days after the day in the key",
        ),
    ]


def declared_shape(declared: Fields) -> Expectations:
    """What `fields` declares for the stream: required paths, numbers, and whose record it is."""
    counted = (*declared.metrics, *declared.signed, *([declared.insights] if declared.insights else []))
    complaints = {
        "metrics_not_numbers": (counted, f"these are numbers or absent: {words(declared, signed=True)}"),
        "metrics_below_zero": (counted, f"these are not below zero: {words(declared, signed=False)}"),
        "missing_fields": (declared.required, f"the payload has {required_words(declared)}"),
        "foreign_owner": (declared.owner, f"a record that names its account ({', '.join(declared.owner)}) names this"),
        "foreign_name": (declared.name, f"the record key holds the metric's name ({declared.name})"),
        "named_members": (declared.absent, f"nobody is named who is no account of ours ({', '.join(declared.absent)})"),
        "token_links": (declared.insights, "no paging link with an access token was stored"),
    }
    return [nothing_in(column, says) for column, (applies, says) in complaints.items() if applies]


def nothing_in(column: str, says: str) -> gxe.Expectation:
    """Return the expectation that a column of complaints is empty."""
    return gxe.ExpectColumnValuesToBeNull(column=column, notes=says)


def words(declared: Fields, *, signed: bool) -> str:
    """Return the metrics that are judged, in one line."""
    paths = [*declared.metrics, *(declared.signed if signed else ())]
    if declared.insights:
        paths.append(f"every metric in {declared.insights}")
    return ", ".join(paths)


def required_words(declared: Fields) -> str:
    """Return what a payload must hold, in one line."""
    parts = [
        ", ".join(paths) + ("" if where == "*" else f" (in {where})") for where, paths in declared.required.items()
    ]
    return "; ".join(parts)


BY_KIND: Mapping[str, Callable[[Fields], Expectations]] = MappingProxyType(
    {
        "entity": entity,
        "lifetime_metrics": identified,
        "daily_series": daily_series,
        "stock": dated,
    }
)
