"""Followers and who they are, as a function of account and instant."""

from __future__ import annotations

import hashlib
from datetime import date, datetime

from simulator.days import DAY, platform_day
from simulator.model import Account

THRESHOLD = 100
"""Instagram tells nothing about the followers of an account below it."""

LINKEDIN_FACETS: dict[str, tuple[str, str, dict[str, float]]] = {
    "seniority": (
        "followerCountsBySeniority",
        "seniority",
        {"urn:li:seniority:3": 0.31, "urn:li:seniority:4": 0.33, "urn:li:seniority:5": 0.14, "urn:li:seniority:6": 0.1},
    ),
    "industry": (
        "followerCountsByIndustry",
        "industry",
        {"urn:li:industry:96": 0.22, "urn:li:industry:4": 0.18, "urn:li:industry:34": 0.07},
    ),
    "function": (
        "followerCountsByFunction",
        "function",
        {"urn:li:function:8": 0.24, "urn:li:function:13": 0.15, "urn:li:function:25": 0.11},
    ),
    "company_size": (
        "followerCountsByStaffCountRange",
        "staffCountRange",
        {"SIZE_2_TO_10": 0.16, "SIZE_51_TO_200": 0.24, "SIZE_1001_TO_5000": 0.13, "SIZE_10001_OR_MORE": 0.12},
    ),
    "country": (
        "followerCountsByGeoCountry",
        "geo",
        {"urn:li:geo:101282230": 0.52, "urn:li:geo:103644278": 0.16, "urn:li:geo:104630404": 0.05},
    ),
    "city": (
        "followerCountsByGeo",
        "geo",
        {"urn:li:geo:90009712": 0.3, "urn:li:geo:90000070": 0.09, "urn:li:geo:90009590": 0.04},
    ),
}
ASSOCIATION = ("followerCountsByAssociationType", "associationType", {"EMPLOYEE": 0.02})

AGES = {"13-17": 0.02, "18-24": 0.19, "25-34": 0.37, "35-44": 0.24, "45-54": 0.11, "55-64": 0.04, "65+": 0.02}
GENDERS = {"F": 0.52, "M": 0.41, "U": 0.07}
COUNTRIES = {"DE": 0.44, "US": 0.2, "NP": 0.11, "AT": 0.08, "IN": 0.05}
CITIES = {
    "Munich, Bavaria, Germany": 0.21,
    "New York, New York, United States": 0.12,
    "Kathmandu, Bagmati Province, Nepal": 0.1,
    "Vienna, Austria": 0.06,
}


def stock_at(account: Account, at: datetime) -> int:
    """Followers of the account as its profile tells: the stock at the end of the platform's last whole day."""
    return stock_on(account, platform_day(account.platform, at) - DAY)


def stock_on(account: Account, day: date) -> int:
    """Followers at the end of one of the platform's days; the nearest known day outside the history."""
    followers = account.followers
    position = (day - followers.first_day).days
    return followers.stock[min(max(position, 0), len(followers.stock) - 1)]


def flow_on(account: Account, day: date) -> tuple[int, int] | None:
    """Followers gained and lost on a day; None outside the history."""
    position = account.followers.index(day)
    if position is None:
        return None
    return account.followers.gained[position], account.followers.lost[position]


def paid_part(gained: int) -> int:
    """How many of a day's new LinkedIn followers came from advertisements."""
    return gained // 9


def divide(total: int, shares: dict[str, float], salt: str) -> dict[str, int]:
    """A stock over buckets, each account with a leaning of its own; empty buckets are left out."""
    found = {value: round(total * share * (0.8 + 0.4 * fraction(salt, value))) for value, share in shares.items()}
    return {value: followers for value, followers in found.items() if followers > 0}


def fraction(*parts: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def linkedin_facet(account: Account, dimension: str, at: datetime) -> dict[str, int]:
    """Followers by one facet, keyed by the code as sent."""
    return divide(stock_at(account, at), LINKEDIN_FACETS[dimension][2], account.account_id)


def instagram_demographics(account: Account, breakdown: str, at: datetime) -> dict[tuple[str, ...], int]:
    """Followers by `age`, `gender`, `age,gender`, `city` or `country`; empty below the threshold."""
    total = stock_at(account, at)
    if total < THRESHOLD:
        return {}
    if breakdown == "age,gender":
        ages = divide(round(total * 0.93), AGES, account.account_id)
        crossed = {
            (age, gender): round(count * share) for age, count in ages.items() for gender, share in GENDERS.items()
        }
        return {values: count for values, count in crossed.items() if count > 0}
    shares = {"age": AGES, "gender": GENDERS, "city": CITIES, "country": COUNTRIES}[breakdown]
    return {(value,): count for value, count in divide(total, shares, account.account_id).items()}


def facebook_geography(account: Account, metric: str, day: date) -> dict[str, int]:
    """The stock of a page's followers by city or country at the end of a Pacific day."""
    shares = CITIES if metric == "page_follows_city" else COUNTRIES
    return divide(stock_on(account, day), shares, account.account_id)
