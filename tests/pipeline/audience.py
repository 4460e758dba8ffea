"""The audience marts computed once more from the simulator's truth; when a record came, from the landed rows."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from extractors.registry import streams
from tests.conftest import ROOT
from tests.pipeline.conftest import Built
from tests.pipeline.oracle import rate

DAY = timedelta(days=1)
CALENDAR = {
    "linkedin": ZoneInfo("UTC"),
    "twitter": ZoneInfo("UTC"),
    "facebook": ZoneInfo("America/Los_Angeles"),
    "instagram": ZoneInfo("America/Los_Angeles"),
}
#: How many days of flows a first run asks for; the world could tell Facebook's for longer.
HISTORY = {"linkedin": 365, "twitter": 0, "facebook": 365, "instagram": 30}
#: An older count of followers says too little of the day of a reading.
DAYS_KNOWN = 7
ACCOUNT = ["business_id", "platform", "account_id"]
FLOWS = ["followers_count", "gained", "lost", "net"]
SHOWN = ("age", "gender", "country", "city")


def growth(built: Built) -> pd.DataFrame:
    """Followers of every account by day, with what came, went, and stood there the day before."""
    found = pd.DataFrame(built.world.expected_account_daily(built.observed))
    first_day = {
        platform: built.observed[0].astimezone(CALENDAR[platform]).date() - timedelta(days=days)
        for platform, days in HISTORY.items()
    }
    asked = [day >= first_day[platform] for day, platform in zip(found["day"], found["platform"], strict=True)]
    found = found[asked].astype(dict.fromkeys(FLOWS, "float64")).sort_values([*ACCOUNT, "day"], ignore_index=True)
    counts = found.set_index([*ACCOUNT, "day"])["followers_count"]
    day_before = [(*key[:3], key[3] - DAY) for key in counts.index]
    known = pd.Series(counts.reindex(pd.MultiIndex.from_tuples(day_before)).to_numpy())
    # X tells no flows: its net is the difference between the snapshots of two days in a row.
    is_x = found["platform"] == "twitter"
    found["net"] = found["net"].where(~is_x, found["followers_count"] - known)
    found["before"] = known.fillna(found["followers_count"] - found["net"])
    found["growth_rate"] = rate(found["net"], found["before"])
    return found


def demographics(built: Built) -> pd.DataFrame:
    """Followers by value, with the readable name and the followers of whom nothing is said."""
    found = pd.DataFrame(built.world.expected_demographics(built.observed))
    names = labels()
    values = zip(found["dimension"], found["value"], strict=True)
    found["label"] = [names.get(pair, pair[1]) for pair in values]
    found["suppressed_because"] = None
    listed = found.groupby([*ACCOUNT, "day", "dimension"])["followers"].transform("sum")
    found["followers_count"] = _last_counts(growth(built), found)
    found["share_of_followers"] = rate(found["followers"], found["followers_count"])
    rest = found["followers_count"] - listed
    found["unknown_followers"] = rest.where(rest >= 0)
    found["unknown_share"] = rate(found["unknown_followers"], found["followers_count"])
    return found


def _last_counts(counts: pd.DataFrame, wanted: pd.DataFrame) -> list[float | None]:
    known = counts[counts["followers_count"].notna()]
    by_account = {key: list(zip(rows["day"], rows["followers_count"], strict=True))
                  for key, rows in known.groupby(ACCOUNT)}  # fmt: skip
    found = []
    for *account, day in wanted[[*ACCOUNT, "day"]].itertuples(index=False, name=None):
        near = [(at, count) for at, count in by_account[tuple(account)] if day - DAYS_KNOWN * DAY <= at <= day]
        found.append(max(near)[1] if near else None)
    return found


def labels() -> dict[tuple[str, str], str]:
    """The readable names that the project knows: data, like the platforms' own codes."""
    with (ROOT / "dbt_project" / "seeds" / "core" / "demographic_labels.csv").open() as file:
        return {(row["dimension"], row["value"]): row["label"] for row in csv.DictReader(file)}


def insights(built: Built, told: pd.DataFrame) -> pd.DataFrame:
    """Business, platform and day: followers, growth, and the audience as objects. `told`: the demographics by day."""
    keys = ["business_id", "platform", "day"]
    days = growth(built)
    days = days[days[FLOWS].notna().any(axis=1)]
    both = days[["net", "before"]].notna().all(axis=1)
    moved = days.assign(net=days["net"].where(both), before=days["before"].where(both)).groupby(keys)
    found = moved[["followers_count", "net", "before"]].sum(min_count=1)
    found["follower_growth_rate"] = rate(found["net"], found["before"])
    shown = told[told["dimension"].isin(SHOWN)].groupby(keys)
    objects = [dict(zip(keys, key, strict=True)) | _objects(group) for key, group in shown]
    return found.reset_index().merge(pd.DataFrame(objects), how="outer", on=keys)


def _objects(group: pd.DataFrame) -> dict[str, Any]:
    found = {
        name: {label: float(count) for label, count in one.groupby("label")["followers"].sum().items()}
        for name, one in group.groupby("dimension")
    }
    places = {name: found[name] for name in ("country", "city") if name in found}
    return {
        "age_demographics": found.get("age"),
        "gender_demographics": found.get("gender"),
        "location_demographics": places or None,
    }


def told_at(built: Built) -> pd.DataFrame:
    """When the records of each business, platform and day came: the last version of any, and the first."""
    runs = built.table("ops.extract_runs")
    passed = set(runs.loc[runs["gate"] == "passed", "run_id"])
    found: dict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    for stream in streams():
        if stream.name not in ("profile", "account_daily", "audience"):
            continue
        rows = built.table(f"raw.{stream.full_name}")
        rows = rows[rows["run_id"].isin(passed)].sort_values("observed_at")
        if stream.name == "audience":  # only the newest version of a reading is kept
            rows = rows.drop_duplicates(["account_id", "record_key"], keep="last")
        for business, key, at in rows[["business_id", "record_key", "observed_at"]].itertuples(index=False, name=None):
            day = date.fromisoformat(key.rsplit(":", 1)[1])
            found[business, stream.full_name.partition("__")[0], day].append(at)
    rows = [(*key, max(instants), min(instants)) for key, instants in found.items()]
    return pd.DataFrame(rows, columns=["business_id", "platform", "day", "synced_at", "created_at"])
