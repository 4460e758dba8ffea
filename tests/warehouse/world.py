"""One small world, with every case that the marts' definitions speak of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from tests.warehouse.landing import (
    AS_OF,
    FACEBOOK,
    INSTAGRAM,
    LINKEDIN,
    OTHER_INSTAGRAM,
    TWITTER,
    gains,
    insights,
    instagram_media,
    land,
    land_accounts,
    linkedin_post,
    linkedin_statistics,
    public_metrics,
    tweet,
)

YESTERDAY = AS_OF - timedelta(days=1)
TODAY = "2026-11-21"


def utc(*parts: int) -> datetime:
    """An instant in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def land_all(connection: psycopg.Connection) -> None:
    """Land the accounts and every run of the world."""
    land_accounts(connection)
    land_linkedin(connection)
    land_twitter(connection)
    land_facebook(connection)
    land_instagram(connection)


def land_linkedin(connection: psycopg.Connection) -> None:
    """Posts at both changes of Berlin's clocks, at a day's border, and what is no post."""
    media = {"media": {"id": "urn:li:video:D4E05"}}
    land(
        connection,
        LINKEDIN,
        "posts",
        {
            "urn:li:share:1": linkedin_post(
                utc(2026, 11, 20, 22, 59, 59),
                "Our {hashtag|\\#|AI} report \\(again\\) #data {hashtag|\\#|ai}",
                content={"article": {"source": "https://example.com"}},
            ),
            "urn:li:share:2": linkedin_post(utc(2026, 11, 20, 23, 0, 0), "Just after midnight"),
            "urn:li:ugcPost:3": linkedin_post(utc(2026, 10, 25, 0, 30), "before the clocks go back", content=media),
            "urn:li:share:4": linkedin_post(utc(2026, 10, 25, 1, 30), "after the clocks went back"),
            "urn:li:share:5": linkedin_post(utc(2026, 3, 29, 0, 59, 59), "before the clocks go forward"),
            "urn:li:share:6": linkedin_post(utc(2026, 3, 29, 1, 0), "", reshareContext={"parent": "urn:li:share:0"}),
            "urn:li:share:7": linkedin_post(utc(2026, 11, 1), "dark", distribution={"feedDistribution": "NONE"}),
            "urn:li:share:8": linkedin_post(utc(2026, 11, 1), "draft", lifecycleState="DRAFT"),
            "urn:li:share:9": {"lifecycleState": "PUBLISHED", "commentary": "undated", "createdAt": "soon"},
        },
    )
    land(
        connection,
        LINKEDIN,
        "post_metrics",
        {
            "urn:li:share:1": linkedin_statistics(
                impressionCount=2610,
                uniqueImpressionsCount=1874,
                clickCount=52,
                likeCount=31,
                commentCount=8,
                shareCount=6,
            ),
            "urn:li:share:2": linkedin_statistics(
                impressionCount=0, clickCount=4, likeCount=-1, commentCount=0, shareCount=0
            ),
            "urn:li:share:4": linkedin_statistics(impressionCount="many", likeCount="7", commentCount=None),
        },
    )
    midnight = utc(2026, 11, 18)
    land(
        connection,
        LINKEDIN,
        "account_daily",
        {
            f"{LINKEDIN.account_id}:follower_gains:2026-11-18": gains(midnight, 38, 2),
            f"{LINKEDIN.account_id}:follower_gains:2026-11-19": gains(midnight + timedelta(days=1), -4, 0),
            f"{LINKEDIN.account_id}:share_statistics:2026-11-18": linkedin_statistics(
                impressionCount=640, clickCount=14
            ),
            f"{LINKEDIN.account_id}:page_statistics:2026-11-18": {
                "totalPageStatistics": {"views": {"allPageViews": {"pageViews": 412}}}
            },
        },
    )
    for instant, followers in ((YESTERDAY, 990), (AS_OF, 1000)):
        land(
            connection,
            LINKEDIN,
            "profile",
            {
                f"{LINKEDIN.account_id}:organization:{instant:%Y-%m-%d}": {
                    "id": 2414183,
                    "localizedName": "Acme",
                    "vanityName": "acme",
                },
                f"{LINKEDIN.account_id}:network_size:{instant:%Y-%m-%d}": {"firstDegreeSize": followers},
            },
            at=instant,
        )
    seniorities = [("urn:li:seniority:4", 60), ("urn:li:seniority:99", 20)]
    land(
        connection,
        LINKEDIN,
        "audience",
        {
            f"{LINKEDIN.account_id}:follower_statistics:{TODAY}": {
                "followerCountsBySeniority": [
                    {"seniority": urn, "followerCounts": {"organicFollowerCount": count, "paidFollowerCount": 5}}
                    for urn, count in seniorities
                ],
                "followerCountsByStaffCountRange": [
                    {"staffCountRange": "SIZE_10001_OR_MORE", "followerCounts": {"organicFollowerCount": 21}}
                ],
                "followerCountsByGeoCountry": [
                    {"geo": "urn:li:geo:101282230", "followerCounts": {"organicFollowerCount": 90}}
                ],
            }
        },
    )


