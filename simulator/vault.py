"""Tokens: whose they are, whether they still open anything, and which one follows by refreshing."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from simulator.clock import Clock
from simulator.model import Credential, CredentialKind
from simulator.world import World

TokenState = Literal["valid", "expired", "revoked"]
# X: two hours. LinkedIn: 60 days, and 365 for the refresh token, which its use does not extend.
LIVES: dict[CredentialKind, timedelta] = {"user": timedelta(hours=2), "organization_admin": timedelta(days=60)}
REFRESH_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a presented token turned out to be. `page` names the page of a Page token."""

    credential: Credential
    kind: CredentialKind
    state: TokenState
    page: str | None = None

    def opens(self, platform: str, account_id: str) -> bool:
        """Whether the token's owner has the account."""
        return (platform, account_id) in self.credential.accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A pair that a refresh gave, and how many seconds its halves have left; None where the platform does not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    refresh_expires_in: int | None


@dataclass(slots=True)
class Family:
    """The tokens of one login, by generation: `newest` is the last that was issued, `expired` the last that ended."""

    credential: Credential
    first_issued_at: datetime
    issued_at: datetime
    newest: int = 0
    expired: int = -1
    revoked: bool = False

    def access(self, generation: int) -> str:
        """The access token of a generation; a simulator that starts anew knows them again."""
        return self.credential.token if generation == 0 else self._token("access", generation)

    def refresh(self, generation: int) -> str:
        """The refresh token of a generation. X rotates it, LinkedIn keeps it."""
        first = self.credential.refresh_token
        return first if generation == 0 or not self.rotates else self._token("refresh", generation)

    @property
    def rotates(self) -> bool:
        """Whether each refresh token works once."""
        return self.credential.kind == "user"

    def _token(self, which: str, generation: int) -> str:
        prefix = {"access": self.credential.token, "refresh": self.credential.refresh_token}[which][:3]
        seed = f"{self.credential.refresh_token}:{which}:{generation}"
        return f"{prefix}{generation:04x}{hashlib.sha256(seed.encode()).hexdigest()[:48]}"

    def generation_of(self, token: str, which: str) -> int | None:
        """Which generation a token belongs to, None for a token of somebody else."""
        make = self.access if which == "access" else self.refresh
        if token == make(0):
            return 0
        digits = token[3:7]
        found = int(digits, 16) if digits.isalnum() and digits.isascii() and _is_hex(digits) else 0
        return found if found and token == make(found) else None


def _is_hex(text: str) -> bool:
    return len(text) == 4 and set(text) <= set("0123456789abcdef")


class Vault:
    """Looks tokens up, renews them, and lets tests end their lives. With a clock, access tokens end by themselves."""

    def __init__(self, world: World, *, clock: Clock | None = None) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._states: dict[str, TokenState] = {}
        self._grants: dict[str, tuple[Credential, CredentialKind, str | None]] = {}
        began = clock.now() if clock else world.anchor
        app = Credential(name="twitter_app_only", kind="app_only", token=world.app_only_token, accounts=frozenset())
        for one in (*world.credentials.values(), app):
            self._grants[one.token] = (one, one.kind, next(iter(one.page_tokens), None))
            for page, token in one.page_tokens.items():
                self._grants[token] = (one, "page", page)
        self._families = {
            name: Family(credential=one, first_issued_at=began, issued_at=began)
            for name, one in world.credentials.items()
            if one.refresh_token
        }

    def find(self, token: str | None) -> Grant | None:
        """The grant of a token, None for one that nobody issued."""
        if token is None:
            return None
        with self._lock:
            for family in self._families.values():
                generation = family.generation_of(token, "access")
                if generation is not None:
                    one = family.credential
                    return Grant(credential=one, kind=one.kind, state=self._state(family, generation))
            if token not in self._grants:
                return None
            credential, kind, page = self._grants[token]
            state = self._states.get(credential.name, "valid")
        return Grant(credential=credential, kind=kind, state=state, page=page if kind == "page" else None)

    def refresh(self, client_id: str, client_secret: str, token: str) -> Issue | Literal["client", "token"]:
        """Renew a pair, or say whether the app or the token is refused. A spent token revokes its whole family."""
        with self._lock:
            family = next((one for one in self._families.values() if one.credential.client_id == client_id), None)
            if family is None or family.credential.client_secret != client_secret:
                return "client"
            generation = family.generation_of(token, "refresh")
            if generation is None or family.revoked or self._states.get(family.credential.name) == "revoked":
                return "token"
            if family.rotates and generation < family.newest:
                family.revoked = True
                return "token"
            left = self._refresh_left(family)
            if left <= timedelta(0):
                return "token"
            return self._issue(family, generation, left)

    def refreshes(self, credential: str) -> int:
        """How many pairs followed the first."""
        with self._lock:
            return self._families[credential].newest

    def refresh_token(self, credential: str, generation: int) -> str:
        """The refresh token of a generation."""
        return self._families[credential].refresh(generation)

    def is_in(self, text: str) -> bool:
        """Whether a token, refresh token or client secret that somebody issued stands in a text."""
        return any(secret in text for secret in self.secrets())

    def secrets(self) -> list[str]:
        """Everything issued so far that opens a door."""
        with self._lock:
            found = list(self._grants)
            for family in self._families.values():
                found.append(family.credential.client_secret)
                for generation in range(family.newest + 1):
                    found += [family.access(generation), family.refresh(generation)]
        return list(dict.fromkeys(found))

    def set_state(self, credential: str, state: TokenState) -> None:
        """Expire what was issued so far, revoke or revive the tokens of a credential; KeyError for an unknown name."""
        if credential not in {one.name for one, _, _ in self._grants.values()}:
            raise KeyError(credential)
        with self._lock:
            self._states[credential] = state
            if family := self._families.get(credential):
                family.expired = family.newest if state == "expired" else -1
                family.revoked = False

    def _state(self, family: Family, generation: int) -> TokenState:
        if family.revoked or self._states.get(family.credential.name) == "revoked":
            return "revoked"
        # A generation nobody remembers is one from before this simulator was started.
        family.newest = max(family.newest, generation)
        is_over = self._clock is not None and (
            generation < family.newest or self._clock.now() >= family.issued_at + LIVES[family.credential.kind]
        )
        return "expired" if is_over or generation <= family.expired else "valid"

    def _refresh_left(self, family: Family) -> timedelta:
        now = self._clock.now() if self._clock else family.first_issued_at
        return family.first_issued_at + REFRESH_LIFE - now

    def _issue(self, family: Family, generation: int, left: timedelta) -> Issue:
        family.newest = max(family.newest, generation) + 1
        family.issued_at = self._clock.now() if self._clock else family.issued_at
        return Issue(
            access_token=family.access(family.newest),
            refresh_token=family.refresh(family.newest),
            expires_in=int(LIVES[family.credential.kind].total_seconds()),
            refresh_expires_in=None if family.rotates else int(left.total_seconds()),
        )
