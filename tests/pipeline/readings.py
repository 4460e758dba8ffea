"""What the looks at a seeded world told of each post: from the simulator's truth and the ledger's windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.pipeline.conftest import Built
from tests.pipeline.oracle import METRICS
from tests.warehouse.history_oracle import Curve, add
from tests.warehouse.landing import Account
from tests.warehouse.watched import Post

#: A longer list may have been cut, so that a post which is not in it may still be there (docs/adr/0028).
CUT_LISTS = 500
ENGAGEMENT = ("likes", "comments", "shares")

Number = int | Decimal
Values = dict[str, Number | None]
Key = tuple[int, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was known of a post after a look; one that changed nothing tells that it still was so."""

    at: datetime
    values: Values
    is_change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A post and its readings, in order."""

    post: Post
    zone: ZoneInfo
    readings: list[Reading] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What names it in every mart."""
        account = self.post.account
        return account.business_id, account.platform, account.account_id, self.post.post_id

    @property
    def changes(self) -> list[Reading]:
        """The readings that raw keeps."""
        return [reading for reading in self.readings if reading.is_change]

    @property
    def published_date(self) -> date:
        """The day of its publication on the clocks of its business."""
        return self.post.published_at.astimezone(self.zone).date()

    def curve(self, metric: str) -> Curve | None:
        """The curve of impressions or engagement; None when it was never told."""
        values = tuple(
            engagement(reading.values) if metric == "engagement" else reading.values[metric]
            for reading in self.readings
        )
        if all(value is None for value in values):
            return None
        return Curve(self.post, tuple(reading.at for reading in self.readings), values)


def engagement(values: Mapping[str, Number | None]) -> Number | None:
    """Add likes, comments and shares, as far as they are known."""
    return add([values[name] for name in ENGAGEMENT])


@dataclass(frozen=True, slots=True)
class Window:
    """The posts that a look saw, changed or not: by publication. `is_whole`: nothing of them was left out."""

    since: datetime | None
    until: datetime
    is_whole: bool

    def holds(self, published_at: datetime) -> bool:
        """Whether a post of this instant was among them, and would have shown a change."""
        return self.is_whole and (self.since is None or self.since <= published_at) and published_at < self.until


def windows(built: Built) -> dict[tuple[str, str, datetime], Window]:
    """The window of every look at an account's counters, by account and instant."""
    runs = built.table("ops.extract_runs")
    told = {"linkedin__post_metrics", "twitter__posts", "facebook__posts", "instagram__posts"}
    runs = runs[runs["stream"].isin(told) & (runs["gate"] == "passed") & (runs["state"] == "complete")]
    return {
        (run["platform"], run["account_id"], run["as_of"]): Window(
            run["window_since"] or None, run["window_until"], run["quarantined"] == 0 and run["listed"] < CUT_LISTS
        )
        for run in runs.astype(object).where(runs.notna(), None).to_dict("records")
    }


def watched(built: Built) -> list[Watched]:
    """Every organic post with what each look told of it; a refused look tells nothing."""
    found: dict[Key, Watched] = {}
    held = windows(built)
    for number, at in enumerate(built.observed, 1):
        for row in built.world.expected_posts(built.observed[:number]):
            one = _of_row(row, found, built)
            values = {name: exact(row[name]) for name in METRICS}
            before = one.readings[-1].values if one.readings else dict.fromkeys(METRICS)
            original = built.world.by_id[row["platform"], row["post_id"]]
            window = held[row["platform"], row["account_id"], at]
            is_seen = bool(one.readings) and original.is_there(at) and window.holds(row["published_at"])
            if values != before or is_seen:
                one.readings.append(Reading(at=at, values=values, is_change=values != before))
    return [one for one in found.values() if one.readings]


def _of_row(row: Mapping[str, object], found: dict[Key, Watched], built: Built) -> Watched:
    account = Account(row["business_id"], row["platform"], row["account_id"])
    post = Post(account, row["post_id"], row["published_at"], row["content_type"], 0, 0.0)
    one = Watched(post=post, zone=ZoneInfo(built.timezones[account.business_id]))
    return found.setdefault(one.key, one)


def exact(value: float | None) -> Number | None:
    """Return a number of the world; seconds, which are told in thousandths, without the errors of floats."""
    return Decimal(round(value * 1000)) / 1000 if isinstance(value, float) else value