def land_twitter(connection: psycopg.Connection) -> None:
    """Two readings, the private clicks between them, both spellings, and what is no post."""
    video = {"media": [{"media_key": "13_1", "type": "video", "public_metrics": {"view_count": 6211}}]}
    photos = {"media": [{"media_key": "3_1", "type": "photo"}, {"media_key": "3_2", "type": "photo"}]}
    outside = {"urls": [{"url": "https://t.co/a", "expanded_url": "https://example.com/x"}]}
    quoted = {"urls": [{"url": "https://t.co/q", "expanded_url": "https://x.com/partner/status/1"}]}
    land(
        connection,
        TWITTER,
        "posts",
        {
            "101": tweet(
                "101", "2026-11-15T08:30:00.000Z", "Old words", public_metrics=public_metrics(100, 10, 1, 2, 0, 0)
            )
        },
        at=YESTERDAY,
    )
    land(
        connection,
        TWITTER,
        "post_metrics",
        {"101": {"id": "101", "non_public_metrics": {"url_link_clicks": 7}}},
        at=YESTERDAY + timedelta(minutes=1),
    )
    land(
        connection,
        TWITTER,
        "post_metrics",
        {"101": {"id": "101", "non_public_metrics": {"engagements": 9}}},
        at=AS_OF - timedelta(minutes=1),
    )
    land(
        connection,
        TWITTER,
        "posts",
        {
            "101": tweet(
                "101",
                "2026-11-15T08:30:00.000Z",
                "Our lab &amp; more #Data #data https://t.co/a",
                includes=video,
                attachments={"media_keys": ["13_1"]},
                entities=outside,
                public_metrics=public_metrics(200, 20, 3, 4, 1, 8),
            ),
            "102": tweet("102", "2022-01-05T08:30:00.000Z", public_metrics=public_metrics(0, 5, 0, 0, 0, 0)),
            "103": tweet(
                "103",
                "2026-11-14T08:30:00.000Z",
                "This https://t.co/q",
                referenced_posts=[{"type": "quoted", "id": "1"}],
                entities=quoted,
                public_metrics={"impression_count": 410, "like_count": 3, "repost_count": 2, "quote_count": 1},
            ),
            "104": tweet("104", "2026-11-13T08:30:00.000Z", "Link https://t.co/a", entities=outside),
            "105": tweet("105", "2026-11-12T08:30:00.000Z", "Photos", includes=photos),
            "106": tweet("106", "2026-11-11T08:30:00.000Z", "Poll", attachments={"poll_ids": ["1"]}),
            "107": tweet(
                "107", "2026-11-10T08:30:00.000Z", "@x yes", referenced_tweets=[{"type": "replied_to", "id": "1"}]
            ),
            "108": tweet("108", "2026-11-10T08:30:00.000Z", "@x yes", in_reply_to_user_id="1"),
            "109": tweet(
                "109", "2026-11-10T08:30:00.000Z", "RT @x: y", referenced_tweets=[{"type": "retweeted", "id": "1"}]
            ),
        },
    )
    for instant, followers in ((AS_OF - timedelta(days=8), 480), (YESTERDAY, 500), (AS_OF, 497)):
        land(
            connection,
            TWITTER,
            "profile",
            {
                f"{TWITTER.account_id}:user:{instant:%Y-%m-%d}": {
                    "id": TWITTER.account_id,
                    "name": "Acme Data",
                    "username": "acmedata",
                    "public_metrics": {"followers_count": followers},
                }
            },
            at=instant,
        )


def land_facebook(connection: psycopg.Connection) -> None:
    """An album, a reel, a shared link, and one that is not published."""

    def attachment(**fields: object) -> dict[str, object]:
        return {"data": [fields]}

    def summary(count: int) -> dict[str, object]:
        return {"data": [], "summary": {"total_count": count}}

    land(
        connection,
        FACEBOOK,
        "posts",
        {
            "1_1": {
                "created_time": "2026-11-05T08:30:00+0000",
                "message": "Open day #openday #München",
                "permalink_url": "https://www.facebook.com/acme/posts/1",
                "is_published": True,
                "attachments": attachment(media_type="album", type="album", url="https://www.facebook.com/media"),
                "shares": {"count": 4},
                "reactions": summary(57),
                "comments": summary(9),
                "insights": insights(
                    post_media_view=2210, post_total_media_view_unique=1544, post_clicks=92, post_video_views="n/a"
                ),
            },
            "1_2": {
                "created_time": "2026-11-02T16:00:00+0000",
                "permalink_url": "https://www.facebook.com/reel/1234567890",
                "is_published": True,
                "attachments": attachment(
                    media_type="video", type="video_inline", url="https://www.facebook.com/reel/1"
                ),
                "comments": summary(0),
                "insights": insights(
                    post_reactions_by_type_total={"like": 2, "love": 1},
                    post_video_views=300,
                    post_video_view_time=45500,
                ),
            },
            "1_3": {
                "created_time": "2026-10-30T07:00:05+0000",
                "message": "Worth a read",
                "is_published": True,
                "attachments": attachment(media_type="link", type="share", url="https://l.facebook.com/l.php"),
                "insights": {"data": []},
            },
            "1_4": {"created_time": "2026-10-30T07:00:05+0000", "message": "later", "is_published": False},
        },
    )

    def daily(metric: str, day: str, value: int) -> tuple[str, dict[str, object]]:
        return f"{FACEBOOK.account_id}:{metric}:{day}", {"name": metric, "period": "day", "value": value}

    land(
        connection,
        FACEBOOK,
        "account_daily",
        dict(
            [
                daily("page_follows", "2026-11-18", 270),
                daily("page_follows", "2026-11-19", 273),
                daily("page_daily_follows_unique", "2026-11-19", 5),
                daily("page_daily_unfollows_unique", "2026-11-19", 2),
                daily("page_media_view", "2026-11-19", 310),
            ]
        ),
    )
    land(
        connection,
        FACEBOOK,
        "profile",
        {
            f"{FACEBOOK.account_id}:page:{day}": {"name": "Acme Data", "username": "acmedata", "followers_count": count}
            for day, count in (("2026-11-19", 9999), (TODAY, 275))
        },
    )
    land(
        connection,
        FACEBOOK,
        "audience",
        {f"{FACEBOOK.account_id}:page_follows_country:{TODAY}": {"value": {"DE": 141, "AT": 5, "XX": 4}}},
    )


