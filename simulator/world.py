"""The simulated world: businesses, posts, credentials, planted truths, and the oracle over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator import competitors, meta_plan, plan, rivals, truth
from simulator.cast import COMPANIES, Company, Part
from simulator.generate import TAG_HARM, TAG_LIFT, Span, folded_tags, make_account, make_posts
from simulator.model import Account, Business, Credential, Json, Planted, Post, Tag
from simulator.wire import twitter
from simulator.words import VOCABULARIES

CREDENTIAL_KIND = {"linkedin": "organization_admin", "twitter": "user"}
CONNECTION_TYPE = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything there is, at all times; what can be seen of it depends on the clock.

    `posts` holds the posts of each account (keyed by platform and id), newest first, including those after the anchor.
    """

    seed: int
    anchor: datetime
    scale: float
    businesses: tuple[Business, ...]
    credentials: Mapping[str, Credential]
    app_only_token: str = field(repr=False)
    posts: Mapping[tuple[str, str], tuple[Post, ...]] = field(repr=False)
    by_id: Mapping[tuple[str, str], Post] = field(repr=False)
    planted: tuple[Planted, ...] = field(repr=False)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All accounts of all businesses."""
        return tuple(account for business in self.businesses for account in business.accounts)

    def account(self, platform: str, account_id: str) -> Account | None:
        """One account, None when the world has none of that id."""
        return next((one for one in self.accounts if one.key == (platform, account_id)), None)

    def listed(self, account: Account, at: datetime) -> list[Post]:
        """What the account has written by an instant, newest first, drafts and replies and all."""
        return [post for post in self.posts[account.key] if post.is_there(at)]

    def post(self, platform: str, post_id: str) -> Post | None:
        """One post by its platform's id."""
        return self.by_id.get((platform, post_id))

    def after(self, *changed: Post) -> World:
        """The same world with some posts replaced, or added where their id is new."""
        posts, by_id = dict(self.posts), dict(self.by_id)
        for post in changed:
            key = post.account.key
            kept = [one for one in posts[key] if one.post_id != post.post_id]
            posts[key] = tuple(sorted([*kept, post], key=lambda one: one.created_at, reverse=True))
            by_id[key[0], post.post_id] = post
        return replace(self, posts=posts, by_id=by_id)

    def after_deletion(self, platform: str, post_ids: Iterable[str], at: datetime) -> World:
        """The world in which some posts are deleted at an instant. KeyError for an id that nobody has."""
        return self.after(*(replace(self.by_id[platform, one], gone_at=at) for one in post_ids))

    def after_edit(self, post_id: str, at: datetime, text: str) -> World:
        """The world in which a post of X is edited: a new version with an id of its own takes its place."""
        before = self.by_id["twitter", post_id]
        return self.after(replace(before, gone_at=at, is_replaced=True), twitter.edited(before, at, text))

    def accounts_yaml(self) -> str:
        """A valid accounts.yml of this world."""
        lines = ["businesses:"]
        for business in self.businesses:
            lines += [
                f"  - business_id: {business.business_id}",
                f"    name: {business.name}",
                f"    timezone: {business.timezone}",
                "    accounts:",
            ]
            lines += [
                f'      - {{platform: {one.platform}, account_id: "{one.account_id}", credential: {one.credential}}}'
                for one in business.accounts
            ]
            others = [*rivals.names(business.business_id), *competitors.names(business.business_id)]
            lines += ["    competitors:", *others] if others else []
        return "\n".join(lines) + "\n"

    def environment(self, *, refreshable: bool = False) -> dict[str, str]:
        """The credentials as Airflow reads them from the environment, in JSON form: AIRFLOW_CONN_<ID>.

        `refreshable` adds what a refresh needs, where the platform knows refreshing.
        """
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps(
                {"conn_type": CONNECTION_TYPE, "password": one.token}
                | ({"extra": extra_of(one)} if refreshable and one.refresh_token else {})
            )
            for name, one in self.credentials.items()
        }

    def expected_posts(
        self, observed_at: Sequence[datetime], *, lookback: timedelta = truth.LOOKBACK
    ) -> list[dict[str, Any]]:
        """The oracle of `marts.post_performance`: see `truth.expected_posts`."""
        return truth.expected_posts(self.accounts, self.posts, observed_at, lookback=lookback)

    def expected_account_daily(self, observed_at: Sequence[datetime]) -> list[dict[str, Any]]:
        """The oracle of the accounts' daily series: see `truth.expected_account_daily`."""
        return truth.expected_account_daily(self.accounts, self.posts, observed_at)

    def expected_demographics(self, observed_at: Sequence[datetime]) -> list[dict[str, Any]]:
        """The oracle of `marts.audience_demographics`: see `truth.expected_demographics`."""
        return truth.expected_demographics(self.accounts, observed_at)

    def minimum_calls(
        self, at: datetime, *, first_run: bool, windows: plan.Windows | None = None, before: datetime | None = None
    ) -> dict[str, int]:
        """The fewest requests per platform that read all streams: see `plan.minimum_calls` and `meta_plan.more_calls`.

        `before`: when a later run's predecessor looked; the same instant when not said, so that nothing has moved.
        """
        calls = plan.minimum_calls(self.accounts, self.posts, at, first_run=first_run, windows=windows, before=before)
        seen = None if first_run else before or at
        world = (self.seed, self.anchor)
        more = meta_plan.more_calls(self.accounts, self.posts, self.rivals, world, at, seen)
        return {platform: count + more.get(platform, 0) for platform, count in calls.items()}

    @property
    def rivals(self) -> Mapping[tuple[str, str], rivals.Rival]:
        """The competitors by platform and handle."""
        return rivals.rivals(self.seed, self.anchor, self.scale)


