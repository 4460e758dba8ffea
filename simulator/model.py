"""What the simulated world is made of: businesses, accounts, credentials, posts. All of it is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

PLATFORMS = ("linkedin", "twitter", "facebook", "instagram")

Json = dict[str, Any]
CredentialKind = Literal["organization_admin", "user", "app_only", "system_user", "page"]
PostKind = Literal["own", "quote", "reshare", "reply", "retweet", "dark", "draft", "ad", "story"]
ORGANIC: frozenset[PostKind] = frozenset({"own", "quote", "reshare"})


@dataclass(frozen=True, slots=True)
class Plain:
    """Ordinary words."""

    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A hashtag, spelled as the author did, without the hash."""

    spelling: str


@dataclass(frozen=True, slots=True)
class Link:
    """A web address."""

    url: str


@dataclass(frozen=True, slots=True)
class Mention:
    """Another account: its name as people read it, and its URN on LinkedIn."""

    name: str
    urn: str


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Words whose spelling on the wire does not follow from how they read (LinkedIn's own oddities)."""

    wire: str
    read: str


Segment = Plain | Tag | Link | Mention | Verbatim


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A post before a platform has spelled it: who, when, what kind, which words."""

    account: Account
    number: int
    published_at: datetime
    kind: PostKind
    content_type: str
    segments: tuple[Segment, ...] | None
    long: bool = False
    marked_tags: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One object that a platform lists, with the truth about it.

    `payload` is the wire form without metrics. `totals` are the counters after 27 days; `likes_withdrawn` of the likes
    are taken back three days after publication. `gone_at`: from then on the platform does not have it, because it was
    deleted, or (`is_replaced`) because an edit made a new version with an id of its own.
    """

    account: Account
    post_id: str
    kind: PostKind
    content_type: str
    created_at: datetime
    published_at: datetime
    text: str | None
    permalink: str
    hashtags: tuple[str, ...]
    payload: Json
    totals: Mapping[str, int]
    tau: timedelta
    likes_withdrawn: int = 0
    media: tuple[Json, ...] = ()
    without_reach: bool = False
    without_insights: bool = False
    gone_at: datetime | None = None
    is_replaced: bool = False

    def is_there(self, at: datetime) -> bool:
        """Whether the platform has it at an instant."""
        return self.created_at <= at and (self.gone_at is None or at < self.gone_at)

    @property
    def is_organic(self) -> bool:
        """Whether the marts hold it: the account's own publication, neither reply, repost, draft nor advertisement."""
        return self.kind in ORGANIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """Followers of an account by the platform's own days: `stock[i]` stands at the end of `first_day + i`."""

    first_day: date
    gained: tuple[int, ...]
    lost: tuple[int, ...]
    stock: tuple[int, ...]

    def index(self, day: date) -> int | None:
        """The position of a day, None outside the history."""
        position = (day - self.first_day).days
        return position if 0 <= position < len(self.stock) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account on one platform. `account_id` is what the platform calls it; `handle` stands in permalinks."""

    business_id: int
    platform: str
    account_id: str
    credential: str
    name: str
    handle: str
    timezone: str
    created_at: datetime
    followers: Followers = field(repr=False, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """Platform and id: what identifies an account in the world."""
        return self.platform, self.account_id

    @property
    def urn(self) -> str:
        """LinkedIn's name of the organization."""
        return f"urn:li:organization:{self.account_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """A tenant: its accounts and the time zone its days and hours are counted in."""

    business_id: int
    name: str
    timezone: str
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A token and the accounts it opens. A system user's token opens pages only through their Page tokens.

    One with a refresh token was given to the app of `client_id`.
    """

    name: str
    kind: CredentialKind
    token: str = field(repr=False)
    accounts: frozenset[tuple[str, str]]
    page_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    refresh_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A truth put into the world for statistics to find, or an absence that they must not fill.

    `effect` multiplies the engagement of the posts it concerns; 1.0 means that there is nothing to find.
    """

    business_id: int
    platform: str
    account_id: str
    kind: Literal["hour", "hashtag", "content_type"]
    value: str | int | None
    effect: float
