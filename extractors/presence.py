"""Which posts a platform still has: what a complete read of a list should have shown and did not.

A post is taken as deleted after two complete runs that passed and missed it; docs/adr/0014-tombstones.md. Raw stays a
mirror: what is missed stands in `ops.known_posts`, one row per post, and the warehouse derives `deleted_at` from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from extractors import singly
from extractors.errors import ObjectGone, PipelineError, Transient
from extractors.http import Client
from extractors.load import warn
from extractors.pages import Lease
from extractors.spec import Read, Record, Scope, Stream, Unread

CONFIRMATIONS = 2
# More posts than this are not held in memory to be ticked off.
MOST_EXPECTED = 50_000
# Lists of this length may have been cut by a platform's reach (Facebook: about 600 posts a year; X: 3,200 in all).
CUT_LISTS = 500
# So many missing at once look like a fault of the list, and each is looked at by itself.
MANY_MISSING, MANY_SHARE = 5, 0.2

EXPECTED = """
select record_key, missed_runs <> '{}' as was_missed
from ops.known_posts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and published_at >= coalesce(%(since)s::timestamptz, '-infinity') and published_at < %(until)s
limit %(limit)s
"""

# The rows were landed just before: the keys lead to them by the index.
KNOW = """
insert into ops.known_posts (business_id, platform, account_id, record_key, published_at)
select business_id, %(platform)s, account_id, record_key, published_at
from (
    select distinct on (record_key) business_id, account_id, record_key, {published_at} as published_at
    from {table}
    where business_id = %(business_id)s and account_id = %(account_id)s and record_key = any(%(keys)s)
    order by record_key, observed_at desc
) as newest
where published_at is not null and exists (
    select from ops.accounts
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s and is_enabled
    for share
)
on conflict do nothing
"""

LISTED_AGAIN = """
update ops.known_posts set missed_at = null, missed_runs = '{}', changed_at = clock_timestamp()
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and record_key = any(%(keys)s) and missed_runs <> '{}'
"""

# Runs that the gate refused confirm nothing; a run counts once.
MISSED = """
update ops.known_posts as post set
    missed_at = case when cardinality(believed.runs) = 0 then %(at)s else post.missed_at end,
    missed_runs = believed.runs || %(run_id)s::uuid,
    changed_at = clock_timestamp()
from (
    select
        known.record_key,
        array(
            select missed.run_id from unnest(known.missed_runs) as missed (run_id)
            inner join ops.extract_runs as run using (run_id)
            where run.gate <> 'quarantined' and run.run_id <> %(run_id)s::uuid
        ) as runs
    from ops.known_posts as known
    where known.business_id = %(business_id)s and known.platform = %(platform)s
        and known.account_id = %(account_id)s and known.record_key = any(%(keys)s)
) as believed
where post.business_id = %(business_id)s and post.platform = %(platform)s and post.account_id = %(account_id)s
    and post.record_key = believed.record_key and cardinality(believed.runs) < %(confirmations)s
"""

YOUNGER = """
select record_key from ops.known_posts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and record_key = any(%(keys)s) and published_at > (
        select min(published_at) from ops.known_posts
        where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
            and record_key = any(%(listed)s)
    ) and published_at > %(now)s - interval '28 days'