def build_world(*, seed: int = 7, anchor: datetime, scale: float = 1.0) -> World:
    """The world of a seed. `anchor` (aware) is its first now; `scale` 1.0 gives over 2,200 organic posts before it."""
    if anchor.tzinfo is None:
        raise ValueError(f"anchor must carry an offset, got {anchor.isoformat()}")
    span = Span(anchor=anchor.astimezone(UTC).replace(microsecond=0), scale=scale)
    businesses, posts = [], {}
    for company in COMPANIES:
        accounts = tuple(make_account(company, part, span, seed) for part in company.parts)
        businesses.append(
            Business(business_id=company.business_id, name=company.name, timezone=company.timezone, accounts=accounts)
        )
        for part, account in zip(company.parts, accounts, strict=True):
            posts[account.key] = make_posts(part, account, span, seed)
    return World(
        seed=seed,
        anchor=span.anchor,
        scale=scale,
        businesses=tuple(businesses),
        credentials={one.name: one for company in COMPANIES for one in make_credentials(company, seed)},
        app_only_token=make_token("AAAAAAAAAAAAAAAAAAAAA", "app-only", seed),
        posts=posts,
        by_id={(post.account.platform, post.post_id): post for several in posts.values() for post in several},
        planted=tuple(planted(COMPANIES, posts)),
    )


def make_token(prefix: str, name: str, seed: int) -> str:
    """A token that is recognisable as one, the same for a seed."""
    return prefix + hashlib.sha256(f"{seed}:{name}:token".encode()).hexdigest()[:48]


def extra_of(credential: Credential) -> dict[str, str]:
    """What the connection of a refreshable credential holds besides its token."""
    return {name: getattr(credential, name) for name in ("refresh_token", "client_id", "client_secret")}


def make_credentials(company: Company, seed: int) -> list[Credential]:
    """One credential per name in the cast; the Meta one is a system user's or a Page's token."""
    found = []
    for name in sorted({part.credential for part in company.parts}):
        parts = [part for part in company.parts if part.credential == name]
        kind: Any = CREDENTIAL_KIND.get(parts[0].platform, company.meta_kind)
        pages = {
            part.account_id: make_token("EAAGpage", part.account_id, seed)
            for part in parts
            if part.platform == "facebook"
        }
        prefix = {"linkedin": "AQX", "twitter": "bWRWa3gz"}.get(parts[0].platform, "EAAGsystem")
        token = next(iter(pages.values())) if kind == "page" else make_token(prefix, name, seed)
        opened = frozenset((part.platform, part.account_id) for part in parts)
        app = make_app(name, seed) if parts[0].platform in CREDENTIAL_KIND else {}
        found.append(Credential(name=name, kind=kind, token=token, accounts=opened, page_tokens=pages, **app))
    return found


def make_app(credential: str, seed: int) -> dict[str, str]:
    """The first refresh token of a credential, and the app it was given to."""
    return {
        "refresh_token": make_token("AQW", f"{credential}:refresh", seed),
        "client_id": make_token("app", f"{credential}:app", seed)[:24],
        "client_secret": make_token("WPL_AP1.", f"{credential}:secret", seed),
    }


def planted(companies: Iterable[Company], posts: Mapping[tuple[str, str], tuple[Post, ...]]) -> Iterable[Planted]:
    """What the generator put into the numbers, as data."""
    for company in companies:
        for part in company.parts:
            yield from _planted_in(company, part, posts[part.platform, part.account_id])


def _planted_in(company: Company, part: Part, posts: tuple[Post, ...]) -> Iterable[Planted]:
    common: Json = {
        "business_id": company.business_id,
        "platform": part.platform,
        "account_id": part.account_id,
    }
    yield Planted(**common, kind="hour", value=part.best_hour, effect=part.hour_effect)
    for content_type in sorted({post.content_type for post in posts if post.is_organic}):
        yield Planted(**common, kind="content_type", value=content_type, effect=part.type_effect.get(content_type, 1.0))
    vocabulary = VOCABULARIES[company.business_id]
    effects = dict.fromkeys(vocabulary.lifting, TAG_LIFT) | dict.fromkeys(vocabulary.harming, TAG_HARM)
    for tag in vocabulary.tags:
        (folded,) = folded_tags((Tag(tag),))
        yield Planted(**common, kind="hashtag", value=folded, effect=effects.get(tag, 1.0))
