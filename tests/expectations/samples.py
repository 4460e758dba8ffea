"""Hand-made records of every stream, shaped like the vendors' documented answers."""

from __future__ import annotations

import copy
from typing import Any

Records = dict[str, dict[str, Any]]

ACCOUNT = "2414183"
URN = f"urn:li:organization:{ACCOUNT}"
DAY = "2026-10-05"
DAY_STARTS_MS = 1_791_158_400_000
DAY_ENDS_PACIFIC = "2026-10-06T07:00:00+0000"


def insight(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "period": "lifetime", "values": [{"value": value}]}


def total(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "period": "day", "title": name, "total_value": {"value": value}}


def breakdown(name: str, keys: list[str], results: list[tuple[list[str], int]]) -> dict[str, Any]:
    rows = [{"dimension_values": values, "value": value} for values, value in results]
    return {
        "name": name,
        "period": "lifetime",
        "total_value": {"breakdowns": [{"dimension_keys": keys, "results": rows}]},
    }


def followers(facet: str, value: str, organic: int) -> dict[str, Any]:
    return {facet: value, "followerCounts": {"organicFollowerCount": organic, "paidFollowerCount": 0}}


SHARE_STATISTICS = {
    "uniqueImpressionsCount": 1874,
    "shareCount": 6,
    "engagement": 0.037,
    "clickCount": 52,
    "likeCount": -1,  # an unlike of a sponsored like
    "impressionCount": 2610,
    "commentCount": 8,
}

