"""The businesses' competitors on LinkedIn and X, of whom only public numbers are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulator.model import Account

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitor:
    """Somebody else's account: what it had on the first of January 2026, and what a day adds."""

    business_id: int
    platform: str
    account_id: str
    handle: str
    name: str
    followers: int
    daily_gain: int
    posts: int

    def followers_at(self, at: datetime) -> int:
        """Followers at the end of the UTC day before."""
        return self.followers + self.daily_gain * (at - EPOCH).days


COMPETITORS: Sequence[Competitor] = (
    Competitor(
        business_id=1, platform="linkedin", account_id="90210001", handle="ostsee-werke", name="Ostsee Werke",
        followers=9_300, daily_gain=4, posts=0,
    ),
    Competitor(
        business_id=1, platform="linkedin", account_id="90210002", handle="elbe-labs", name="Elbe Labs",
        followers=1_200, daily_gain=-1, posts=0,
    ),
    Competitor(
        business_id=1, platform="twitter", account_id="880010001", handle="OstseeWerke", name="Ostsee Werke",
        followers=10_234, daily_gain=7, posts=4_711,
    ),
    Competitor(
        business_id=1, platform="twitter", account_id="880010002", handle="elbe_labs", name="Elbe Labs",
        followers=700, daily_gain=0, posts=88,
    ),
    Competitor(
        business_id=2, platform="twitter", account_id="880010003", handle="brooklynbrew", name="Brooklyn Brew",
        followers=48_000, daily_gain=21, posts=12_004,
    ),
)  # fmt: skip


def of_business(business_id: int, platform: str) -> list[Competitor]:
    """The competitors of one business on one platform."""
    return [one for one in COMPETITORS if (one.business_id, one.platform) == (business_id, platform)]


def find(platform: str, name: str) -> Competitor | None:
    """A competitor by handle, in any spelling, or by id."""
    wanted = name.lower()
    here = (one for one in COMPETITORS if one.platform == platform)
    return next((one for one in here if wanted in (one.handle.lower(), one.account_id)), None)


def names(business_id: int) -> list[str]:
    """The lines of accounts.yml about the competitors of a business; none for a business without."""
    return [
        f"      - {{platform: {one.platform}, handle: {one.handle}}}"
        for one in COMPETITORS
        if one.business_id == business_id
    ]


def reader_of(accounts: Sequence[Account], business_id: int, platform: str) -> Account:
    """The account through which a business looks at its competitors: the first of its own on the platform."""
    own = [one for one in accounts if (one.business_id, one.platform) == (business_id, platform)]
    return min(own, key=lambda one: one.account_id)


def calls(accounts: Sequence[Account], platform: str) -> int:
    """The fewest requests for all businesses: X takes a hundred handles, LinkedIn a name and then its size."""
    counts = [len(of_business(one, platform)) for one in {account.business_id for account in accounts}]
    return sum(-(-count // 100) if platform == "twitter" else 2 * count for count in counts)


def expected_competitors(
    accounts: Sequence[Account], platform: str, observed_at: Sequence[datetime]
) -> Mapping[str, dict[str, Any]]:
    """The oracle of `stg_<platform>__competitors`: record key to its values; one per competitor and local day."""
    rows = {}
    for one in (each for each in COMPETITORS if each.platform == platform):
        reader = reader_of(accounts, one.business_id, platform)
        for at in observed_at:
            day = at.astimezone(ZoneInfo(reader.timezone)).date()
            rows[f"{one.handle.lower()}:profile:{day}"] = {
                "business_id": one.business_id,
                "account_id": reader.account_id,
                "observed_date": day,
                "competitor_id": one.account_id,
                "handle": one.handle,
                "name": one.name,
                "followers_count": float(one.followers_at(at)),
            }
    return rows
