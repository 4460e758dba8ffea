"""The tokens really used: the connection's, or the newer ones that a refresh gave, sealed in `ops.credentials`.

A refresh token of X works once. So one process refreshes at a time (an advisory lock, held by a transaction), writes
that it is going to before it calls, and stores the new pair before anybody uses it. A process that dies in between
leaves its intent; the next one finds it, asks nobody and says what a person must do.
docs/adr/0011-refreshed-tokens.md gives the reasons.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from extractors import oauth, redaction
from extractors.errors import PipelineError, TokenDead, Transient, WarehouseUnavailable
from extractors.registry import platform as find_platform
from extractors.sealing import Keyring
from extractors.settings import Credential, Settings
from extractors.spec import Account

#: A token that is refused so soon after its refresh will not be helped by another one.
FRESH = timedelta(seconds=60)
STORE_ATTEMPTS, STORE_PAUSE_SECONDS = 5, 2.0
LOG_IN_AGAIN = "log in again and put the new token and refresh token of {} into its connection; that clears this state"

LOCK = "select pg_advisory_xact_lock(hashtextextended('credential|' || %s || '|' || %s, 0))"
FIND = """
select state, sealed, problem,
    expires_at - clock_timestamp() as life_left, clock_timestamp() - refreshed_at as age
from ops.credentials where platform = %s and credential = %s
"""
INTEND = """
insert into ops.credentials (platform, credential, state, sealed, intent, intent_at)
values (%(platform)s, %(credential)s, 'refreshing', %(sealed)s, %(intent)s, clock_timestamp())
on conflict (platform, credential) do update set
    state = 'refreshing', sealed = excluded.sealed, intent = excluded.intent, intent_at = excluded.intent_at,
    refresh_expires_at = case when %(is_same_login)s then credentials.refresh_expires_at end,
    problem = null, updated_at = clock_timestamp()
"""
# Whatever state others have written meanwhile: who has the answer has the only pair that works.
STORE = """
update ops.credentials set
    state = 'current', sealed = %(sealed)s, intent = null, problem = null, refreshes = refreshes + 1,
    expires_at = clock_timestamp() + make_interval(secs => %(expires_in)s),
    refresh_expires_at = coalesce(
        clock_timestamp() + make_interval(secs => %(refresh_expires_in)s), refresh_expires_at, %(refresh_ends)s
    ),
    refreshed_at = clock_timestamp(), updated_at = clock_timestamp()
where platform = %(platform)s and credential = %(credential)s and intent = %(intent)s
"""
END = """
update ops.credentials set
    state = %(state)s, problem = %(problem)s, updated_at = clock_timestamp(),
    intent = case when %(state)s = 'current' then null else intent end
where platform = %(platform)s and credential = %(credential)s and state = 'refreshing'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A pair, and the digest of the connection's secrets that it began with: another digest is a new login."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    origin: str = field(repr=False)

    def sealed(self, keyring: Keyring, scope: str) -> bytes:
        """Return the pair as it is stored."""
        fields = {"access": self.access, "refresh": self.refresh, "origin": self.origin}
        return keyring.seal(json.dumps(fields).encode(), scope)

    @classmethod
    def opened(cls, keyring: Keyring, sealed: bytes, scope: str) -> Tokens:
        """Return a stored pair. Raises NotOpened."""
        tokens = cls(**json.loads(keyring.open(sealed, scope)))
        redaction.remember(tokens.access, tokens.refresh)
        return tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What `ops.credentials` has: the pair and how it stands, by the database's clock."""

    tokens: Tokens
    state: str
    life_left: timedelta | None
    age: timedelta | None
    problem: str | None


def scope_of(platform: str, credential: str) -> str:
    """Return what a sealed pair is bound to: accounts and tenants that share a credential share its one pair."""
    return f"social-analytics credential 1|{platform}|{credential}"


def digest(credential: Credential) -> str:
    """Return what tells one login's tokens from another's; it is kept sealed."""
    return hashlib.sha256(json.dumps([credential.token, credential.refresh_token]).encode()).hexdigest()


def stored(
    connection: psycopg.Connection[Any], settings: Settings, platform: str, credential: Credential
) -> Stored | None:
    """Return the pair that outranks the connection's, None when there is none or a person has logged in since.

    Raises ConfigurationError when the keys do not open it.
    """
    row = connection.execute(FIND, (platform, credential.connection_id)).fetchone()
    if row is None:
        return None
    state, sealed, problem, life_left, age = row
    keyring = Keyring.parse(settings.credentials_key())
    tokens = Tokens.opened(keyring, sealed, scope_of(platform, credential.connection_id))
    if tokens.origin != digest(credential):
        return None
    return Stored(tokens=tokens, state=state, life_left=life_left, age=age, problem=problem)


