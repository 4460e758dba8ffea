"""Tokens: whose they are and whether they still open anything."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from simulator.model import Credential, CredentialKind
from simulator.world import World

TokenState = Literal["valid", "expired", "revoked"]


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


class Vault:
    """Looks tokens up, and lets tests end their lives."""

    def __init__(self, world: World) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, TokenState] = {}
        self._grants: dict[str, tuple[Credential, CredentialKind, str | None]] = {}
        app = Credential(name="twitter_app_only", kind="app_only", token=world.app_only_token, accounts=frozenset())
        for one in (*world.credentials.values(), app):
            self._grants[one.token] = (one, one.kind, next(iter(one.page_tokens), None))
            for page, token in one.page_tokens.items():
                self._grants[token] = (one, "page", page)

    def find(self, token: str | None) -> Grant | None:
        """The grant of a token, None for one that nobody issued."""
        if token is None or token not in self._grants:
            return None
        credential, kind, page = self._grants[token]
        with self._lock:
            state = self._states.get(credential.name, "valid")
        return Grant(credential=credential, kind=kind, state=state, page=page if kind == "page" else None)

    def is_in(self, text: str) -> bool:
        """Whether a token that somebody issued stands in a text."""
        return any(token in text for token in self._grants)

    def set_state(self, credential: str, state: TokenState) -> None:
        """Expire, revoke or revive the tokens of a credential; KeyError for a name nobody has."""
        if credential not in {one.name for one, _, _ in self._grants.values()}:
            raise KeyError(credential)
        with self._lock:
            self._states[credential] = state
