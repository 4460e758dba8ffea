"""Many accounts at once, in threads of one process: who works holds a connection, who waits for a limit holds none.

Concurrency is for waiting on platforms; the limits in Postgres decide how fast. An account's failure is its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any, cast

import psycopg

from extractors import ledger
from extractors.accounts import enabled_accounts
from extractors.clock import present
from extractors.errors import PipelineError, PutOff, RetryLater, WarehouseUnavailable
from extractors.extract import Asked, Reader, RunResult, chosen_streams, not_loaded, unopened, warehouse_losses
from extractors.limiter import LONGEST_WAIT_SECONDS, Limiter
from extractors.registry import platform as find_platform
from extractors.selfcheck import check
from extractors.settings import Settings
from extractors.slots import Connection, Lent, Pool, Shared
from extractors.spec import Account
from extractors.stopping import GRACE_SECONDS, Stop, on_signals

#: Accounts that work at once. A platform answers in tenths of a second, so a few keep a core busy.
WORKERS = 8
#: Accounts that may be asleep at once besides, each a thread of some dozens of kilobytes.
SLEEPERS = 256
#: Seconds between two looks at signals.
TICK = 0.5
NOTHING_ELSE = "nothing but waiting is left, and a worker is not for that"

Identity = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An account whose turn is over: its results, stream by stream."""

    business_id: int
    platform: str
    account_id: str
    results: tuple[RunResult, ...]

    @property
    def errors(self) -> list[PipelineError]:
        """What went wrong, stream by stream."""
        return [result.error for result in self.results if result.error is not None]

    @property
    def name(self) -> str:
        """The account in words."""
        return f"{self.platform} account {self.account_id} of business {self.business_id}"


@dataclass(slots=True, kw_only=True)
class Crew:
    """Reads accounts and gives each as soon as it is done.

    `patience`: seconds that all may be asleep together before what is left is put off; None for no end. `gives_way` is
    asked before each account: a sentence means not now, somebody more urgent is at work.
    """

    settings: Settings
    asked: Asked
    workers: int = WORKERS
    patience: float | None = None
    gives_way: Callable[[Connection], str | None] | None = None
    stop: Stop = field(default_factory=Stop)

    def read(self, identities: Sequence[Mapping[str, Any]]) -> Iterator[Done]:
        """Yield every account when its turn is over, in the order of their ends.

        Raises WarehouseUnavailable, and what no account should raise, after the others came to their ends.
        """
        with closing(self.settings.warehouse.connect()) as connection, on_signals(self.stop):
            connection.autocommit = True
            check(connection)
            found = _accounts(connection, identities)
            known = {_identity(each) for each in found}
            for each in identities:
                if _key(each) not in known:
                    account = Account(**each, credential="", timezone="UTC")
                    yield unread(account, not_loaded(each), self.asked)
            with closing(Pool(self.settings.warehouse.connect, self.workers)) as pool:
                shift = _Shift(self, pool, cast(Connection, Shared(connection)), ledger.holder(connection))
                try:
                    yield from shift.work(deque(found))
                finally:
                    shift.leave()


