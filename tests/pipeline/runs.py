"""What became of every record of every run: from the landed rows, the ledger, and the truth of each post."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from extractors.registry import streams
from simulator import truth
from simulator.model import Post
from tests.pipeline.conftest import Built
from tests.pipeline.oracle import METRICS
from tests.pipeline.readings import exact

#: What a post of the world is called where it is none of the marts'.
EXCLUDED = {"draft": "draft", "dark": "dark_post", "ad": "ad", "reply": "reply"}
#: The records about an account and a day that tell of followers; all others stay in core.
OF_FOLLOWERS = {
    "network_size", "follower_gains", "user", "page", "page_follows", "page_daily_follows_unique",
    "page_daily_unfollows_unique", "account", "follows_and_unfollows",
}  # fmt: skip
DAILY = {"profile", "account_daily"}
FOLLOWED = {"posts", "post_metrics", "audience", "stories"} | DAILY
#: The metrics that a platform tells in a stream of its own.
APART = {"linkedin": METRICS, "twitter": ("clicks",), "instagram": ("watch_time_seconds",), "facebook": ()}
SUMMED = tuple(name for name in METRICS if name != "reach")

Row = dict[str, Any]


def ended(built: Built) -> pd.DataFrame:
    """The runs of the ledger that came to an end."""
    found = built.table("ops.extract_runs")
    return found[found["state"] != "running"].reset_index(drop=True)


@dataclass(frozen=True)
class Records:
    """Every landed row by run, and what a build could say of it."""

    built: Built

    @cached_property
    def by_run(self) -> dict[Any, list[Row]]:
        """The rows of each run in raw."""
        found: dict[Any, list[Row]] = defaultdict(list)
        for stream in streams():
            for row in self.built.table(f"raw.{stream.full_name}").to_dict("records"):
                found[row["run_id"]].append(row | {"stream": stream.full_name})
        return found

    @cached_property
    def passed(self) -> set[Any]:
        """The runs that the gate let through."""
        runs = ended(self.built)
        return set(runs.loc[runs["gate"] == "passed", "run_id"])

    @cached_property
    def newest(self) -> dict[tuple[str, str, str], datetime]:
        """When the last version of a record came, by stream, account and key."""
        rows = [row for run in self.passed for row in self.by_run[run]]
        found: dict[tuple[str, str, str], datetime] = {}
        for row in rows:
            key = (row["stream"], row["account_id"], row["record_key"])
            found[key] = max(row["observed_at"], found.get(key, row["observed_at"]))
        return found

    @cached_property
    def final(self) -> dict[tuple[str, str], Row]:
        """What is known of each post at the end, by platform and id; of those that are none of the marts' too."""
        return values(self.built, self.built.observed)

    @cached_property
    def at(self) -> dict[datetime, dict[tuple[str, str], Row]]:
        """What each look could tell of each post, and nothing that is only remembered."""
        return {at: values(self.built, (at,)) for at in self.built.observed}

    def told(self, row: Row) -> Row:
        """The metrics that a record of a post tells, with their values."""
        platform, _, stream = row["stream"].partition("__")
        known = self.at[row["observed_at"]][platform, row["record_key"]]
        own = [name for name in METRICS if (name in APART[platform]) is (stream == "post_metrics")]
        return {name: known[name] for name in own if known[name] is not None}

    def post(self, row: Row) -> Post:
        """The post of the world that a record is of."""
        return self.built.world.by_id[row["stream"].partition("__")[0], row["record_key"]]

    def fate(self, row: Row) -> str:
        """What became of a record that passed."""
        stream = row["stream"].partition("__")[2]
        if stream not in FOLLOWED:
            return "not_modelled"
        if stream in DAILY:
            return "in_mart" if row["record_key"].split(":")[1] in OF_FOLLOWERS else "core_only"
        is_newest = self.newest[row["stream"], row["account_id"], row["record_key"]] == row["observed_at"]
        if stream in {"audience", "stories"}:
            return "in_mart" if is_newest else "superseded"
        if stream == "post_metrics" and not self.told(row):
            return "tells_nothing"
        post = self.post(row)
        if post.kind in EXCLUDED:
            return EXCLUDED[post.kind]
        if stream == "posts":
            return "in_mart" if is_newest else "superseded"
        final = self.final[post.account.platform, post.post_id]
        return "in_mart" if all(final[name] == value for name, value in self.told(row).items()) else "superseded"


