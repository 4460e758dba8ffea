"""The loop that tells the whole story: account by account, stream by stream, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from extractors import aliases, erase, ledger, redaction, schedule
from extractors.accounts import enabled_accounts
from extractors.capabilities import Silence
from extractors.credentials import Grant
from extractors.errors import (
    AccountMoved,
    ConfigurationError,
    Disconnected,
    PipelineError,
    PutOff,
    Stopped,
    TokenDead,
    WarehouseUnavailable,
)
from extractors.http import Client
from extractors.limiter import Limiter
from extractors.load import land, warn
from extractors.pages import Lease
from extractors.paging import pages
from extractors.patience import patiently
from extractors.presence import Presence
from extractors.registry import platform as find_platform
from extractors.selfcheck import check
from extractors.settings import Settings
from extractors.spec import Account, Platform, Record, Scope, Stream, Unread
from extractors.steps import DONE, remaining, steps
from extractors.stopping import Stop

#: What one stream finds out for all streams of its account.
ENDS_THE_ACCOUNT = (AccountMoved, ConfigurationError, Disconnected, Stopped, TokenDead)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one run did: the ledger's counters, and the error when it failed."""

    run_id: str | None
    business_id: int
    account_id: str
    stream: str
    state: str
    listed: int = 0
    stored: int = 0
    unchanged: int = 0
    quarantined: int = 0
    calls: int = 0
    warnings: tuple[str, ...] = ()
    error: PipelineError | None = None


