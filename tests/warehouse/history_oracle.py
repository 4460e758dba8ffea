"""What the history marts should say of the watched posts: plain Python from the looks, no SQL and no warehouse."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import comb
from zoneinfo import ZoneInfo

from tests.warehouse import watched
from tests.warehouse.watched import METRICS, Counts, Look, Post

ZONES = {1: ZoneInfo("Europe/Berlin"), 2: ZoneInfo("America/New_York")}
AGES = {"1h": 1, "3h": 3, "6h": 6, "24h": 24, "48h": 48, "7d": 168, "30d": 720}
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
Value = Fraction | None


def local_day(post: Post, at: datetime) -> date:
    """The day of an instant on the clocks of the post's business."""
    return at.astimezone(ZONES[post.account.business_id]).date()


def readings(post: Post, *, only_changes: bool) -> list[tuple[datetime, Counts]]:
    """What was read of a post, in order: every reading that can be relied on, or only those that changed."""
    found = []
    for look in ORDERED:
        if look.account == post.account and look.gate == "passed" and post.post_id in look.seen:
            is_changed = post.post_id in look.changed
            if is_changed or (look.is_whole and not only_changes):
                found.append((look.at, look.seen[post.post_id]))
    return found


ORDERED: Sequence[Look] = watched.looks()
POSTS: Sequence[Post] = watched.posts()


def add(values: Sequence[int | None]) -> int | None:
    """Add what is known; None only if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclass(slots=True)
class Day:
    """What a post gained on a day, and what it had when a metric was first told."""

    gains: dict[str, int | None]
    opening: dict[str, int | None]
    days_covered: int | None


def days(post: Post) -> dict[date, Day]:
    """The gains of a post by local day."""
    by_day: dict[date, list[Counts]] = defaultdict(list)
    for at, counts in readings(post, only_changes=True):
        by_day[local_day(post, at)].append(counts)
    known: dict[str, tuple[date, int]] = {}
    found = {}
    for day, told in by_day.items():
        found[day] = _day(post, day, told, known)
    return found


def _day(post: Post, day: date, told: Sequence[Counts], known: dict[str, tuple[date, int]]) -> Day:
    row, covered = Day(dict.fromkeys(METRICS), dict.fromkeys(METRICS), None), []
    age = (day - local_day(post, post.published_at)).days
    for metric in METRICS:
        values = [value for counts in told if (value := counts[metric]) is not None]
        if not values:
            continue
        if metric in known:
            row.gains[metric] = values[-1] - known[metric][1]
            covered.append((day - known[metric][0]).days)
        elif age <= 2:
            row.gains[metric], row.opening[metric] = values[-1], 0
            covered.append(age + 1)
        else:
            row.opening[metric] = values[-1]
        known[metric] = (day, values[-1])
    row.days_covered = max(covered, default=None)
    return row


def last_known(post: Post) -> dict[str, int | None]:
    """The last value told of every metric."""
    found: dict[str, int | None] = dict.fromkeys(METRICS)
    for _, counts in readings(post, only_changes=True):
        found |= {metric: value for metric, value in counts.items() if value is not None}
    return found


def restated(post: Post) -> set[tuple[str, datetime, int, int]]:
    """Every fall of a lifetime value: metric, instant, old, new."""
    found, known = set(), dict[str, int]()
    for at, counts in readings(post, only_changes=True):
        for metric, value in counts.items():
            if value is not None:
                if value < known.get(metric, value):
                    found.add((metric, at, known[metric], value))
                known[metric] = value
    return found


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric of a post as it was seen, look by look."""

    post: Post
    at: tuple[datetime, ...]
    values: tuple[int | None, ...]

    def value(self, hours: int) -> tuple[Value, bool | None]:
        """The value at an age and whether it lies between two looks that told different ones."""
        instant = self.post.published_at + hours * HOUR
        left, right = bisect_right(self.at, instant) - 1, bisect_left(self.at, instant)
        if left < 0 or right == len(self.at):
            return None, None
        low, high = self.values[left], self.values[right]
        if low is None or high is None:
            return None, None
        if low == high:
            return Fraction(low), False
        part = Fraction((instant - self.at[left]) / HOUR) / Fraction((self.at[right] - self.at[left]) / HOUR)
        return low + (high - low) * part, True

    @property
    def known(self) -> list[tuple[datetime, int]]:
        """The looks that told a value."""
        return [(at, value) for at, value in zip(self.at, self.values, strict=True) if value is not None]

    def first_at(self, share: Fraction) -> int | None:
        """The look at which the curve first came to this share of its final value; None if it has none."""
        target = self.known[-1][1] * share
        if target <= 0:
            return None
        return next(n for n, value in enumerate(self.values) if value is not None and value >= target)

    def hours_to(self, share: Fraction) -> Value:
        """Hours to this share of the final value, between two looks."""
        place = self.first_at(share)
        if not place or self.values[place - 1] is None:
            return None
        low, high = self.values[place - 1], self.values[place]
        assert low is not None
        assert high is not None
        part = (self.known[-1][1] * share - low) / (high - low)
        passed = Fraction((self.at[place - 1] - self.post.published_at) / HOUR)
        return passed + Fraction((self.at[place] - self.at[place - 1]) / HOUR) * part

    @property
    def is_settled(self) -> bool:
        """Whether it was watched for a week after it was seen at 90 % of its final value."""
        place = self.first_at(Fraction(9, 10))
        since = self.known[0][0] if place is None else self.at[place]
        return self.known[-1][0] - since >= WEEK


def curve(post: Post, metric: str) -> Curve | None:
    """The curve of impressions or engagement; None when it was never told."""
    told = readings(post, only_changes=False)
    values = tuple(_engagement(counts) if metric == "engagement" else counts[metric] for _, counts in told)
    if all(value is None for value in values):
        return None
    return Curve(post, tuple(at for at, _ in told), values)


def _engagement(counts: Counts) -> int | None:
    return add([counts[metric] for metric in ("likes", "comments", "shares")])


def median_rank(n: int) -> int:
    """The rank whose order statistic and its mirror enclose the median with at least 95 %."""
    return max(rank for rank in range(n) if 2 * sum(comb(n, k) for k in range(rank)) * 20 <= 2**n)