"""

WAS_READ = """
select exists (
    select from ops.cursors where business_id = %(business_id)s and platform = %(platform)s
    and account_id = %(account_id)s
)
"""

BOOK = """
update ops.extract_runs set calls = calls + %s, retries = retries + %s, charged = charged + %s
where run_id = %s and lease_epoch = %s
"""


@dataclass(slots=True)
class Presence:
    """What one run tells about what is there. `is_judging`: a whole read of the posts, from its first page on."""

    connection: psycopg.Connection[Any]
    client: Client
    lease: Lease
    scope: Scope
    is_judging: bool
    expected: dict[str, bool] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    listed: int = 0
    is_healthy: bool | None = None

    def __post_init__(self) -> None:
        """Load what the window should show; of too many posts nothing is judged."""
        if self._is_about_posts():
            rows = self.connection.execute(EXPECTED, self._values(limit=MOST_EXPECTED + 1)).fetchall()
            self.is_judging &= len(rows) <= MOST_EXPECTED
            self.expected = dict(rows)

    def note(self, records: Iterable[Record | Unread]) -> None:
        """Take note of a page that has landed: its posts are there, and known from now on."""
        if not self._is_about_posts():
            return
        keys = [record.key for record in records]
        self.listed += len(keys)
        self.seen.update(key for key in keys if key in self.expected)
        if fresh := [key for key in keys if key not in self.expected]:
            self._know(fresh)

    def conclude(self) -> None:
        """Close a complete read: posts that were missed before and listed now are there, the others are missed."""
        if not self._is_about_posts():
            return
        back = [key for key in self.seen if self.expected[key]]
        if back:
            self.connection.execute(LISTED_AGAIN, self._values(keys=back))
        missing = [key for key in self.expected if key not in self.seen]
        if self.is_judging and missing:
            self._miss(self._believed(missing))
            self._book()

    def split(self, records: Sequence[Record | Unread]) -> Sequence[Record | Unread]:
        """Return what is there of a batch, and note what is gone. Raises Transient when nothing at all is there."""
        gone = [item for item in records if isinstance(item, Unread) and isinstance(item.error, ObjectGone)]
        if not gone:
            return records
        self.judge(gone[0].error, None)
        self.gone([item.key for item in gone])
        keys = {item.key for item in gone}
        return [item for item in records if item.key not in keys]

    def gone(self, keys: Sequence[str]) -> None:
        """Objects that were asked for by themselves are gone, while the account is there: the run goes on."""
        self._miss(keys)
        shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
        line = f"{len(keys)} asked for and not there (any more), so left out: {shown}"
        warn(self.connection, self.lease, line)

    def judge(self, error: PipelineError, read: Read | None) -> None:
        """Return when the account's own node is there; throttling may hide behind "does not exist" over HTTP 400.

        Raises Transient when the node of an account that was read before is not there either, else the error.
        """
        if self.is_healthy is None:
            self.is_healthy = self._answers(read)
        if self.is_healthy:
            return
        row = self.connection.execute(WAS_READ, self._values()).fetchone()
        if row and row[0]:
            raise Transient(
                f"{error.what}; the account itself is said not to exist, and it was read before", "try again later"
            ) from None
        raise error

    def _answers(self, read: Read | None) -> bool:
        control = self.client.platform.stream("profile").reads[0]
        if read is not None and read.name == control.name:
            return False
        scope = replace(self.scope, ids=(), since=None, until=None, metrics=control.metrics)
        try:
            answer = self.client.call(control, scope, control.params(scope))
            return bool(control.records(scope, answer.body))
        except ObjectGone:
            return False

    def _believed(self, missing: list[str]) -> Collection[str]:
        """The missing posts that may be taken as gone: single ones beside others that are listed, or looked at."""
        if self.listed >= CUT_LISTS:
            values = self._values(keys=missing, listed=list(self.seen), now=self.scope.now)
            missing = [row[0] for row in self.connection.execute(YOUNGER, values)]
        many = max(MANY_MISSING, round(len(self.expected) * MANY_SHARE))
        still_news = [key for key in missing if not self.expected[key]]
        if self.listed and len(still_news) <= many:
            return missing
        return self._looked_at(missing)

    def _looked_at(self, missing: list[str]) -> list[str]:
        """Ask for the posts by their ids, one call's worth: those that are gone while the account is there."""
        lookup = self.client.platform.lookup
        if lookup is None or lookup.batch is None:
            self._doubt(len(missing))
            return []
        scope = replace(self.scope, ids=tuple(sorted(missing)[: lookup.batch.size]), metrics=())
        try:
            answer = singly.call(self.client, lookup, scope, lookup.params(scope), self.connection, self.lease)
            found = lookup.records(scope, answer.body)
            gone = [item for item in found if isinstance(item, Unread) and isinstance(item.error, ObjectGone)]
            if gone:
                self.judge(gone[0].error, None)
        except PipelineError:
            self._doubt(len(missing))
            return []
        if len(gone) < len(missing):
            self._doubt(len(missing) - len(gone))
        return [item.key for item in gone]

    def _book(self) -> None:
        """Count the calls that were made after the last page."""
        if any(made := self.client.tally.take()):
            self.connection.execute(BOOK, (*made, self.lease.run_id, self.lease.epoch))

    def _doubt(self, count: int) -> None:
        line = f"{count} posts of the window were not listed, too many at once to be taken as deleted unseen"
        warn(self.connection, self.lease, line)

    def _know(self, keys: list[str]) -> None:
        stream: Stream = self.lease.stream
        statement = sql.SQL(KNOW).format(
            table=sql.Identifier("raw", stream.full_name),
            published_at=sql.SQL(stream.published_at.replace("%", "%%")),
        )
        self.connection.execute(statement, self._values(keys=keys))
        self.connection.execute(LISTED_AGAIN, self._values(keys=keys))

    def _miss(self, keys: Collection[str]) -> None:
        if keys:
            values = self._values(keys=list(keys), run_id=self.lease.run_id, at=self.scope.now)
            self.connection.execute(MISSED, values | {"confirmations": CONFIRMATIONS})

    def _is_about_posts(self) -> bool:
        return self.lease.stream.name == "posts"

    def _values(self, **more: Any) -> dict[str, Any]:
        account = self.scope.account
        edges = {"since": self.scope.since, "until": self.scope.until or self.scope.now}
        return {**account.identity(), **edges, **more}
