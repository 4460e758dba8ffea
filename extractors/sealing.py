"""Secrets at rest: AES-256-GCM, each sealed for the one row it belongs to, under a list of keys that can be rotated.

The first key seals, every key opens. docs/adr/0011-refreshed-tokens.md gives the reasons.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extractors import redaction
from extractors.errors import ConfigurationError

VERSION = b"\x01"
KEY_BYTES, NONCE_BYTES, ID_BYTES = 32, 12, 8
MAKE_ONE = "make one with `python -m extractors credentials new-key` and set CREDENTIALS_KEY to it wherever runs happen"


class NotOpened(ConfigurationError):
    """What is sealed belongs to another row, or to a key that is not in the list."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys, newest first."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read CREDENTIALS_KEY: keys of 32 bytes in base64, separated by commas. Raises ConfigurationError."""
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ConfigurationError("a token must be refreshed, and there is no key to keep the new one", MAKE_ONE)
        redaction.remember(*parts)
        return cls(tuple(_key(number, part) for number, part in enumerate(parts, 1)))

    def seal(self, plain: bytes, scope: str) -> bytes:
        """Return the bytes sealed with the first key; only the same scope opens them again."""
        key, nonce = self.keys[0], os.urandom(NONCE_BYTES)
        head = VERSION + key_id(key)
        return head + nonce + AESGCM(key).encrypt(nonce, plain, head + scope.encode())

    def open(self, sealed: bytes, scope: str) -> bytes:
        """Return what was sealed for this scope. Raises NotOpened, which says whether the key or the row is wrong."""
        head, rest = sealed[: 1 + ID_BYTES], sealed[1 + ID_BYTES :]
        for key in self.keys:
            if head == VERSION + key_id(key):
                try:
                    return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + scope.encode())
                except InvalidTag:
                    raise NotOpened(
                        "the stored token was sealed for another credential, or was changed",
                        "find out who wrote ops.credentials, then put a fresh token into the connection and "
                        "run `python -m extractors credentials forget`",
                    ) from None
        raise NotOpened(
            "the stored token was sealed with a key that is not in CREDENTIALS_KEY",
            "add that key behind a comma; if it is lost, put a fresh token into the connection and "
            "run `python -m extractors credentials forget`",
        )

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the first key sealed this."""
        return sealed[: 1 + ID_BYTES] == VERSION + key_id(self.keys[0])


def new_key() -> str:
    """Return a fresh key in the form CREDENTIALS_KEY wants."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def key_id(key: bytes) -> bytes:
    """Return the name of a key, which tells nothing of it."""
    return hashlib.sha256(b"social-analytics key id" + key).digest()[:ID_BYTES]


def _key(number: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"key {number} of CREDENTIALS_KEY is not {KEY_BYTES} bytes in base64", MAKE_ONE)
    return key
