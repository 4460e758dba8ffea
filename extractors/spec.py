"""What a platform is, as data. The classes refuse nonsense when they are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from extractors.errors import PipelineError

Json = dict[str, Any]
Params = Mapping[str, str]

KINDS = ("stock", "entity", "lifetime_metrics", "daily_series")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One platform account of one business, as loaded from accounts.yml."""

    business_id: int
    platform: str
    account_id: str
    credential: str
    timezone: str

    def identity(self) -> dict[str, Any]:
        """Return what names the account, as plain data."""
        return {"business_id": self.business_id, "platform": self.platform, "account_id": self.account_id}

    def __str__(self) -> str:
        return f"{self.platform} account {self.account_id} of business {self.business_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one read is about: the account, the frozen clock, the window, the ids of a batch, the metrics to ask.

    `handles`: the competitors of a read that goes over them. `places`: the objects an earlier answer led to, each with
    its place there.
    """

    account: Account
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    places: Params = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The business's own calendar day."""
        return self.now.astimezone(ZoneInfo(self.account.timezone)).date()


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a page: its key in the raw table, and the payload as received."""

    key: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Unread:
    """One item of an answer that could not be read, kept with its own bytes and the reason; the others land."""

    key: str
    error: PipelineError
    body: bytes


Records = Callable[[Scope, Any], Sequence["Record | Unread"]]
"""Takes the scope and the parsed body, gives the records; raises ContractBroken on a foreign shape."""

NextPage = Callable[[Any, Params], Params | None]
"""Takes the body and the parameters that gave it, gives the next page's parameters, or None at the end."""


def single_page(_body: object, _params: Params) -> None:
    """Paging of a list that comes in one answer."""


