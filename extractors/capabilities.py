"""What a platform will give at all: the metrics it still takes, and as much at once as it bears.

One dead metric fails the whole call and reads like a typo. The list is bisected, the culprit kept in
`ops.metric_capabilities` and left out of later runs until `retry_after`; everything else lands in the same run.
docs/adr/0007-poison-metrics.md gives the reasons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import sql

from extractors.errors import ContractBroken, PipelineError
from extractors.load import warn
from extractors.pages import Lease
from extractors.spec import Answer, NeverSilent, Params, Read, Record, Scope, Stream, Unread

RETRY_AFTER = timedelta(days=7)
# So many single objects without a metric, and none with it: the account does not have it.
OBJECTS_IN_A_ROW = 3

KNOWN = """
select metric, bool_and(retry_after <= %(now)s)
from ops.metric_capabilities
where platform = %(platform)s and coalesce(account_id, %(account_id)s) = %(account_id)s
    and stream = %(stream)s and read = %(read)s and api_version = %(api_version)s and state = 'rejected'
group by metric
"""

# Returns a row when the verdict is new or renewed, none when another process found it just before.
REJECT = """
insert into ops.metric_capabilities as known
    (platform, account_id, stream, read, metric, api_version, state, error,
    first_rejected_at, last_rejected_at, retry_after)
values
    (%(platform)s, %(account_id)s, %(stream)s, %(read)s, %(metric)s, %(api_version)s, 'rejected', %(error)s,
    %(now)s, %(now)s, %(retry_after)s)
on conflict (platform, account_id, stream, read, metric, api_version) do update set
    state = 'rejected', error = excluded.error,
    first_rejected_at = case known.state when 'rejected' then known.first_rejected_at
        else excluded.first_rejected_at end,
    last_rejected_at = excluded.last_rejected_at, retry_after = excluded.retry_after
where known.state <> 'rejected' or known.retry_after <= excluded.last_rejected_at
returning metric
"""

RESTORE = """
update ops.metric_capabilities set state = 'restored'
where platform = %(platform)s and coalesce(account_id, %(account_id)s) = %(account_id)s
    and stream = %(stream)s and read = %(read)s and api_version = %(api_version)s and metric = any (%(metrics)s)
    and state = 'rejected'
"""


class MetricRejected(ContractBroken):
    """A call failed for one of its metrics, perhaps.

    `names` and `position` are what the message says of the culprit; `certain`: it is about metrics and nothing else;
    `everywhere`: the name is unknown to the platform, for any account.
    """

    def __init__(
        self,
        what: str,
        remedy: str = "the metric is dead or unfit here, see docs/runbook.md#contract",
        *,
        names: tuple[str, ...] = (),
        position: int | None = None,
        certain: bool = False,
        everywhere: bool = False,
    ) -> None:
        super().__init__(what, remedy)
        self.names = names
        self.position = position
        self.certain = certain
        self.everywhere = everywhere

    def culprits(self, asked: Sequence[str]) -> list[str]:
        """Return the asked metrics that the message names; none when it does not say."""
        if self.position is not None:
            return list(asked[self.position : self.position + 1])
        return [metric for metric in asked if metric in self.names]


NONE: Mapping[str, MetricRejected] = MappingProxyType({})


class TooMuchData(PipelineError):
    """The query is too heavy for the platform; a smaller page is not."""

    action = "wait"


class Unmeasured(TooMuchData):
    """The platform measures nothing of an object, and refuses the whole page it is on; all that are older are alike."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One call's answer, taken apart. Without `has_metrics` it asked for none, and proves none."""

    answer: Answer
    records: Sequence[Record | Unread]
    next_params: Params | None
    has_metrics: bool = True


Fetch = Callable[[Scope, Params], Fetched]


