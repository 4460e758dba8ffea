"""The seeded generator: the same seed, anchor and scale give the same world, byte for byte."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from simulator.cast import Company, Part
from simulator.days import DAY, platform_day
from simulator.model import Account, Followers, Post, PostKind, Segment, Sketch, Tag
from simulator.specials import SPECIALS, Special
from simulator.wire import Spelled, facebook, instagram, linkedin, twitter
from simulator.words import LINKS, VOCABULARIES, Vocabulary, choose_tags, compose

TAG_LIFT = 1.5
TAG_HARM = 0.65
UNSHARED = 0.1
"""Share of the posts that nobody passes on: Facebook leaves their `shares` out."""
PAST = timedelta(days=200)
FUTURE = timedelta(days=60)
FOLLOWER_HISTORY = timedelta(days=430)
SPELL: dict[str, Callable[[Sketch, random.Random], Spelled]] = {
    "linkedin": linkedin.spell,
    "twitter": twitter.spell,
    "facebook": facebook.spell,
    "instagram": instagram.spell,
}
TYPES = {
    "linkedin": {"text": 18, "image": 27, "carousel": 10, "video": 15, "link": 18, "document": 7, "poll": 5},
    "twitter": {"text": 37, "image": 20, "carousel": 8, "video": 12, "link": 20, "poll": 3},
    "facebook": {"text": 14, "image": 33, "carousel": 13, "video": 14, "reel": 11, "link": 15},
    "instagram": {"image": 45, "carousel": 25, "reel": 25, "video": 5},
}
KINDS: dict[str, dict[PostKind, int]] = {
    "linkedin": {"own": 92, "reshare": 4, "dark": 3, "draft": 1},
    "twitter": {"own": 70, "quote": 6, "reply": 14, "retweet": 10},
    "facebook": {"own": 100},
    "instagram": {"own": 98, "ad": 2},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when posts appear, and how many of them: 1.0 is the full world."""

    anchor: datetime
    scale: float

    @property
    def first(self) -> date:
        """The first day with posts."""
        return (self.anchor - PAST).date()

    @property
    def last(self) -> date:
        """The last day with posts, after the anchor."""
        return (self.anchor + FUTURE).date()


def make_followers(part: Part, span: Span, rng: random.Random) -> Followers:
    """Follower history of an account, day by day, from well before the first post to beyond the last."""
    first = platform_day(part.platform, span.anchor - FOLLOWER_HISTORY)
    count = (platform_day(part.platform, span.anchor + FUTURE) - first).days + 5
    level = round(part.followers * 0.7) if part.daily_gain else part.followers
    gained, lost, stock = [], [], []
    for _ in range(count):
        plus = round(rng.lognormvariate(0, 0.5) * part.daily_gain * part.followers * 1.6)
        minus = round(rng.random() * part.daily_gain * part.followers)
        level += plus - minus
        gained.append(plus)
        lost.append(minus)
        stock.append(level)
    return Followers(first_day=first, gained=tuple(gained), lost=tuple(lost), stock=tuple(stock))


def make_account(company: Company, part: Part, span: Span, seed: int) -> Account:
    """The account of a part."""
    rng = random.Random(f"{seed}:{part.account_id}:followers")
    return Account(
        business_id=company.business_id,
        platform=part.platform,
        account_id=part.account_id,
        credential=part.credential,
        name=part.name,
        handle=part.handle,
        timezone=company.timezone,
        created_at=datetime(2019, 3, 1, 9, tzinfo=UTC) + timedelta(days=rng.randrange(900)),
        followers=make_followers(part, span, rng),
    )


def make_posts(part: Part, account: Account, span: Span, seed: int) -> tuple[Post, ...]:
    """Everything the account will ever publish, newest first."""
    rng = random.Random(f"{seed}:{account.account_id}:posts")
    sketches = [*_special_sketches(account, span), *_ordinary_sketches(part, account, span, rng)]
    taken: set[datetime] = set()
    posts = []
    for number, sketch in enumerate(sorted(sketches, key=lambda one: one.published_at)):
        at = sketch.published_at
        while at in taken:
            at += timedelta(seconds=1)
        taken.add(at)
        posts.append(make_post(part, replace(sketch, number=number, published_at=at), rng))
    return tuple(sorted(posts, key=lambda one: one.created_at, reverse=True))