GOOD: dict[str, Records] = {
    "linkedin__profile": {
        f"{ACCOUNT}:organization:{DAY}": {"id": int(ACCOUNT), "localizedName": "Devtestco", "vanityName": "devtestco"},
        f"{ACCOUNT}:network_size:{DAY}": {"firstDegreeSize": 219145},
    },
    "linkedin__posts": {
        "urn:li:share:7380871234567890001": {
            "id": "urn:li:share:7380871234567890001",
            "author": URN,
            "commentary": "Our report is out",
            "createdAt": 1791189000000,
            "publishedAt": 1791189000412,
            "lifecycleState": "PUBLISHED",
            "distribution": {"feedDistribution": "MAIN_FEED"},
        },
        "urn:li:share:7380871234567890002": {
            "id": "urn:li:share:7380871234567890002",
            "author": URN,
            "commentary": "",
            "createdAt": 1791189000000,
            "lifecycleState": "DRAFT",
        },
    },
    "linkedin__post_metrics": {
        "urn:li:share:7380871234567890001": {
            "totalShareStatistics": SHARE_STATISTICS,
            "share": "urn:li:share:7380871234567890001",
            "organizationalEntity": URN,
        },
        "urn:li:ugcPost:7380501234567890002": {
            "totalShareStatistics": {"clickCount": 4, "likeCount": 0},
            "ugcPost": "urn:li:ugcPost:7380501234567890002",
            "organizationalEntity": URN,
        },
    },
    "linkedin__post_reactions": {
        "urn:li:share:7380871234567890001": {
            "entity": "urn:li:share:7380871234567890001",
            "commentsState": "OPEN",
            "commentSummary": {"count": 8, "topLevelCount": 6},
            "reactionSummaries": {"LIKE": {"reactionType": "LIKE", "count": 24}},
        },
    },
    "linkedin__video_metrics": {
        "urn:li:ugcPost:7380501234567890002:VIDEO_VIEW": {
            "entity": "urn:li:ugcPost:7380501234567890002",
            "statisticsType": "VIDEO_VIEW",
            "value": 941,
            "timeRange": {"start": 1791100800000, "end": 1795046400000},
        },
    },
    "linkedin__comments": {
        "urn:li:comment:(urn:li:activity:7380871000000000000,7380900000000000001)": {
            "commentUrn": "urn:li:comment:(urn:li:activity:7380871000000000000,7380900000000000001)",
            "id": "7380900000000000001",
            "object": "urn:li:activity:7380871000000000000",
            "post": "urn:li:share:7380871234567890001",
            "created": {"time": 1791192600000},
            "message": {"text": "Great work, when is the next edition?"},
            "likesSummary": {"totalLikes": 3},
        },
    },
    "linkedin__competitors": {
        f"blue-bottle:profile:{DAY}": {
            "id": 998877,
            "localizedName": "Blue Bottle",
            "vanityName": "blue-bottle",
            "firstDegreeSize": 12_000,
        },
    },
    "linkedin__account_daily": {
        f"{ACCOUNT}:share_statistics:{DAY}": {
            "timeRange": {"start": DAY_STARTS_MS, "end": DAY_STARTS_MS + 86_400_000},
            "totalShareStatistics": SHARE_STATISTICS,
            "organizationalEntity": URN,
        },
        f"{ACCOUNT}:follower_gains:{DAY}": {
            "timeRange": {"start": DAY_STARTS_MS, "end": DAY_STARTS_MS + 86_400_000},
            "followerGains": {"organicFollowerGain": -4, "paidFollowerGain": 0},
            "organizationalEntity": URN,
        },
        f"{ACCOUNT}:page_statistics:{DAY}": {
            "timeRange": {"start": DAY_STARTS_MS, "end": DAY_STARTS_MS + 86_400_000},
            "totalPageStatistics": {
                "clicks": {"mobileCustomButtonClickCounts": []},
                "views": {"allPageViews": {"pageViews": 412, "uniquePageViews": 260}},
            },
            "organization": URN,
        },
    },
    "linkedin__audience": {
        f"{ACCOUNT}:follower_statistics:{DAY}": {
            "organizationalEntity": URN,
            "followerCountsBySeniority": [followers("seniority", "urn:li:seniority:4", 61234)],
            "followerCountsByGeoCountry": [followers("geo", "urn:li:geo:103644278", 90210)],
            "followerCountsByFunction": [],
        },
    },
    "twitter__profile": {
        f"{ACCOUNT}:user:{DAY}": {
            "id": ACCOUNT,
            "name": "Acme Data",
            "username": "acmedata",
            "public_metrics": {"followers_count": 583423, "following_count": 2048, "like_count": None},
        },
    },
    "twitter__posts": {
        "1975812345678901234": {
            "id": "1975812345678901234",
            "text": "Our lab in 60 seconds &amp; more #Data",
            "created_at": "2026-10-05T08:30:00.000Z",
            "author_id": ACCOUNT,
            "public_metrics": {"retweet_count": 50, "reply_count": 12, "like_count": 234, "impression_count": 15432},
            "includes": {"media": [{"media_key": "13_1", "type": "video", "public_metrics": {"view_count": 6211}}]},
        },
    },
    "twitter__post_metrics": {
        "1975812345678901234": {
            "id": "1975812345678901234",
            "created_at": "2026-10-05T08:30:00.000Z",
            "non_public_metrics": {"impression_count": 15980, "url_link_clicks": 89, "engagements": 745},
            "organic_metrics": {"impression_count": 15980, "like_count": 233, "url_link_clicks": 89},
        },
    },
    "twitter__comments": {
        "1975813000000000010": {
            "id": "1975813000000000010",
            "text": "love it ❤️",
            "created_at": "2026-10-05T08:33:00.000Z",
            "conversation_id": "1975812345678901234",
            "referenced_tweets": [{"type": "replied_to", "id": "1975812345678901234"}],
            "public_metrics": {"like_count": 4, "reply_count": 1},
        },
    },
    "twitter__competitors": {
        f"bluebottle:profile:{DAY}": {
            "id": "998877",
            "name": "Blue Bottle",
            "username": "bluebottle",
            "public_metrics": {"followers_count": 12_000, "tweet_count": 140},
        },
    },
    "facebook__profile": {
        f"{ACCOUNT}:page:{DAY}": {"id": ACCOUNT, "name": "Acme Data", "followers_count": 273, "fan_count": 260},
    },
    "facebook__posts": {
        f"{ACCOUNT}_122111222333444555": {
            "id": f"{ACCOUNT}_122111222333444555",
            "created_time": "2026-10-05T08:30:00+0000",
            "message": "Read ?access_token= in our docs",
            "is_published": True,
            "shares": {"count": 4},
            "reactions": {"data": [], "summary": {"total_count": 57}},
            "comments": {"data": [], "summary": {"total_count": 9}},
            "insights": {
                "data": [
                    insight("post_media_view", 2210),
                    insight("post_reactions_by_type_total", {"like": 44, "love": 11}),
                ]
            },
        },
        f"{ACCOUNT}_122111222333444001": {
            "id": f"{ACCOUNT}_122111222333444001",
            "created_time": "1925-10-02T16:00:00+0000",  # a life event, dated by its page
            "insights": {"data": [insight("post_reactions_by_type_total", {})]},
        },
    },
    "facebook__account_daily": {
        f"{ACCOUNT}:page_follows:{DAY}": {
            "name": "page_follows",
            "period": "day",
            "value": 271,
            "end_time": DAY_ENDS_PACIFIC,
        },
    },
    "facebook__audience": {
        f"{ACCOUNT}:page_follows_country:{DAY}": {
            "name": "page_follows_country",
            "period": "day",
            "value": {"DE": 141, "AT": 5},
            "end_time": DAY_ENDS_PACIFIC,
        },
    },
    "facebook__comments": {
        "122111222333444555_901": {
            "id": "122111222333444555_901",
            "post_id": f"{ACCOUNT}_122111222333444555",
            "parent_id": "122111222333444555_900",
            "message": "@member tomorrow",
            "created_time": "2026-10-05T09:20:00+0000",
            "like_count": 2,
            "comment_count": 0,
            "is_hidden": False,
            "is_owner": True,
        },
    },
    "facebook__competitors": {
        f"rival:profile:{DAY}": {"id": "998877", "name": "Rival Co", "followers_count": 4700, "fan_count": 4500},
        "rival:post:998877_1": {
            "id": "998877_1",
            "created_time": "2026-10-05T08:30:00+0000",
            "reactions": {"data": [], "summary": {"total_count": 57}},
            "comments": {"data": [], "summary": {"total_count": 9}},
            "shares": {"count": 4},
        },
    },
    "instagram__profile": {
        f"{ACCOUNT}:account:{DAY}": {
            "id": ACCOUNT,
            "username": "acmedata",
            "followers_count": 4551,
            "media_count": 378,
        },
    },
    "instagram__posts": {
        "18012345678901234": {
            "id": "18012345678901234",
            "caption": "Three takeaways",
            "media_type": "CAROUSEL_ALBUM",
            "media_product_type": "FEED",
            "timestamp": "2026-10-05T08:30:00+0000",
            "like_count": 84,
            "comments_count": 6,
            "insights": {"data": [insight("views", 2105), insight("saved", 31)]},
        },
        "17955555555555555": {
            "id": "17955555555555555",
            "media_type": "IMAGE",
            "timestamp": "2024-05-11T10:00:00+0000",
            "comments_count": 0,
        },
    },
    "instagram__post_metrics": {
        "18098765432109876": {
            "data": [insight("ig_reels_avg_watch_time", 9023), insight("ig_reels_video_view_total_time", 47678166)]
        },
    },
    "instagram__account_daily": {
        f"{ACCOUNT}:reach:{DAY}": {"name": "reach", "period": "day", "value": 146, "end_time": DAY_ENDS_PACIFIC},
        f"{ACCOUNT}:views:{DAY}": total("views", 6866),
        f"{ACCOUNT}:follows_and_unfollows:{DAY}": breakdown(
            "follows_and_unfollows", ["follow_type"], [(["FOLLOWER"], 17), (["NON_FOLLOWER"], 20)]
        ),
    },
    "instagram__audience": {
        f"{ACCOUNT}:age_gender:{DAY}": breakdown(
            "follower_demographics", ["age", "gender"], [(["18-24", "F"], 61), (["35-44", "U"], 9)]
        ),
    },
    "instagram__stories": {
        "18055555555555555": {
            "id": "18055555555555555",
            "media_type": "IMAGE",
            "media_product_type": "STORY",
            "timestamp": "2026-10-05T08:30:00+0000",
            "insights": {
                "data": [
                    insight("views", 310),
                    breakdown("navigation", ["story_navigation_action_type"], [(["tap_forward"], 19)]),
                ]
            },
        },
        "18055555555555556": {  # fewer than five people saw it
            "id": "18055555555555556",
            "media_type": "VIDEO",
            "timestamp": "2026-10-05T08:31:00+0000",
        },
    },
    "instagram__comments": {
        "17870000000000002": {
            "id": "17870000000000002",
            "post_id": "18012345678901234",
            "parent_id": "17870000000000001",
            "text": "@member thank you!",
            "timestamp": "2026-10-05T09:50:10+0000",
            "like_count": 1,
            "hidden": False,
            "is_owner": True,
        },
    },
    "instagram__competitors": {
        f"rival:profile:{DAY}": {"id": "17841401441775531", "username": "rival", "followers_count": 10234},
        "rival:post:18011111111111112": {  # likes are hidden
            "id": "18011111111111112",
            "media_type": "IMAGE",
            "timestamp": "2026-09-28T12:00:00+0000",
            "comments_count": 0,
        },
    },
}


def good(stream: str, account_id: str = ACCOUNT) -> Records:
    """Records of a stream as another account would have them."""
    text = copy.deepcopy(GOOD[stream])
    return {key.replace(ACCOUNT, account_id): owned(payload, account_id) for key, payload in text.items()}


def owned(payload: Any, account_id: str) -> Any:
    match payload:
        case dict():
            return {name: owned(value, account_id) for name, value in payload.items()}
        case list():
            return [owned(value, account_id) for value in payload]
        case str():
            return payload.replace(ACCOUNT, account_id)
        case int() if payload == int(ACCOUNT):
            return int(account_id)
        case _:
            return payload