@dataclass(slots=True)
class Negotiation:
    """One list being asked for: `scope.metrics` shrinks to what the platform takes, page by page.

    `on_trial`: metrics rejected a week ago and asked for again; `proven`: those that worked in this list; `refusing`:
    objects in a row that refused one.
    """

    connection: psycopg.Connection[Any]
    lease: Lease
    api_version: str
    read: Read
    scope: Scope
    fetch: Fetch
    on_trial: frozenset[str] = frozenset()
    proven: set[str] = field(default_factory=set)
    refusing: int = 0

    def __post_init__(self) -> None:
        """Leave out what is known to be rejected."""
        if self.read.metrics:
            metrics, self.on_trial = allowed(
                self.connection, self.scope, self.lease.stream, self.read, self.api_version
            )
            self.scope = replace(self.scope, metrics=metrics)

    def page(self, params: Params, unfit: Mapping[str, MetricRejected] = NONE) -> Fetched | None:
        """Return a page with every metric the platform gives for it, or None when there is nothing left to ask.

        `unfit` is not even tried. Raises the rejection itself when leaving out metrics does not help.
        """
        while True:
            try:
                fetched = self._without_culprits(params, unfit)
            except Unmeasured as error:
                params = self._up_to_the_measured(params, error)
            except TooMuchData as error:
                params = smaller(params, error)
            else:
                return self._with_stragglers(fetched, params) if fetched else None

    def _up_to_the_measured(self, params: Params, error: Unmeasured) -> Params:
        """Halve the page until it ends with what is measured; from an object that is not on, ask for no metric."""
        if int(params.get("limit", "1")) > 1:
            return smaller(params, error)
        self.scope = replace(self.scope, metrics=())
        self._warn(f"{self.read.name}: from here back without insights, all else was read: {error.what}")
        return {**params, **{name: each for name, each in self.read.params(self.scope).items() if name == "limit"}}

    def _without_culprits(self, params: Params, unfit: Mapping[str, MetricRejected]) -> Fetched | None:
        rejected = dict(unfit)
        working: set[str] = set()
        while True:
            scope = without(self.scope, rejected)
            try:
                fetched = self._fetch(scope, params) if self._is_worth_asking(scope) else None
            except MetricRejected as error:
                found = self._culprits(scope, params, error, working)
                if found and (fetched := self._by_objects(scope, params, error, found)):
                    self.scope = without(self.scope, set(rejected) - self.proven)
                    return fetched
                rejected |= dict.fromkeys(found, error)
            else:
                if fetched is None or fetched.has_metrics:
                    self._conclude(scope, rejected)
                return fetched

    def _with_stragglers(self, fetched: Fetched, params: Params) -> Fetched:
        """Ask again for the objects of a batch that refused a metric the others took, with what they do have."""
        left = {item.key: item.error for item in fetched.records if isinstance(item, Unread)}
        refused = {key: error for key, error in left.items() if isinstance(error, MetricRejected)}
        if not refused or (self.read.batch is None and self.read.follow is None):
            return fetched
        alone = replace(self, scope=replace(self.scope, ids=tuple(sorted(refused))))
        named = {tuple(error.culprits(self.scope.metrics)): error for error in refused.values()}
        unfit = {metric: error for names, error in named.items() for metric in names} if len(named) == 1 else NONE
        try:
            more = alone.page(params, unfit)
        except MetricRejected:
            return fetched
        kept = [item for item in fetched.records if item.key not in refused]
        return replace(fetched, records=[*kept, *more.records]) if more else fetched

    def _by_objects(
        self, scope: Scope, params: Params, error: MetricRejected, culprits: Sequence[str]
    ) -> Fetched | None:
        """Return the beginning of a page whose objects take every metric, or its first object without the culprits.

        None when it is not about objects: an unknown name, a batch (whose elements answer for themselves), or so many
        objects in a row without it that the account is.
        """
        limit = int(params.get("limit", "1"))
        if error.everywhere or self.read.batch is not None or self.read.page_size is None or limit <= 1:
            return None
        fetched, most = self._takes(scope, params, 1), 1
        if fetched is None:
            return self._first_alone(scope, params, culprits)
        self.refusing = 0
        self.proven.update(scope.metrics)
        while limit - most > 1:
            middle = (limit + most) // 2
            if more := self._takes(scope, params, middle):
                fetched, most = more, middle
            else:
                limit = middle
        return fetched

    def _first_alone(self, scope: Scope, params: Params, culprits: Sequence[str]) -> Fetched | None:
        self.refusing += 1
        if self.refusing > OBJECTS_IN_A_ROW or not (alone := self._takes(without(scope, culprits), params, 1)):
            return None
        key = ", ".join(item.key for item in alone.records)
        self._warn(f"{', '.join(culprits)}: left out of {key} alone, in {self.read.name}; it does not have it")
        return alone

    def _takes(self, scope: Scope, params: Params, limit: int) -> Fetched | None:
        """Return the first objects of a page, with the place after them at the page's own size; None if refused."""
        try:
            fetched = self._fetch(scope, {**params, "limit": str(limit)})
        except MetricRejected:
            return None
        following = {**fetched.next_params, "limit": params["limit"]} if fetched.next_params else None
        return replace(fetched, next_params=following)

    def _is_worth_asking(self, scope: Scope) -> bool:
        return bool(scope.metrics) or not self.read.metrics or self.read.has_more

    def _fetch(self, scope: Scope, params: Params) -> Fetched:
        return self.fetch(scope, with_metrics(self.read, scope, params))

    def _culprits(self, scope: Scope, params: Params, error: MetricRejected, working: set[str]) -> list[str]:
        """Return the metrics the message names, else the one that halving the list leads to; none is ask again."""
        if named := error.culprits(scope.metrics):
            return named
        suspects = [metric for metric in scope.metrics if metric not in working]
        was_seen_failing = len(scope.metrics) == 1
        while len(suspects) > 1:
            first, second = suspects[: len(suspects) // 2], suspects[len(suspects) // 2 :]
            if is_working := self._works(scope, first, params):
                working.update(first)
            suspects = second if is_working else first
            was_seen_failing = not is_working
        # A hiccup may look like an unspecific refusal: then nobody is guilty, and the page is asked again.
        if suspects and not (error.certain or was_seen_failing) and self._works(scope, suspects, params):
            working.update(suspects)
            return []
        is_plausible = error.certain or working or len(scope.metrics) > 1 or self.read.has_more
        if not suspects or not is_plausible:
            raise error
        return suspects

    def _works(self, scope: Scope, metrics: Sequence[str], params: Params) -> bool:
        try:
            self._fetch(replace(scope, metrics=tuple(metrics)), params)
        except MetricRejected:
            return False
        return True

    def _conclude(self, scope: Scope, rejected: dict[str, MetricRejected]) -> None:
        """Keep the verdicts. A metric that worked on an earlier page is not dead: it is left out of this page alone."""
        for metric, error in rejected.items():
            if metric in self.proven:
                self._warn(f"{metric}: left out of one page of {self.read.name}, whose objects do not have it")
            else:
                self._reject(metric, error)
        self.scope = without(self.scope, set(rejected) - self.proven)
        if restored := self.on_trial & set(scope.metrics) - self.proven:
            self.connection.execute(RESTORE, {**self._key(), "metrics": list(restored)})
        self.proven.update(scope.metrics)

    def _reject(self, metric: str, error: MetricRejected) -> None:
        now = self.scope.now
        values = {**self._key(), "metric": metric, "error": error.what, "retry_after": now + RETRY_AFTER}
        if error.everywhere:
            values["account_id"] = None
        if self.connection.execute(REJECT, values).fetchone():
            whom = "every account" if error.everywhere else f"account {self.scope.account.account_id}"
            until = f"{now + RETRY_AFTER:%Y-%m-%d}"
            self._warn(f"{metric}: rejected in {self.read.name}, left out for {whom} until {until}; all else was read")

    def _warn(self, line: str) -> None:
        warn(self.connection, self.lease, line)

    def _key(self) -> dict[str, Any]:
        return _key(self.scope, self.lease.stream, self.read, self.api_version)


def allowed(
    connection: psycopg.Connection[Any], scope: Scope, stream: Stream, read: Read, api_version: str
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the metrics of a read that are not known to be rejected; and those that were, and are on trial."""
    known: dict[str, bool] = dict(connection.execute(KNOWN, _key(scope, stream, read, api_version)).fetchall())
    metrics = tuple(metric for metric in read.metrics if known.get(metric, True))
    return metrics, frozenset(metric for metric, is_due in known.items() if is_due)


def _key(scope: Scope, stream: Stream, read: Read, api_version: str) -> dict[str, Any]:
    return {
        "platform": scope.account.platform,
        "account_id": scope.account.account_id,
        "stream": stream.full_name,
        "read": read.name,
        "api_version": api_version,
        "now": scope.now,
    }


def without(scope: Scope, metrics: Collection[str]) -> Scope:
    """Return the scope without some of its metrics."""
    return replace(scope, metrics=tuple(metric for metric in scope.metrics if metric not in metrics))


def with_metrics(read: Read, scope: Scope, params: Params) -> Params:
    """Return a page's parameters for the scope's metrics; the place in the list stays."""
    if not read.metrics:
        return params
    most, least = (read.params(replace(scope, metrics=metrics)) for metrics in (read.metrics, ()))
    fresh = read.params(scope)
    return {**params, **{name: fresh[name] for name in fresh if most.get(name) != least.get(name)}}


def smaller(params: Params, error: TooMuchData) -> Params:
    """Return the parameters of the same page with half the `limit`. Raises the error when there is nothing to halve."""
    limit = int(params.get("limit", "1"))
    if limit <= 1:
        raise error
    return {**params, "limit": str(limit // 2)}


@dataclass(slots=True)
class Silence:
    """Whether a read that always has something came back with nothing, all through one run."""

    connection: psycopg.Connection[Any]
    run: Scope
    records: Counter[str] = field(default_factory=Counter)
    began: dict[str, datetime] = field(default_factory=dict)

    def note(self, read: Read, since: datetime | None, fetched: Fetched, *, is_last: bool) -> None:
        """Take note of a page. Raises the rule's error with the last page of an account that must have data.

        A window that ends in the past is not judged, since the account may be younger.
        """
        rule = read.never_silent
        if rule is None:
            return
        self.records[read.name] += len(fetched.records)
        began = self.began.setdefault(read.name, since or self.run.now - rule.span)
        is_judged = is_last and self.run.until is None and self.run.now - began >= rule.span
        if is_judged and not self.records[read.name] and self._must_have_data(rule):
            raise rule.error(self.run.account)

    def _must_have_data(self, rule: NeverSilent) -> bool:
        account = self.run.account
        statement = sql.SQL(
            "select {where} from {table} where business_id = %s and account_id = %s order by observed_at desc limit 1"
        ).format(
            where=sql.SQL(rule.where.replace("%", "%%")),
            table=sql.Identifier("raw", f"{account.platform}__{rule.of}"),
        )
        row = self.connection.execute(statement, (account.business_id, account.account_id)).fetchone()
        return bool(row and row[0])
