"""Every Instagram metric that is asked for, by the object that has it: the allow-list of v26.0.

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/reference/instagram-media/insights (media) and
/instagram-user/insights (account). A name that an object does not have fails its whole call, hence one list each.

Left out, though alive. Feed posts: `follows`, `profile_visits`, `profile_activity` (reels refuse them, so every post
would need a call of its own; no mart shows them). Reels: `reposts`, `reels_skip_rate` (no mart shows them),
`crossposted_views` (fails where nothing is crossposted). Stories: `profile_activity` (a further call for each),
`reposts` (gone in a day). All: `facebook_views`, `total_views`, `total_likes`, `total_comments` (paid and Facebook's
numbers mixed in; they fail on many media). Children of a carousel have no metrics.
"""

from __future__ import annotations

# What feed posts and reels share; it comes nested with the list.
MEDIA = ("views", "reach", "likes", "comments", "saved", "shares", "total_interactions")
REELS = ("ig_reels_avg_watch_time", "ig_reels_video_view_total_time")
NAVIGATION = "navigation"
# Navigation needs a breakdown, and a call, of its own; it is last, so that a refusal by position counts the others.
STORY = (
    "views",
    "reach",
    "replies",
    "shares",
    "total_interactions",
    "follows",
    "profile_visits",
    "link_clicks",
    NAVIGATION,
)

DAY_SERIES = ("reach", "follower_count")
DAY_TOTALS = (
    "views",
    "accounts_engaged",
    "total_interactions",
    "likes",
    "comments",
    "saves",
    "shares",
    "replies",
    "profile_views",
    "website_clicks",
)
FOLLOWS = ("follows_and_unfollows",)
DEMOGRAPHICS = ("follower_demographics",)