def land_instagram(connection: psycopg.Connection) -> None:
    """A carousel, a reel with watch time, an image whose insights are silent, an ad, a story; and a second tenant."""
    land(
        connection,
        INSTAGRAM,
        "posts",
        {
            "i1": instagram_media(
                "2026-11-16T08:30:00+0000",
                "CAROUSEL_ALBUM",
                caption="Three takeaways #data #Zürich",
                like_count=84,
                comments_count=6,
                insights=insights(views=2105, reach=1410, likes=85, comments=7, saved=31, shares=3),
            ),
            "i2": instagram_media(
                "2026-11-17T17:00:12+0000",
                "VIDEO",
                "REELS",
                like_count=230,
                comments_count=14,
                insights={
                    "data": [
                        {"name": "views", "period": "lifetime", "total_value": {"value": 9120}},
                        {"name": "shares", "period": "lifetime", "values": [{"value": 0}]},
                    ]
                },
            ),
            "i3": instagram_media("2024-05-11T10:00:00+0000", like_count=12, comments_count=0, insights={"data": []}),
            "i4": instagram_media("2026-11-11T10:00:00+0000", product="AD"),
            "i5": instagram_media("2026-11-11T10:00:00+0000", product="STORY"),
        },
    )
    land(connection, INSTAGRAM, "post_metrics", {"i2": insights(ig_reels_video_view_total_time=47678166)})
    follows = {
        "dimension_keys": ["follow_type"],
        "results": [
            {"dimension_values": ["FOLLOWER"], "value": 17},
            {"dimension_values": ["NON_FOLLOWER"], "value": 20},
        ],
    }
    land(
        connection,
        INSTAGRAM,
        "account_daily",
        {
            f"{INSTAGRAM.account_id}:reach:2026-11-19": {"name": "reach", "period": "day", "value": 146},
            f"{INSTAGRAM.account_id}:follower_count:2026-11-19": {"name": "follower_count", "value": 17},
            f"{INSTAGRAM.account_id}:follower_count:2026-11-20": {"name": "follower_count", "value": 4},
            f"{INSTAGRAM.account_id}:views:2026-11-19": {"name": "views", "total_value": {"value": 6866}},
            f"{INSTAGRAM.account_id}:follows_and_unfollows:2026-11-19": {"total_value": {"breakdowns": [follows]}},
        },
    )
    ages = [(("18-24", "F"), 61), (("25-34", "M"), 39)]
    for name, dimensions, results in (
        ("age_gender", ["age", "gender"], ages),
        ("gender", ["gender"], [(("F",), 75), (("M",), 25)]),
    ):
        land(
            connection,
            INSTAGRAM,
            "audience",
            {
                f"{INSTAGRAM.account_id}:{name}:{TODAY}": {
                    "total_value": {
                        "breakdowns": [
                            {
                                "dimension_keys": dimensions,
                                "results": [
                                    {"dimension_values": list(keys), "value": count} for keys, count in results
                                ],
                            }
                        ]
                    }
                }
            },
        )
    land(
        connection,
        INSTAGRAM,
        "profile",
        {f"{INSTAGRAM.account_id}:account:{TODAY}": {"username": "acmedata", "followers_count": 4551}},
    )
    land(
        connection,
        OTHER_INSTAGRAM,
        "posts",
        {
            f"b{hour}": instagram_media(
                f"2026-11-18T{hour:02}:00:00+0000",
                like_count=likes,
                insights=insights(views=100, likes=likes, comments=0, shares=0),
            )
            for hour, likes in ((3, 5), (4, 8), (20, 8))
        },
    )