@dataclass(slots=True)
class Grant:
    """One account's use of its credential. `connection` commits by itself."""

    settings: Settings
    account: Account
    connection: psycopg.Connection[Any] = field(repr=False)

    def token(self) -> str:
        """Return the access token to begin with, renewed when its end is near.

        Raises ConfigurationError for a missing credential or key, TokenDead when only a person can go on.
        """
        with self._naming():
            return self._first_token()

    def renewed(self, dead: str) -> str | None:
        """Return the token to use instead of one that the platform refused, or None when there can be no other.

        One process asks the platform; the others wait and take what it got. Raises TokenDead, ConfigurationError, and
        Transient when the platform or the lock could not be had.
        """
        with self._naming():
            return self._successor(dead)

    def _first_token(self) -> str:
        credential = self.settings.credential(self.account.credential)
        how = find_platform(self.account.platform).refresh
        if how is None:
            return credential.token
        known = stored(self.connection, self.settings, self.account.platform, credential)
        if known is not None and known.state == "needs_reauth":
            raise self._dead(known.problem)
        access = known.tokens.access if known else credential.token
        left = known.life_left if known else self._life_left(credential)
        if (known is None or known.state == "current") and (left is None or left > how.ahead):
            return access
        try:
            return self._successor(access) or access
        except Transient:
            if left is not None and left > timedelta(0):
                return access
            raise

    def _successor(self, dead: str) -> str | None:
        platform = find_platform(self.account.platform)
        credential = self.settings.credential(self.account.credential)
        if platform.refresh is None or not (credential.refresh_token or self._is_stored()):
            return None
        with self._alone():
            known = stored(self.connection, self.settings, self.account.platform, credential)
            if known is not None and known.state == "needs_reauth":
                raise self._dead(known.problem)
            if known is not None and known.state == "refreshing" and platform.refresh.single_use:
                # Nobody refreshes: the lock is ours. Who did died before the answer was stored.
                raise self._ended(oauth.lost(self._where(), "a process died before it stored the new pair"))
            if known is not None and known.state == "current" and known.tokens.access != dead:
                return known.tokens.access
            if known is not None and known.state == "current" and known.age is not None and known.age < FRESH:
                return None
            tokens = known.tokens if known else _first(credential)
            return self._refresh(credential, tokens, is_same_login=known is not None) if tokens.refresh else None

    def _refresh(self, credential: Credential, tokens: Tokens, *, is_same_login: bool) -> str:
        platform = find_platform(self.account.platform)
        keyring = Keyring.parse(self.settings.credentials_key())
        scope = scope_of(platform.key, credential.connection_id)
        intent = {**self._key(), "intent": uuid.uuid4()}
        sealed = tokens.sealed(keyring, scope)
        self.connection.execute(INTEND, {**intent, "sealed": sealed, "is_same_login": is_same_login})
        try:
            base_url = self.settings.base_urls[platform.key]
            pair = oauth.refresh(platform, base_url, self._where(), tokens.refresh, credential.extra)
        except PipelineError as error:
            raise self._ended(error) from None
        successor = Tokens(access=pair.access_token, refresh=pair.refresh_token, origin=tokens.origin)
        values = {**intent, "sealed": successor.sealed(keyring, scope), "expires_in": pair.expires_in}
        ends = credential.ends("refresh_expires_at")
        self._store({**values, "refresh_expires_in": pair.refresh_expires_in, "refresh_ends": ends})
        return pair.access_token

    def _store(self, values: dict[str, Any]) -> None:
        """Store the pair before anybody uses it. It exists nowhere else: a lost connection is not the end yet."""
        for attempt in range(1, STORE_ATTEMPTS + 1):
            try:
                if attempt == 1:
                    self.connection.execute(STORE, values)
                else:
                    with closing(self.settings.warehouse.connect()) as another, another:
                        another.execute(STORE, values)
            except (psycopg.OperationalError, WarehouseUnavailable):
                if attempt == STORE_ATTEMPTS:
                    raise
                time.sleep(STORE_PAUSE_SECONDS)
            else:
                return

    def _ended(self, error: PipelineError) -> PipelineError:
        """Close the intent: a refusal or a loss needs a person, anything else leaves the refresh token good."""
        is_final = isinstance(error, TokenDead)
        state, problem = ("needs_reauth", error.what) if is_final else ("current", None)
        self.connection.execute(END, {**self._key(), "state": state, "problem": problem})
        return self._dead(problem) if is_final else error

    def _dead(self, problem: str | None) -> TokenDead:
        return TokenDead(problem or "the token is dead", LOG_IN_AGAIN.format(self.account.credential))

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Say whose credential it is in every error."""
        try:
            yield
        except PipelineError as error:
            raise type(error)(f"{self.account}: {error.what}", error.remedy) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the credential's lock; Postgres gives it back when this process dies."""
        with closing(self.settings.warehouse.connect()) as holder:
            holder.execute("set local lock_timeout = '50s'")
            try:
                holder.execute(LOCK, (self.account.platform, self.account.credential))
            except psycopg.errors.LockNotAvailable:
                raise Transient(
                    f"{self._where()}: another process has been at it for 50 seconds", "the next run tries again"
                ) from None
            yield

    def _life_left(self, credential: Credential) -> timedelta | None:
        ends = credential.ends("expires_at")
        return None if ends is None else ends - self._now()

    def _now(self) -> datetime:
        row = self.connection.execute("select clock_timestamp()").fetchone()
        if row is None:
            raise AssertionError("a clock has a time")
        now: datetime = row[0]
        return now

    def _is_stored(self) -> bool:
        return self.connection.execute(FIND, (self.account.platform, self.account.credential)).fetchone() is not None

    def _key(self) -> dict[str, str]:
        return {"platform": self.account.platform, "credential": self.account.credential}

    def _where(self) -> str:
        return f"refreshing the token of {self.account.credential}"


def _first(credential: Credential) -> Tokens:
    """The connection's own pair, as a person put it there."""
    return Tokens(access=credential.token, refresh=credential.refresh_token, origin=digest(credential))
