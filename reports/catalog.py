"""The reports, as data. To add one, add one definition here; nothing else changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from extractors.errors import ConfigurationError
from reports.periods import KINDS
from reports.renderers import RENDERERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report: the rows of a mart that belong to one business and one period.

    `rows` and `order_by` are SQL over the mart's columns; `rows` may use %(period)s (day, week or month),
    %(first_day)s and %(day_after)s. The rows of other businesses are always left out. `order_by` must leave no tie,
    so that the same data give the same bytes.
    """

    name: str
    title: str
    mart: str
    columns: tuple[str, ...]
    rows: str
    order_by: str
    period: str
    cron: str
    formats: tuple[str, ...] = ("csv",)

    def __post_init__(self) -> None:
        for name in (self.name, self.mart, *self.columns):
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise ValueError(f"report {self.name!r}: {name!r} is no plain name")
        if self.period not in KINDS:
            raise ValueError(f"report {self.name}: period {self.period!r} is none of {', '.join(KINDS)}")
        if not self.formats or (unknown := set(self.formats) - set(RENDERERS)):
            raise ValueError(f"report {self.name}: no renderer for {unknown if self.formats else 'no format'}")


WEEKLY_OVERVIEW = Report(
    name="weekly_overview",
    title="Weekly overview",
    mart="analytics_summaries",
    columns=(
        "platform",
        "period_start",
        "is_partial",
        "posts",
        "impressions",
        "engagement",
        "engagement_rate",
        "avg_engagement_per_post",
        "likes",
        "comments",
        "shares",
        "clicks",
        "followers_count",
        "rated_engagement",
        "rated_impressions",
        "period",
        "business_id",
    ),
    rows="period = %(period)s and period_start = %(first_day)s",
    order_by="platform = 'all', platform",
    period="week",
    cron="0 6 * * 1",  # Mondays, when the week has ended everywhere but in the far west
)

REPORTS: Mapping[str, Report] = MappingProxyType({report.name: report for report in (WEEKLY_OVERVIEW,)})


def find_report(name: str) -> Report:
    """Return a report by its name. Raises ConfigurationError for a name nobody has."""
    if name not in REPORTS:
        raise ConfigurationError(f"there is no report {name!r}", f"choose from {', '.join(sorted(REPORTS))}")
    return REPORTS[name]