def _special_sketches(account: Account, span: Span) -> Iterator[Sketch]:
    for special in SPECIALS:
        if account.platform in special.platforms:
            for at in special.instants(ZoneInfo(account.timezone), span.anchor):
                yield _special_sketch(special, account, at)


def _special_sketch(special: Special, account: Account, at: datetime) -> Sketch:
    return Sketch(
        account=account,
        number=0,
        published_at=at,
        kind=special.kind,
        content_type=special.content_type,
        segments=special.segments,
        long=special.long,
        marked_tags=special.marked_tags,
    )


def _ordinary_sketches(part: Part, account: Account, span: Span, rng: random.Random) -> Iterator[Sketch]:
    zone = ZoneInfo(account.timezone)
    day = span.first
    while day <= span.last:
        weekend = 0.5 if day.isoweekday() >= 6 else 1.1
        for _ in range(_poisson(part.posts_per_day * weekend * span.scale * 1.12, rng)):
            local = datetime.combine(day, time(rng.choice(part.hours), rng.randrange(60), rng.randrange(60)), zone)
            yield _ordinary_sketch(account, local.astimezone(UTC), rng)
        day += DAY


def _poisson(mean: float, rng: random.Random) -> int:
    """Arrivals of a day: exponential gaps that fit into it."""
    count, spent = 0, rng.expovariate(1.0)
    while spent < mean:
        count += 1
        spent += rng.expovariate(1.0)
    return count


def _ordinary_sketch(account: Account, at: datetime, rng: random.Random) -> Sketch:
    kinds, types = KINDS[account.platform], TYPES[account.platform]
    kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    content_type = rng.choices(list(types), weights=list(types.values()))[0]
    if kind in ("quote", "reshare", "reply", "retweet"):
        content_type = "text"
    long = account.platform == "twitter" and kind == "own" and rng.random() < 0.07
    if long and content_type not in ("text", "link"):
        content_type = "text"
    return Sketch(
        account=account,
        number=0,
        published_at=at,
        kind=kind,
        content_type=content_type,
        segments=_segments(account, kind, content_type, rng, long=long),
        long=long,
        marked_tags=rng.random() < 0.85,
    )


def _segments(
    account: Account, kind: PostKind, content_type: str, rng: random.Random, *, long: bool
) -> tuple[Segment, ...] | None:
    """The words of a post; None where the platform sends no text field at all."""
    vocabulary = VOCABULARIES[account.business_id]
    if account.platform in ("facebook", "instagram") and content_type != "text" and rng.random() < 0.06:
        return None
    if kind == "reshare" and rng.random() < 0.5:
        return ()
    link = rng.choice(LINKS) if _writes_link(account.platform, content_type) else None
    return compose(vocabulary, choose_tags(vocabulary, rng), rng, link=link, long=long)


def _writes_link(platform: str, content_type: str) -> bool:
    """Whether the address stands in the text: on X a link is nothing else."""
    return content_type == "link" and platform in ("twitter", "facebook")


def folded_tags(segments: tuple[Segment, ...] | None) -> tuple[str, ...]:
    """The hashtags of a text: NFC, case-folded, each once, those with a letter."""
    tags = {unicodedata.normalize("NFC", one.spelling).casefold() for one in segments or () if isinstance(one, Tag)}
    return tuple(sorted(tag for tag in tags if any(unicodedata.category(letter)[0] == "L" for letter in tag)))


