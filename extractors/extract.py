"""The loop that tells the whole story: account by account, stream by stream, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from extractors import ledger
from extractors.accounts import enabled_accounts
from extractors.capabilities import Silence
from extractors.errors import ConfigurationError, PipelineError, TokenDead, WarehouseUnavailable
from extractors.http import Client
from extractors.limiter import Limiter
from extractors.load import Lease, land
from extractors.paging import pages
from extractors.registry import platform as find_platform
from extractors.settings import Settings
from extractors.spec import Account, Platform, Record, Scope, Stream, Unread
from extractors.steps import remaining, steps


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


def extract_account(
    settings: Settings,
    account: Mapping[str, Any],
    *,
    streams: Sequence[str] | None = None,
    since: date | None = None,
    until: date | None = None,
    force: bool = False,
) -> list[RunResult]:
    """Read the streams of one account into raw; `since` and `until` are days in the business's calendar, inclusive.

    An account's own failure is in its results and the ledger, never raised. Raises WarehouseUnavailable, and
    ConfigurationError for an account that is not loaded.
    """
    with closing(settings.warehouse.connect()) as connection, closing(settings.warehouse.connect()) as budgets:
        connection.autocommit = budgets.autocommit = True
        try:
            found = _loaded(connection, account)
            reader = _Reader(connection, settings, found, Limiter(budgets, forced=force), since, until)
            return list(reader.read(chosen_streams(find_platform(found.platform), streams)))
        except psycopg.OperationalError as error:
            # A commit may have succeeded all the same: the next run reads the cursor and knows.
            raise WarehouseUnavailable(
                f"the warehouse {settings.warehouse} was lost while {account['platform']} account "
                f"{account['account_id']} was read ({type(error).__name__})",
                "see that it runs; the next run goes on at the page this one reached, in ten minutes at the latest",
            ) from None


def chosen_streams(platform: Platform, names: Sequence[str] | None) -> list[Stream]:
    """Return the platform's streams among `names` (short or full), parents first; all of them for None."""
    wanted = {name.rsplit("__", 1)[-1] for name in names} if names else None
    return [stream for stream in platform.streams if wanted is None or stream.name in wanted]


@dataclass(slots=True)
class _Reader:
    """One account being read: everything its streams share."""

    connection: psycopg.Connection[Any]
    settings: Settings
    account: Account
    limiter: Limiter
    since: date | None
    until: date | None
    client: Client | None = None

    def read(self, streams: Sequence[Stream]) -> Iterator[RunResult]:
        """Read stream after stream. A dead token or a missing credential ends the account, and each ledger says so."""
        ended: PipelineError | None = None
        for stream in streams:
            result = self._read_stream(stream, ended)
            if isinstance(result.error, TokenDead | ConfigurationError):
                ended = result.error
            yield result

    def _read_stream(self, stream: Stream, ended: PipelineError | None) -> RunResult:
        now = self.settings.now
        until = min(_midnight_after(self.until, self.account), now) if self.until else now
        try:
            opened = ledger.open_run(
                self.connection,
                self.account,
                stream,
                as_of=now,
                since=window_since(self.connection, self.account, stream, self.since),
                until=until,
                kind="asked" if self.since or self.until else "scheduled",
            )
        except PipelineError as error:
            return _unopened(self.account, stream, error)
        try:
            if ended is not None:
                raise ended
            self._landpages(stream, opened)
        except PipelineError as error:
            tally = self.client.tally if self.client else None
            calls, retries = tally.take() if tally else (0, 0)
            ledger.fail(self.connection, opened.lease, error, calls=calls, retries=retries)
            return ledger_result(self.connection, opened.lease, error)
        ledger.complete(self.connection, opened.lease)
        return ledger_result(self.connection, opened.lease, None)

    def _landpages(self, stream: Stream, opened: ledger.Opened) -> None:
        client = self._authorised_client(opened)
        ends_before_now = opened.window_until < opened.as_of
        scope = Scope(
            account=self.account,
            now=opened.as_of,
            since=opened.window_since,
            until=opened.window_until if ends_before_now else None,
        )
        todo = steps(self.connection, stream, scope, self.since)
        silence = Silence(self.connection, scope)
        for step, params in remaining(todo, opened.page_cursor):
            for page in pages(client, step, params, self.connection, opened.lease, silence):
                land(self.connection, opened.lease, page)

    def _authorised_client(self, opened: ledger.Opened) -> Client:
        """Return the account's client, its token exchanged for the page's once where the platform wants that."""
        if self.client is None:
            credential = self.settings.credential(self.account.credential)
            platform = find_platform(self.account.platform)
            base_url = self.settings.base_urls[platform.key]
            client = Client(platform, self.account, base_url, credential.token, self.limiter)
            if platform.page_token is not None:
                scope = Scope(account=self.account, now=opened.as_of)
                answer = client.call(platform.page_token, scope, platform.page_token.params(scope))
                client.token = _token(platform.page_token.records(scope, answer.body)) or credential.token
            self.client = client
        return self.client


def window_since(
    connection: psycopg.Connection[Any], account: Account, stream: Stream, asked: date | None
) -> datetime | None:
    """Return where a run's window begins: as asked, else behind the last complete read, else open (everything)."""
    if asked is not None:
        return datetime.combine(asked, time(), ZoneInfo(account.timezone)).astimezone(UTC)
    read_until = ledger.watermark(connection, account, stream)
    dated = any(read.window for read in stream.reads)
    # A dated list looks back by its own rule; the others by the stream's.
    return read_until if read_until is None or dated else read_until - stream.lookback


def _token(records: Sequence[Record | Unread]) -> str | None:
    return next((str(record.payload["access_token"]) for record in records if isinstance(record, Record)), None)


def ledger_result(connection: psycopg.Connection[Any], lease: Lease, error: PipelineError | None) -> RunResult:
    """Return a run as the ledger has it."""
    row = connection.execute(
        "select state, listed, stored, unchanged, quarantined, calls, warnings from ops.extract_runs where run_id = %s",
        (lease.run_id,),
    ).fetchone()
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


def _unopened(account: Account, stream: Stream, error: PipelineError) -> RunResult:
    return RunResult(
        run_id=None,
        business_id=account.business_id,
        account_id=account.account_id,
        stream=stream.full_name,
        state="failed",
        error=error,
    )


def _midnight_after(day: date, account: Account) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(account.timezone)).astimezone(UTC)


def _loaded(connection: psycopg.Connection[Any], account: Mapping[str, Any]) -> Account:
    for each in enabled_accounts(connection, [account["platform"]], [account["business_id"]]):
        if each.account_id == account["account_id"]:
            return each
    raise ConfigurationError(
        f"{account['platform']} account {account['account_id']} of business {account['business_id']} is not loaded",
        "add it to accounts.yml and run `python -m extractors accounts load accounts.yml`, or enable it",
    )