def values(built: Built, observed: tuple[datetime, ...]) -> dict[tuple[str, str], Row]:
    """The metrics that looks at these instants know of every post, whatever kind of post it is."""
    everything = {key: tuple(replace(post, kind="own") for post in posts) for key, posts in built.world.posts.items()}
    rows = truth.expected_posts(built.world.accounts, everything, observed)
    return {(row["platform"], row["post_id"]): {name: exact(row[name]) for name in METRICS} for row in rows}


def reconciliation(built: Built, audited_in: Mapping[datetime, Records]) -> pd.DataFrame:
    """One row per run: `audited_in` is what the build knew that took the runs of an instant in."""
    rows = []
    for run in ended(built).to_dict("records"):
        records = audited_in[run["as_of"]]
        landed = records.by_run[run["run_id"]]
        fates = Counter(records.fate(row) for row in landed) if run["gate"] == "passed" else Counter()
        reasons = {fate: count for fate, count in fates.items() if fate != "in_mart"}
        if run["gate"] == "quarantined":
            reasons["held_by_gate"] = run["stored"]
        modelled = {fate: count for fate, count in fates.items() if fate != "not_modelled"}
        names = ("run_id", "business_id", "platform", "account_id", "stream", "gate", "finished_at", "listed",
                 "stored", "unchanged", "quarantined")  # fmt: skip
        rows.append(
            {name: run[name] for name in names}
            | {
                "staged": len(landed) if run["gate"] == "passed" else 0,
                "in_core": None if fates and not modelled else sum(modelled.values()),
                "in_mart": fates["in_mart"],
                "difference": run["listed"] - run["unchanged"] - fates["in_mart"],
                "reason": in_words(reasons),
                "unexplained": 0,
            }
        )
    return pd.DataFrame(rows)


def in_words(reasons: dict[str, Any]) -> str | None:
    """Reasons with their numbers, as the marts spell them."""
    return ", ".join(f"{name}: {reasons[name]}" for name in sorted(reasons)) or None


def totals(built: Built, audited_in: Mapping[datetime, Records]) -> pd.DataFrame:
    """One row per run and metric: what was told of it in all, what core and the marts say of the same records."""
    return pd.DataFrame([
        row
        for run in ended(built).to_dict("records")
        if run["gate"] == "passed" and run["stream"].partition("__")[2] in ("posts", "post_metrics")
        for row in _totals(audited_in[run["as_of"]], run)
    ])  # fmt: skip


def _totals(records: Records, run: Row) -> Iterator[Row]:
    told: dict[str, list[tuple[Any, Any, str]]] = defaultdict(list)
    for row in records.by_run[run["run_id"]]:
        post = records.post(row)
        reason = EXCLUDED.get(post.kind)
        final = records.final[post.account.platform, post.post_id]
        for name, value in records.told(row).items():
            in_mart = 0 if reason else final[name]
            fate = reason or ("in_mart" if in_mart == value else "superseded")
            told[name].append((value, in_mart, fate))
    for name in SUMMED:
        if name not in told:
            continue
        apart: Counter[str] = Counter()
        for value, in_mart, fate in told[name]:
            apart[fate] += value - in_mart
        listed, in_mart = (sum(each[place] for each in told[name]) for place in (0, 1))
        yield {
            **{key: run[key] for key in ("run_id", "business_id", "platform", "account_id", "stream")},
            "metric": name, "records": len(told[name]), "listed": listed, "in_core": listed, "in_mart": in_mart,
            "difference": listed - in_mart, "unexplained": 0,
            "reason": {fate: float(apart[fate]) for _, _, fate in told[name] if fate != "in_mart"},
        }  # fmt: skip


def freshness(built: Built) -> pd.DataFrame:
    """One row per account and stream: when it last went well, and what is wrong with the last run."""
    runs = ended(built).sort_values("started_at")
    rows = []
    for account in built.world.accounts:
        for stream in (one for one in streams() if one.full_name.startswith(account.platform)):
            own = runs[(runs["account_id"] == account.account_id) & (runs["stream"] == stream.full_name)]
            well = own[(own["state"] == "complete") & (own["gate"] == "passed")]
            rows.append({
                "business_id": account.business_id, "platform": account.platform, "account_id": account.account_id,
                "stream": stream.full_name, "last_success_at": well["finished_at"].max(), "last_error": None,
                "stale_after_hours": 3 if account.platform == "twitter" else 36,
            })  # fmt: skip
    return pd.DataFrame(rows)
