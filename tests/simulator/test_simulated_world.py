"""The world is the same for a seed, big enough, and holds what pipelines have tripped over."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml

from simulator.growth import counter, counters
from simulator.model import PLATFORMS
from simulator.world import World, build_world
from tests.simulator.conftest import ANCHOR


def test_the_same_seed_gives_the_same_world_and_another_seed_another(world: World) -> None:
    again, other = (build_world(seed=seed, anchor=ANCHOR, scale=0.12) for seed in (11, 12))

    assert again.expected_posts([ANCHOR]) == world.expected_posts([ANCHOR])
    assert again.expected_account_daily([ANCHOR]) == world.expected_account_daily([ANCHOR])
    assert again.environment() == world.environment()
    assert other.expected_posts([ANCHOR]) != world.expected_posts([ANCHOR])


def test_the_full_world_is_as_big_as_promised() -> None:
    full = build_world(anchor=ANCHOR)
    posts = full.expected_posts([ANCHOR])

    assert len(posts) >= 2_200
    assert len(full.accounts) >= 10
    assert {one.platform for one in full.accounts} == set(PLATFORMS)
    assert {one.timezone for one in full.businesses} == {"Europe/Berlin", "America/New_York", "Asia/Kathmandu"}
    per_platform = Counter((one.business_id, one.platform) for one in full.accounts)
    assert max(per_platform.values()) == 2
    span = max(one["published_at"] for one in posts) - min(one["published_at"] for one in posts)
    assert timedelta(days=198) < span < timedelta(days=202)
    later = full.expected_posts([ANCHOR, ANCHOR + timedelta(days=60)])
    assert len(later) > len(posts) + 400


def test_ids_are_unique_and_posts_of_an_account_never_share_an_instant(world: World) -> None:
    for account in world.accounts:
        posts = world.posts[account.key]
        assert len({post.post_id for post in posts}) == len(posts)
        assert len({post.published_at for post in posts}) == len(posts)
        assert [post.created_at for post in posts] == sorted((post.created_at for post in posts), reverse=True)


def test_every_content_type_and_kind_of_post_exists_even_in_a_small_world() -> None:
    small = build_world(anchor=ANCHOR, scale=0.01)
    past = [post for posts in small.posts.values() for post in posts if post.published_at <= ANCHOR]
    types = {(post.account.platform, post.content_type) for post in past if post.is_organic}

    assert {kind for platform, kind in types if platform == "linkedin"} == {
        "text",
        "image",
        "carousel",
        "video",
        "link",
        "document",
        "poll",
    }
    assert {kind for platform, kind in types if platform == "twitter"} == {
        "text",
        "image",
        "carousel",
        "video",
        "link",
        "poll",
    }
    assert {kind for platform, kind in types if platform == "facebook"} == {
        "text",
        "image",
        "carousel",
        "video",
        "reel",
        "link",
    }
    assert {kind for platform, kind in types if platform == "instagram"} == {"image", "carousel", "video", "reel"}
    assert {post.kind for post in past} == {"own", "quote", "reshare", "reply", "retweet", "dark", "draft", "ad"}


def test_texts_hold_what_breaks_pipelines(world: World) -> None:
    texts = [one["text"] for one in world.expected_posts([ANCHOR])]
    written = "\n".join(text for text in texts if text)

    assert None in texts
    assert "" in texts
    for needle in (
        '"',
        ",",
        "\n",
        "\t",
        "&amp; a smile",
        "مرحبا",
        "👨‍👩‍👧‍👦",
        "नेपाल",
        "=HYPERLINK",
        "Zu\u0308rich",
        "\\",
    ):
        assert needle in written


def test_hashtags_are_folded_counted_once_and_hold_a_letter(world: World) -> None:
    tags = {tag for one in world.expected_posts([ANCHOR]) for tag in one["hashtags"]}

    assert {"strasse", "zürich", "नेपाल", "データ", "data_mesh", "2026goals", "بيانات"} <= tags
    assert "2026" not in tags
    assert "1" not in tags
    assert all(tag == tag.casefold() for tag in tags)


def test_posts_lie_at_local_midnight_and_around_changes_of_the_clocks(world: World) -> None:
    local: dict[str, set[str]] = {}
    for one in world.expected_posts([ANCHOR]):
        zone = next(b.timezone for b in world.businesses if b.business_id == one["business_id"])
        at = one["published_at"].astimezone(ZoneInfo(zone))
        local.setdefault(zone, set()).add(f"{at:%m-%d %H:%M:%S%z}")

    assert all(any(" 00:00:00" in at for at in instants) for instants in local.values())
    assert all(any(" 23:59:59" in at for at in instants) for instants in local.values())
    assert {"11-01 01:30:00-0400", "11-01 01:30:00-0500"} <= local["America/New_York"]
    assert any(at.startswith("10-25 02:30:0") and at.endswith("+0100") for at in local["Europe/Berlin"])


def test_counters_rise_to_their_total_fall_only_for_a_few_likes_and_stand_still_after_27_days(world: World) -> None:
    post = next(one for posts in world.posts.values() for one in posts if one.likes_withdrawn)
    ages = [timedelta(hours=hours) for hours in (0, 1, 6, 24, 71, 73, 96, 24 * 27, 24 * 200)]
    impressions = [counter(post, "impressions", post.published_at + age) for age in ages]
    likes = [counter(post, "likes", post.published_at + age) for age in ages]

    assert impressions == sorted(impressions)
    assert impressions[0] == 0
    assert impressions[-1] == post.totals["impressions"]
    assert likes[5] < likes[4]
    assert counters(post, post.published_at + ages[-2]) == counters(post, post.published_at + ages[-1])


def test_planted_truths_are_data_with_an_effect_and_without(world: World) -> None:
    hours = [one for one in world.planted if one.kind == "hour"]
    tags = [one for one in world.planted if one.kind == "hashtag"]

    assert {one.value is None for one in hours} == {True, False}
    assert all((one.value is None) == (one.effect == 1.0) for one in hours)
    assert {one.effect > 1 for one in tags} == {True, False}
    assert any(one.kind == "content_type" and one.effect != 1 for one in world.planted)


def test_a_planted_hour_can_be_found_in_the_full_world() -> None:
    full = build_world(anchor=ANCHOR)
    planted = [one for one in full.planted if one.kind == "hour" and one.effect > 1]
    found = 0
    for truth in planted:
        account = full.account(truth.platform, truth.account_id)
        assert account is not None
        rates: dict[bool, list[float]] = {True: [], False: []}
        for post in full.posts[account.key]:
            hour = post.published_at.astimezone(ZoneInfo(account.timezone)).hour
            if post.is_organic and post.totals["impressions"]:
                rates[hour == truth.value].append(post.totals["likes"] / post.totals["impressions"])
        found += sum(rates[True]) / len(rates[True]) > 1.2 * sum(rates[False]) / len(rates[False])
    assert found == len(planted)


def test_the_accounts_file_names_every_account_and_its_credential(world: World) -> None:
    loaded = yaml.safe_load(world.accounts_yaml())
    accounts = [one for business in loaded["businesses"] for one in business["accounts"]]

    assert {(one["platform"], one["account_id"]) for one in accounts} == {one.key for one in world.accounts}
    assert {f"AIRFLOW_CONN_{one['credential'].upper()}" for one in accounts} == set(world.environment())


def test_an_anchor_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        build_world(anchor=datetime(2026, 11, 21))  # noqa: DTZ001  the mistake under test


def test_follower_history_reaches_back_over_400_days(world: World) -> None:
    for account in world.accounts:
        followers = account.followers
        assert len(followers.stock) >= 460
        assert followers.first_day <= (ANCHOR - timedelta(days=400)).date()
        moves = zip(followers.stock, followers.stock[1:], followers.gained[1:], followers.lost[1:], strict=False)
        assert all(after - before == gained - lost for before, after, gained, lost in moves)
    assert ANCHOR.tzinfo is UTC