def due_accounts(settings: Settings, platform: str, business_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Return the enabled accounts of a platform as plain data, for task mapping."""
    find_platform(platform)
    with closing(settings.warehouse.connect()) as connection:
        accounts = enabled_accounts(connection, [platform], business_ids)
    return [each.identity() for each in accounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be read of each account: `since` and `until` are days in the business's calendar, inclusive.

    `streams` are names, short or full, None for all. `origin`: what asked, so that its repeat reads only the rest.
    `is_scheduled`: the age ladder decides how deep (`extractors.schedule`), else it is 28 days at least.
    """

    streams: Sequence[str] | None = None
    since: date | None = None
    until: date | None = None
    force: bool = False
    origin: ledger.Origin | None = None
    is_scheduled: bool = False

    @property
    def is_backfill(self) -> bool:
        """A range of days was asked for: such a run gives way to one without."""
        return self.since is not None or self.until is not None


def extract_account(settings: Settings, account: Mapping[str, Any], **asked: Any) -> list[RunResult]:
    """Read the streams of one account into raw; the keywords are those of `Asked`.

    An account's own failure is in its results and the ledger, never raised. Raises WarehouseUnavailable, and
    ConfigurationError for an account that is not loaded. `extractors.crew` reads many at once.
    """
    with closing(settings.warehouse.connect()) as connection, closing(settings.warehouse.connect()) as budgets:
        connection.autocommit = budgets.autocommit = True
        with warehouse_losses(settings, account):
            check(connection)
            request = Asked(**asked)
            reader = Reader(
                connection=connection,
                settings=settings,
                account=loaded(connection, account),
                limiter=Limiter(budgets, forced=request.force),
                asked=request,
                holder=ledger.holder(budgets),
            )
            return list(reader.read())


@contextmanager
def warehouse_losses(settings: Settings, account: Mapping[str, Any]) -> Iterator[None]:
    """Name a lost connection. A commit may have succeeded all the same: the next run reads the cursor and knows."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise WarehouseUnavailable(
            f"the warehouse {settings.warehouse} was lost while {account['platform']} account "
            f"{account['account_id']} was read ({type(error).__name__})",
            "see that it runs; the next run goes on at the page this one reached",
        ) from None


def chosen_streams(platform: Platform, names: Sequence[str] | None) -> list[Stream]:
    """Return the platform's streams among `names` (short or full), parents first; all of them for None."""
    wanted = {name.rsplit("__", 1)[-1] for name in names} if names else None
    return [stream for stream in platform.streams if wanted is None or stream.name in wanted]


@dataclass(slots=True, kw_only=True)
class Reader:
    """One account being read: everything its streams share. `holder`: the session that its leases live and die with."""

    connection: psycopg.Connection[Any]
    settings: Settings
    account: Account
    limiter: Limiter
    asked: Asked
    holder: ledger.Holder | None = None
    stop: Stop = field(default_factory=Stop)
    client: Client | None = None

    def read(self) -> Iterator[RunResult]:
        """Read stream after stream. What concerns them all, such as a dead token, ends the account."""
        ended: PipelineError | None = None
        for stream in chosen_streams(find_platform(self.account.platform), self.asked.streams):
            found = ledger.settled(self.connection, self.account, stream, self.asked.origin)
            result = self._settled(stream, found) if found else self._read_stream(stream, ended)
            if isinstance(result.error, ENDS_THE_ACCOUNT):
                ended = result.error
            yield result
        if self.client is not None:
            self.client.settle_up()

    def _settled(self, stream: Stream, found: ledger.Settled) -> RunResult:
        lease = Lease(run_id=found.run_id, epoch=0, account=self.account, stream=stream)
        return ledger_result(self.connection, lease, found.error)

    def _read_stream(self, stream: Stream, ended: PipelineError | None) -> RunResult:
        if isinstance(ended, Stopped | Disconnected):
            return unopened(self.account, stream, ended)
        now, asked = self.settings.now, self.asked
        until = min(_midnight_after(asked.until, self.account), now) if asked.until else now
        opening = schedule.opening(
            self.connection, self.account, stream, now, asked.since, is_scheduled=asked.is_scheduled
        )
        try:
            self.stop.check(str(self.account))
            kind = "asked" if asked.is_backfill else "scheduled"
            opened = patiently(partial(self._open, stream, opening.since, until, kind), str(self.account))
        except PipelineError as error:
            return unopened(self.account, stream, error)
        if opened.page_cursor is None:
            warn(self.connection, opened.lease, *opening.notes)
        try:
            if ended is not None:
                raise ended
            self._land_pages(stream, opened, opening.asked)
        except PipelineError as raised:
            reason = raised.later if isinstance(raised, PutOff) else raised
            tally = self.client.tally if self.client else None
            calls, retries, charged = tally.take() if tally else (0, 0, 0)
            if isinstance(reason, AccountMoved) and reason.new_id:
                aliases.note(self.connection, self.account, reason.new_id)
            ledger.fail(self.connection, opened.lease, reason, calls=calls, retries=retries, charged=charged)
            return ledger_result(self.connection, opened.lease, reason)
        ledger.complete(self.connection, opened.lease)
        return ledger_result(self.connection, opened.lease, None)

    def _open(self, stream: Stream, since: datetime | None, until: datetime, kind: str) -> ledger.Opened:
        return ledger.open_run(
            self.connection,
            self.account,
            stream,
            as_of=self.settings.now,
            since=since,
            until=until,
            kind=kind,
            origin=self.asked.origin,
            holder=self.holder,
        )

    def _land_pages(self, stream: Stream, opened: ledger.Opened, asked: date | None) -> None:
        client = self._authorised_client(opened)
        ends_before_now = opened.window_until < opened.as_of
        scope = Scope(
            account=self.account,
            now=opened.as_of,
            since=opened.window_since,
            until=opened.window_until if ends_before_now else None,
        )
        todo = steps(self.connection, stream, scope, asked)
        silence = Silence(self.connection, scope)
        presence = Presence(self.connection, client, opened.lease, scope, is_judging=opened.page_cursor is None)
        erased = erase.erased_posts(self.connection, self.account, stream.name)
        for step, params in remaining(todo, opened.page_cursor):
            for found in pages(client, step, params, self.connection, opened.lease, silence, presence):
                page = replace(found, records=erase.without(found.records, erased))
                if stream.name == "profile":
                    aliases.check_id(self.account, page.records)
                patiently(partial(land, self.connection, opened.lease, page), str(self.account))
                if page.next_cursor != DONE:
                    self.stop.check(str(self.account))
                    if self.asked.is_backfill:
                        budgets = client.platform.budgets(self.account, step.read)
                        schedule.make_room(self.connection, opened.lease, budgets)
        presence.conclude()

    def _authorised_client(self, opened: ledger.Opened) -> Client:
        """Return the account's client, its token exchanged for the page's once where the platform wants that."""
        if self.client is None:
            grant = Grant(self.settings, self.account, self.connection)
            platform = find_platform(self.account.platform)
            base_url = self.settings.base_urls[platform.key]
            client = Client(platform, self.account, base_url, grant.token(), self.limiter, renewed=grant.renewed)
            if platform.page_token is not None:
                scope = Scope(account=self.account, now=opened.as_of)
                answer = client.call(platform.page_token, scope, platform.page_token.params(scope))
                client.token = _token(platform.page_token.records(scope, answer.body)) or client.token
            self.client = client
        return self.client


def _token(records: Sequence[Record | Unread]) -> str | None:
    found = next((str(record.payload["access_token"]) for record in records if isinstance(record, Record)), None)
    redaction.remember(found)
    return found


def ledger_result(connection: psycopg.Connection[Any], lease: Lease, error: PipelineError | None) -> RunResult:
    """Return a run as the ledger has it."""
    row = connection.execute(
        "select state, listed, stored, unchanged, quarantined, calls, warnings from ops.extract_runs where run_id = %s",
        (lease.run_id,),
    ).fetchone()
    if row is None and isinstance(error, Disconnected):
        return unopened(lease.account, lease.stream, error)
    if row is None:
        raise AssertionError(f"run {lease.run_id} left the ledger")
    state, listed, stored, unchanged, quarantined, calls, warnings = row
    return RunResult(
        run_id=lease.run_id,
        business_id=lease.account.business_id,
        account_id=lease.account.account_id,
        stream=lease.stream.full_name,
        state=state,
        listed=listed,
        stored=stored,
        unchanged=unchanged,
        quarantined=quarantined,
        calls=calls,
        warnings=tuple(warnings),
        error=error,
    )


def unopened(account: Account, stream: Stream, error: PipelineError) -> RunResult:
    """Return what there is to say of a stream that the ledger has no run of."""
    return RunResult(
        run_id=None,
        business_id=account.business_id,
        account_id=account.account_id,
        stream=stream.full_name,
        state="failed",
        error=error,
    )


def window_end(account: Account, until: date | None, now: datetime) -> datetime | None:
    """Return where an asked range ends, or None when that is now."""
    end = _midnight_after(until, account) if until else now
    return end if end < now else None


def _midnight_after(day: date, account: Account) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(account.timezone)).astimezone(UTC)


def loaded(connection: psycopg.Connection[Any], account: Mapping[str, Any]) -> Account:
    """Return an enabled account by its identity. Raises ConfigurationError when there is none."""
    for each in enabled_accounts(connection, [account["platform"]], [account["business_id"]]):
        if each.account_id == account["account_id"]:
            return each
    raise not_loaded(account)


def not_loaded(account: Mapping[str, Any]) -> ConfigurationError:
    """The error of an account that is not in the warehouse, or disabled."""
    return ConfigurationError(
        f"{account['platform']} account {account['account_id']} of business {account['business_id']} is not loaded",
        "add it to accounts.yml and run `python -m extractors accounts load accounts.yml`, or enable it",
    )