@dataclass(slots=True)
class _Shift:
    """A crew at work. Threads change `alive`, `asleep` and `finished` under the lock of `moved`; the rest is main's."""

    crew: Crew
    pool: Pool
    shared: Connection
    held: ledger.Holder | None
    moved: threading.Condition = field(default_factory=threading.Condition)
    wake: threading.Event = field(default_factory=threading.Event)
    finished: deque[Done | BaseException] = field(default_factory=deque)
    alive: dict[Identity, Account] = field(default_factory=dict)
    asleep: int = 0
    broken: BaseException | None = None
    idle_seconds: float = 0.0
    is_idle: bool = False
    looked_at: float = field(default_factory=monotonic)
    gone_at: float | None = None

    def work(self, waiting: deque[Account]) -> Iterator[Done]:
        """Begin accounts while there is room, and yield those that end."""
        while waiting or self.alive or self.finished:
            self.look_around()
            if waiting and (reason := self.reason_to_end()) is not None:
                yield from self.put_off(waiting, reason)
            while waiting and self.has_room():
                if (urgent := self.gives_way()) is not None:
                    yield from self.put_off(waiting, urgent)
                else:
                    self.begin(waiting.popleft())
            for ended in self.take_finished():
                if isinstance(ended, Done):
                    yield ended
                else:
                    self.broken = _graver(self.broken, ended)
            if self.gone_at is not None and monotonic() > self.gone_at:
                yield from (unread(each, self.crew.stop.error(str(each)), self.crew.asked) for each in self.left())
                break
        if self.broken is not None:
            raise self.broken

    def look_around(self) -> None:
        """Count the time in which everybody slept, and wake all when it was too much or the end is asked for."""
        now = monotonic()
        self.idle_seconds += now - self.looked_at if self.is_idle else 0.0
        with self.moved:
            self.is_idle = 0 < len(self.alive) == self.asleep
        self.looked_at = now
        if self.crew.stop.asked_by is not None and self.gone_at is None:
            self.gone_at = now + GRACE_SECONDS
        if self.gone_at is not None or self.is_impatient:
            self.wake.set()

    @property
    def is_impatient(self) -> bool:
        """Whether the crew has slept for longer than it may."""
        return self.crew.patience is not None and self.idle_seconds >= self.crew.patience

    def reason_to_end(self) -> PipelineError | None:
        """Return why no account may begin any more."""
        if self.crew.stop.asked_by is not None:
            return self.crew.stop.error("not begun")
        if isinstance(self.broken, WarehouseUnavailable):
            return self.broken
        return self.later(NOTHING_ELSE) if self.is_impatient else None

    def gives_way(self) -> PipelineError | None:
        """Return who is more urgent, or None."""
        says = self.crew.gives_way(self.shared) if self.crew.gives_way else None
        return self.later(says) if says is not None else None

    def later(self, says: str) -> RetryLater:
        """The error of an account that does not get its turn now."""
        return RetryLater(says, present(self.shared) + timedelta(seconds=LONGEST_WAIT_SECONDS))

    def put_off(self, waiting: deque[Account], error: PipelineError) -> Iterator[Done]:
        """Give every account that did not begin back unread."""
        while waiting:
            yield unread(waiting.popleft(), error, self.crew.asked)

    def has_room(self) -> bool:
        """Whether one more account may begin."""
        with self.moved:
            return len(self.alive) - self.asleep < self.crew.workers and self.asleep < SLEEPERS

    def left(self) -> list[Account]:
        """Return the accounts that are still at work."""
        with self.moved:
            return list(self.alive.values())

    def take_finished(self) -> list[Done | BaseException]:
        """Return the accounts that ended; wait for one, or for somebody to fall asleep, at most a tick."""
        with self.moved:
            if not self.finished and self.alive:
                self.moved.wait(TICK)
            taken = list(self.finished)
            self.finished.clear()
        return taken

    def begin(self, account: Account) -> None:
        """Start an account's thread."""
        lent, crew = Lent(self.pool), self.crew
        reader = Reader(
            connection=cast(Connection, lent),
            settings=crew.settings,
            account=account,
            limiter=Limiter(self.shared, forced=crew.asked.force, sleep=lambda s: self.sleep(s, lent, account)),
            asked=crew.asked,
            holder=self.held,
            stop=crew.stop,
        )
        with self.moved:
            self.alive[_identity(account)] = account
        # A daemon: the process may end while a page that nobody waits for any more is still on its way.
        threading.Thread(target=self.read, args=(reader, lent), name=str(account), daemon=True).start()

    def read(self, reader: Reader, lent: Lent) -> None:
        """Read one account; the body of its thread."""
        account = reader.account
        ended: Done | BaseException
        try:
            with warehouse_losses(self.crew.settings, account.identity()):
                ended = Done(**account.identity(), results=tuple(reader.read()))
        except BaseException as error:
            ended = error
        with suppress(psycopg.Error):
            lent.end()
        if reader.client is not None:
            reader.client.session.close()
        with self.moved:
            del self.alive[_identity(account)]
            self.finished.append(ended)
            self.moved.notify_all()

    def sleep(self, seconds: float, lent: Lent, account: Account) -> None:
        """Wait for a limit and hold nothing meanwhile.

        Raises Stopped when the end is asked for, and PutOff when everybody has slept for longer than they may.
        """
        until = present(self.shared) + timedelta(seconds=seconds)
        lent.give_back()
        with self.moved:
            self.asleep += 1
            self.moved.notify_all()
        try:
            is_woken = self.wake.wait(seconds)
        finally:
            with self.moved:
                self.asleep -= 1
        self.crew.stop.check(str(account))
        if is_woken:
            raise PutOff(RetryLater(f"{account}: {NOTHING_ELSE}", until))

    def leave(self) -> None:
        """Give back the leases of pages that are still on their way; where that fails, our session's end does it."""
        if not self.left():
            return
        self.crew.stop.asked_by = self.crew.stop.asked_by or "nobody waits for it any more"
        self.wake.set()
        if self.held is not None:
            with suppress(WarehouseUnavailable, psycopg.Error), closing(self.crew.settings.warehouse.connect()) as last:
                last.autocommit = True
                ledger.give_back(last, self.held)


def unread(account: Account, error: PipelineError, asked: Asked) -> Done:
    """Say of an account that its turn did not come, or not to an end, as the result of its first stream."""
    stream = chosen_streams(find_platform(account.platform), asked.streams)[0]
    return Done(**account.identity(), results=(unopened(account, stream, error),))


def _accounts(connection: Connection, identities: Sequence[Mapping[str, Any]]) -> list[Account]:
    """Return the accounts that are loaded and enabled, in the order asked."""
    place = {_key(each): number for number, each in enumerate(identities)}
    if not place:
        return []
    platforms, businesses = {platform for _, platform, _ in place}, {business for business, _, _ in place}
    found = enabled_accounts(connection, sorted(platforms), sorted(businesses))
    return sorted((each for each in found if _identity(each) in place), key=lambda each: place[_identity(each)])


def _graver(known: BaseException | None, new: BaseException) -> BaseException:
    """Keep the first thing that broke, but let a lost warehouse explain all others."""
    return new if known is None or isinstance(new, WarehouseUnavailable) else known


def _identity(account: Account) -> Identity:
    return account.business_id, account.platform, account.account_id


def _key(identity: Mapping[str, Any]) -> Identity:
    return identity["business_id"], identity["platform"], identity["account_id"]
