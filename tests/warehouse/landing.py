"""Raw rows made by hand: what the extractors would have landed, in the form of the vendors' own samples."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Payload = Mapping[str, Any]

AS_OF = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose rows they are."""

    business_id: int
    platform: str
    account_id: str


LINKEDIN = Account(1, "linkedin", "2414183")
TWITTER = Account(1, "twitter", "2244994945")
FACEBOOK = Account(1, "facebook", "102030405060708")
INSTAGRAM = Account(1, "instagram", "17841405309211844")
OTHER_INSTAGRAM = Account(2, "instagram", "17841499999999999")
ACCOUNTS = (LINKEDIN, TWITTER, FACEBOOK, INSTAGRAM, OTHER_INSTAGRAM)


def land_accounts(connection: psycopg.Connection) -> None:
    """Enter two businesses in two time zones with their accounts."""
    connection.execute(
        "insert into ops.businesses (business_id, name, timezone) values (1, 'Acme', 'Europe/Berlin'),"
        " (2, 'Beta', 'America/New_York')"
    )
    for account in ACCOUNTS:
        connection.execute(
            "insert into ops.accounts (business_id, platform, account_id, credential) values (%s, %s, %s, 'none')",
            (account.business_id, account.platform, account.account_id),
        )


def land(
    connection: psycopg.Connection,
    account: Account,
    stream: str,
    rows: Mapping[str, Payload],
    *,
    at: datetime = AS_OF,
    gate: str = "passed",
) -> uuid.UUID:
    """Land one finished run of a stream: record key to payload, all observed at one instant."""
    run_id = uuid.uuid4()
    full_name = f"{account.platform}__{stream}"
    connection.execute(
        "insert into ops.extract_runs (run_id, business_id, platform, account_id, stream, state, gate, as_of,"
        " window_until, lease_expires_at, listed, stored, started_at, finished_at)"
        " values (%s, %s, %s, %s, %s, 'complete', %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(run_id, account.business_id, account.platform, account.account_id, full_name, gate),
            *(at, at, at, len(rows), len(rows), at, at),
        ),
    )
    for record_key, payload in rows.items():
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).digest()
        connection.execute(
            f"insert into raw.{full_name} values (%s, %s, %s, %s, %s, %s, %s)",
            (run_id, account.business_id, account.account_id, record_key, at, digest, Jsonb(dict(payload))),
        )
    return run_id


def linkedin_post(published: datetime, commentary: str = "Hello", **fields: Any) -> Payload:
    """One element of /rest/posts."""
    milliseconds = int(published.timestamp() * 1000)
    return {
        "author": "urn:li:organization:2414183",
        "commentary": commentary,
        "createdAt": milliseconds,
        "publishedAt": milliseconds,
        "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED"},
        **fields,
    }


def linkedin_statistics(**counts: Any) -> Payload:
    """One element of organizationalEntityShareStatistics."""
    return {"totalShareStatistics": counts}


def tweet(post_id: str, created_at: str, text: str = "Hello", **fields: Any) -> Payload:
    """One post of a timeline, with the added includes."""
    author = {"id": TWITTER.account_id, "name": "Acme Data", "username": "acmedata"}
    includes = {"users": [author], **fields.pop("includes", {})}
    return {"id": post_id, "text": text, "created_at": created_at, "includes": includes, **fields}


def public_metrics(impressions: int, likes: int, replies: int, reposts: int, quotes: int, bookmarks: int) -> Payload:
    """X's public counters, in the legacy spelling."""
    return {
        "impression_count": impressions,
        "like_count": likes,
        "reply_count": replies,
        "retweet_count": reposts,
        "quote_count": quotes,
        "bookmark_count": bookmarks,
    }


def insights(**values: Any) -> Payload:
    """Meta's nested insights."""
    return {
        "data": [{"name": name, "period": "lifetime", "values": [{"value": value}]} for name, value in values.items()]
    }


def instagram_media(timestamp: str, media_type: str = "IMAGE", product: str = "FEED", **fields: Any) -> Payload:
    """One media object."""
    return {
        "media_type": media_type,
        "media_product_type": product,
        "permalink": "https://www.instagram.com/p/x/",
        "timestamp": timestamp,
        **fields,
    }


def gains(start: datetime, organic: int, paid: int) -> Payload:
    """One day of LinkedIn's follower gains."""
    return {
        "timeRange": {"start": int(start.timestamp() * 1000), "end": int(start.timestamp() * 1000) + 86_400_000},
        "followerGains": {"organicFollowerGain": organic, "paidFollowerGain": paid},
    }