def make_post(part: Part, sketch: Sketch, rng: random.Random) -> Post:
    """A sketch spelled in its platform's words, with its counters."""
    spelled = SPELL[part.platform](sketch, rng)
    tags = folded_tags(sketch.segments)
    totals = draw_totals(part, sketch, tags, spelled, rng)
    quiet = part.platform == "linkedin" and sketch.number % 37 == 11
    if quiet:
        totals = dict.fromkeys(totals, 0)
    elif part.platform == "linkedin" and sketch.number % 53 == 7:
        totals["likes"] = -1
    return Post(
        account=sketch.account,
        post_id=spelled.post_id,
        kind=sketch.kind,
        content_type=sketch.content_type,
        created_at=spelled.created_at,
        published_at=sketch.published_at,
        text=spelled.text,
        permalink=spelled.permalink,
        hashtags=tags,
        payload=spelled.payload,
        totals=totals,
        tau=timedelta(hours=rng.uniform(14, 22)),
        likes_withdrawn=withdrawn(totals["likes"], rng),
        media=spelled.media,
        without_reach=part.platform == "linkedin" and (sketch.content_type == "video" or rng.random() < 0.1),
        without_insights=part.platform == "facebook" and sketch.number % 61 == 13,
    )


def withdrawn(likes: int, rng: random.Random) -> int:
    """How many likes are taken back: of most posts none, of some up to a twentieth."""
    return round(likes * rng.uniform(0.03, 0.06)) if rng.random() < 0.12 and likes > 20 else 0


def effect(part: Part, vocabulary: Vocabulary, sketch: Sketch, tags: tuple[str, ...]) -> float:
    """What is planted: how much more than usual people engage with this post."""
    hour = sketch.published_at.astimezone(ZoneInfo(sketch.account.timezone)).hour
    factor = part.hour_effect if hour == part.best_hour else 1.0
    factor *= part.type_effect.get(sketch.content_type, 1.0)
    for tag in tags:
        factor *= TAG_LIFT if tag in _folded(vocabulary.lifting) else 1.0
        factor *= TAG_HARM if tag in _folded(vocabulary.harming) else 1.0
    return factor


def _folded(tags: tuple[str, ...]) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFC", tag).casefold() for tag in tags)


def draw_totals(
    part: Part, sketch: Sketch, tags: tuple[str, ...], spelled: Spelled, rng: random.Random
) -> dict[str, int]:
    """The counters of a post at the end of its growth."""
    lift = effect(part, VOCABULARIES[sketch.account.business_id], sketch, tags)
    impressions = max(3, round(part.followers * rng.lognormvariate(-1.2, 0.45)))
    reacted = impressions * min(0.4, rng.lognormvariate(-3.6, 0.3) * lift)
    totals = {
        "impressions": impressions,
        "likes": round(reacted * 0.78),
        "comments": round(reacted * 0.12 * rng.uniform(0.5, 1.5)),
        "clicks": round(impressions * rng.lognormvariate(-4.2, 0.5)),
    }
    shares = 0 if rng.random() < UNSHARED else round(reacted * 0.10 * rng.uniform(0.3, 1.7))
    match part.platform:
        case "twitter":
            more = _x_totals(impressions, shares, spelled, rng)
        case "linkedin":
            more = {"shares": shares, "reach": round(impressions * rng.uniform(0.6, 0.8))}
        case platform:
            more = _meta_totals(platform, sketch, impressions, shares, rng)
    return totals | more


def _x_totals(impressions: int, shares: int, spelled: Spelled, rng: random.Random) -> dict[str, int]:
    totals = {
        "reposts": shares,
        "quotes": round(shares * 0.2),
        "saves": round(impressions * 0.002 * rng.random()),
        "profile_clicks": round(impressions * 0.004 * rng.random()),
    }
    if any(media["type"] == "video" for media in spelled.media):
        totals["video_views"] = round(impressions * rng.uniform(0.2, 0.5))
    return totals


def _meta_totals(platform: str, sketch: Sketch, impressions: int, shares: int, rng: random.Random) -> dict[str, int]:
    moving = sketch.content_type in ("video", "reel")
    views = round(impressions * rng.uniform(0.3, 0.7)) if moving else 0
    totals = {
        "shares": shares,
        "reach": round(impressions * rng.uniform(0.55, 0.75)),
        "video_views": views,
        "watch_ms": views * rng.randrange(2_500, 9_500),
    }
    if platform == "instagram":
        totals["saves"] = round(impressions * 0.006 * rng.random())
        totals["follows"] = round(impressions * 0.001 * rng.random())
    return totals
