"""Who lives in the world: three businesses in three time zones, their accounts and habits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TYPE_EFFECT = {"carousel": 1.5, "video": 1.25, "reel": 1.4, "document": 1.3, "link": 0.7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One account as it is cast: its size, how often and when it posts, and what is planted in its numbers.

    `hours` are the hours of the business's own day it likes to post in; `best_hour` is None where none is better than
    the others.
    """

    platform: str
    account_id: str
    credential: str
    name: str
    handle: str
    followers: int
    posts_per_day: float
    hours: tuple[int, ...]
    best_hour: int | None = None
    hour_effect: float = 1.0
    type_effect: dict[str, float] = field(default_factory=dict)
    daily_gain: float = 0.0008


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A business as it is cast."""

    business_id: int
    name: str
    timezone: str
    meta_kind: str
    parts: tuple[Part, ...]


def _part(platform: str, account_id: str, credential: str, handle: str, followers: int, **more: Any) -> Part:
    return Part(
        platform=platform,
        account_id=account_id,
        credential=credential,
        name=handle.replace("_", " ").title(),
        handle=handle,
        followers=followers,
        **more,
    )


OFFICE = (8, 9, 9, 10, 11, 12, 14, 15, 16, 17)
EVENING = (7, 8, 12, 17, 18, 18, 19, 20, 21, 23)
ALL_DAY = (0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)

COMPANIES = (
    Company(
        business_id=1,
        name="Nordlicht Werke",
        timezone="Europe/Berlin",
        meta_kind="system_user",
        parts=(
            _part(
                "linkedin", "24141830", "linkedin_nordlicht", "nordlicht-werke", 18_400, posts_per_day=0.95,
                hours=OFFICE, best_hour=9, hour_effect=1.8, type_effect=TYPE_EFFECT,
            ),
            _part(
                "linkedin", "35627141", "linkedin_nordlicht", "nordlicht-labs", 2_150, posts_per_day=0.6,
                hours=OFFICE,
            ),
            _part(
                "twitter", "2244994001", "twitter_nordlicht", "nordlicht", 41_000, posts_per_day=2.0,
                hours=ALL_DAY, best_hour=17, hour_effect=1.6,
            ),
            _part(
                "facebook", "102030405060701", "meta_nordlicht", "nordlichtwerke", 6_300, posts_per_day=0.9,
                hours=EVENING, best_hour=18, hour_effect=1.7, type_effect=TYPE_EFFECT,
            ),
            _part(
                "instagram", "17841405309211801", "meta_nordlicht", "nordlicht.werke", 12_900, posts_per_day=0.9,
                hours=EVENING, type_effect=TYPE_EFFECT,
            ),
        ),
    ),
    Company(
        business_id=2,
        name="Hudson Roasters",
        timezone="America/New_York",
        meta_kind="system_user",
        parts=(
            _part(
                "linkedin", "47110815", "linkedin_hudson", "hudson-roasters", 5_200, posts_per_day=0.6,
                hours=OFFICE,
            ),
            _part(
                "twitter", "783214002", "twitter_hudson", "hudsonroasters", 9_800, posts_per_day=1.6,
                hours=ALL_DAY,
            ),
            _part(
                "facebook", "102030405060702", "meta_hudson", "hudsonroasters", 21_000, posts_per_day=1.0,
                hours=EVENING,
            ),
            _part(
                "instagram", "17841405309211802", "meta_hudson", "hudson.roasters", 33_500, posts_per_day=1.2,
                hours=EVENING, best_hour=8, hour_effect=1.9, type_effect=TYPE_EFFECT,
            ),
        ),
    ),
    Company(
        business_id=3,
        name="Himal Trails",
        timezone="Asia/Kathmandu",
        meta_kind="page",
        parts=(
            _part(
                "linkedin", "58220916", "linkedin_himal", "himal-trails", 940, posts_per_day=0.4,
                hours=OFFICE, type_effect=TYPE_EFFECT,
            ),
            _part(
                "twitter", "1519023003", "twitter_himal", "himaltrails", 3_100, posts_per_day=1.4,
                hours=ALL_DAY, best_hour=7, hour_effect=1.7,
            ),
            _part(
                "facebook", "102030405060703", "meta_himal", "himaltrails", 1_450, posts_per_day=0.7,
                hours=EVENING,
            ),
            _part(
                "instagram", "17841405309211803", "meta_himal", "himal.trails", 82, posts_per_day=0.5,
                hours=EVENING, daily_gain=0.0,
            ),
        ),
    ),
)  # fmt: skip