def one_call(_scope: Scope) -> int:
    """Weight of a call that the platform counts as one."""
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a dated list is cut into calls, in whole days of the platform's own calendar.

    `days`: the longest span of one call. `history`: how far the first run goes back. `oldest`: what the platform
    still offers. `lookback`: days read again later, since platforms restate. `lag`: days not ready yet, besides today.
    """

    days: int
    history: int
    oldest: int
    lookback: int
    lag: int = 0
    calendar: tzinfo = UTC

    def __post_init__(self) -> None:
        if not self.days > 0 or not 0 < self.lookback <= self.oldest or not 0 < self.history <= self.oldest:
            raise ValueError(f"window out of order: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Ids of another stream's records, asked in groups. `where` is SQL over that payload; `oldest` what is offered.

    `changed` is SQL over the payload too, a count such as that of comments: an id is due only while the count is not 0
    and is another one than when this stream was last read, whatever the age. Days asked for are read all the same.
    `counted_in` names the stream whose payload has the count under the same key, where that is not the parent.
    An id asked for alone that is gone at the platform is a warning, and the others are read.
    """

    of: str
    size: int
    where: str
    oldest: timedelta | None = None
    changed: str | None = None
    counted_in: str | None = None

    def __post_init__(self) -> None:
        if self.counted_in and not self.changed:
            raise ValueError(f"batch of {self.of}: {self.counted_in} counts nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """How objects of a batch are asked one by one, where the platform refuses batches to some apps.

    `path` is that of the one id in its scope. `gathered` takes the bodies by id, and the statuses (403, 404) of those
    without one, and gives what the batch would have answered.
    """

    path: Callable[[Scope], str]
    gathered: Callable[[Mapping[str, Any], Mapping[str, int]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitors:
    """A read that goes over the business's competitors on the platform, `size` handles (`Scope.handles`) at a time.

    Of a business with several accounts on the platform the first reads them all, the others none: they are the
    business's, and each would give the same. One the platform does not know is a warning, and the others are read.
    """

    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A read whose answers lead on: to the next part of several lists at once, or to the objects that a list named.

    `places` takes the scope of the call and the body and gives what to ask next, each with its place there (a cursor,
    or what is known of it), which comes back as `Scope.places`. At most `size` are asked at once, new ids of a batch
    among them; what is under way goes first. All ids of a batch are one step, so that no call leaves half empty.
    """

    places: Callable[[Scope, Any], Params]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverSilent:
    """A read that an account always has something for: nothing at all in a whole run is `error`, not "no data".

    Judged only for windows of at least `span` up to now, and for accounts whose last record of the stream `of`
    satisfies `where`, SQL over its payload.
    """

    of: str
    where: str
    span: timedelta
    error: Callable[[Account], PipelineError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One list of an API: where it is, what to ask, how to cut it, and how to take the records out.

    `form` makes the call a POST that only reads (Meta's batch), unless it gives None. `newest_first` gives a record's
    place in a list without a date filter, so that paging stops once the window is left. `page_size`: posts on a page;
    `oldest`: how far the list reaches back, where that is less than everything. `metrics` are what is asked for while
    the platform knows them; `params` and `form` take those from the scope. `has_more` than metrics: asked also when
    none is left. `names_members`: answers name people who are no account of ours, so that none is ever kept as it came.
    `total`: how long a list with counted places says it is; None where the answer does not say. `weight`: as how many
    calls the platform counts one; a batch's parts, where each is one. `single`: the way of apps that get no batches.
    """

    name: str
    path: Callable[[Scope], str]
    params: Callable[[Scope], Params]
    records: Records
    next_page: NextPage = single_page
    window: Window | None = None
    batch: Batch | None = None
    form: Callable[[Scope], Params | None] | None = None
    newest_first: Callable[[Json], datetime] | None = None
    page_size: int | None = None
    oldest: timedelta | None = None
    endpoint: str = ""
    metrics: tuple[str, ...] = ()
    has_more: bool = False
    never_silent: NeverSilent | None = None
    over: Competitors | None = None
    follow: Follow | None = None
    names_members: bool = False
    total: Callable[[Any], int | None] | None = None
    weight: Callable[[Scope], int] = one_call
    single: Single | None = None

    def __post_init__(self) -> None:
        if sum(cut is not None for cut in (self.window, self.batch, self.over)) > 1:
            raise ValueError(f"read {self.name}: a window, a batch and competitors exclude each other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One list a platform offers, and how to read all of it; `full_name` is its name in every layer.

    `published_at` is SQL over the payload of posts. `volatile` names what changes by itself, such as signed addresses.
    """

    platform: str
    name: str
    kind: str
    reads: tuple[Read, ...]
    lookback: timedelta = timedelta(days=28)
    volatile: tuple[tuple[str, ...], ...] = ()
    published_at: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"stream {self.name}: kind {self.kind!r} is none of {KINDS}")
        if not self.reads:
            raise ValueError(f"stream {self.name}: nothing to read")

    @property
    def full_name(self) -> str:
        """The stream's one name everywhere: linkedin__posts."""
        return f"{self.platform}__{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limit of a platform: at most `calls` in any `seconds`, shared under `key` by every process.

    After a pause the whole allowance may be used at once; whoever has to wait is spaced evenly. `calls` None: the
    platform does not publish the limit, so calls are counted per UTC day and stop when it says so. `scope` is whose
    limit it is, where a call has several; answers name it by the same word.
    """

    key: str
    calls: int | None
    seconds: int
    scope: str = ""

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.calls is not None and self.calls <= 0):
            raise ValueError(f"budget {self.key}: {self.calls} calls in {self.seconds} s")

    @property
    def most(self) -> int | None:
        """The heaviest call that fits; the marks of a large allowance stand for blocks of its places."""
        if self.calls is None:
            return None
        block = ceil(self.calls / 200)
        return self.calls // block * block

    @property
    def margin(self) -> float:
        """Seconds between a window's places and the next window's beyond the platform's own: for calls on their way."""
        return max(self.seconds * 0.015, 0.05)

    @property
    def interval(self) -> float:
        """Seconds between the calls of those who wait."""
        return (self.seconds + self.margin) / (self.calls or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer's headers say of the limit of one `scope`: used and limit (or per cent), and when it resets."""

    used: int | None = None
    limit: int | None = None
    resets_at: datetime | None = None
    blocked_until: datetime | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer with its body already parsed: status, lower-cased headers, JSON, and when it came."""

    status: int
    headers: Mapping[str, str]
    body: Any
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """How a platform trades a refresh token for a new pair, by POST (RFC 6749, section 6).

    `single_use`: each answer spends the refresh token it was asked with. `needs_secret`: client_secret goes into the
    form; otherwise into the header, for apps that have one. `ahead`: how long before its end a token is renewed.
    `base_url`: the vendor's token host where that is not its API's.
    """

    path: str
    single_use: bool
    needs_secret: bool
    ahead: timedelta
    base_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything that is particular to one platform; what happens to it is in the engine.

    `first_day`: nothing is older there. `lookup` asks for posts by their ids: a Record for each that is there, Unread
    with ObjectGone for each that is not.
    """

    key: str
    base_url: str
    streams: tuple[Stream, ...]
    headers: Mapping[str, str]
    encode: Callable[[Params], str]
    classify: Callable[[Answer, Account], PipelineError | None]
    usage: Callable[[Answer, Account], Sequence[Usage]]
    budgets: Callable[[Account, Read], Sequence[Budget]]
    page_token: Read | None = None
    refresh: Refresh | None = None
    lookup: Read | None = None
    first_day: date = date(2000, 1, 1)
    version: str = ""

    @property
    def circuit(self) -> str:
        """The key under which failures in a row are counted, for all processes."""
        return f"{self.key}:circuit"

    @property
    def sunset(self) -> str:
        """The key under which it is noted that the platform serves this version of its API no more."""
        return f"{self.key}:version:{self.version}"

    def stream(self, name: str) -> Stream:
        """Return one stream by its short name. Raises KeyError for a name the platform does not have."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise KeyError(name)
