"""Secrets at rest: what is sealed opens for its own row alone, under any key of the list."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.credentials import Tokens, digest, scope_of, stored
from extractors.errors import ConfigurationError
from extractors.sealing import Keyring, NotOpened, new_key
from extractors.settings import Credential, Settings

Connection = psycopg.Connection[Any]
KEYS = [new_key() for _ in range(3)]
SCOPES = st.text(max_size=40)


@pytest.mark.fault("G12")
@given(plain=st.binary(max_size=300), own=SCOPES, other=SCOPES)
def test_what_is_sealed_opens_for_its_own_scope_alone(plain: bytes, own: str, other: str):
    keyring = Keyring.parse(KEYS[0])
    sealed = keyring.seal(plain, own)
    assert keyring.open(sealed, own) == plain
    assert len(plain) < 8 or plain not in sealed
    if other != own:
        with pytest.raises(NotOpened, match="sealed for another credential"):
            keyring.open(sealed, other)


@pytest.mark.fault("G12")
@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_changed_bit_opens_nothing(at: int, bit: int):
    keyring = Keyring.parse(KEYS[0])
    sealed = bytearray(keyring.seal(b"a token", "x"))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(NotOpened):
        keyring.open(bytes(sealed), "x")


def test_the_same_secret_is_never_sealed_the_same():
    keyring = Keyring.parse(KEYS[0])
    assert len({keyring.seal(b"a token", "x") for _ in range(100)}) == 100


@pytest.mark.fault("G11")
def test_the_first_key_seals_every_key_opens_and_a_dropped_one_is_named():
    old, both, new = (Keyring.parse(text) for text in (KEYS[0], f" {KEYS[1]} , {KEYS[0]}", KEYS[1]))
    sealed = old.seal(b"a token", "x")
    assert both.open(sealed, "x") == b"a token"
    assert not both.is_newest(sealed)
    again = both.seal(both.open(sealed, "x"), "x")
    assert both.is_newest(again)
    assert new.open(again, "x") == b"a token"
    with pytest.raises(NotOpened, match="a key that is not in CREDENTIALS_KEY"):
        new.open(sealed, "x")


@pytest.mark.parametrize(
    "text",
    ["", " , ", "x", "c2hvcnQ=", f"{KEYS[0]},nonsense!"],
    ids=["nothing", "commas", "short", "short base64", "the second is nonsense"],
)
def test_a_key_that_is_none_is_refused_without_being_quoted(text: str):
    with pytest.raises(ConfigurationError, match="credentials new-key") as caught:
        Keyring.parse(text)
    assert "nonsense" not in str(caught.value)


def test_no_text_of_a_keyring_or_a_pair_holds_a_secret():
    keyring = Keyring.parse(KEYS[0])
    pair = Tokens(access="canary-access", refresh="canary-refresh", origin="canary-origin")
    assert KEYS[0] not in f"{keyring!r}"
    assert repr(keyring.keys[0]) not in f"{keyring!r}"
    assert "canary" not in f"{pair!r}"


def connection_of(name: str) -> Credential:
    return Credential(name, f"token-of-{name}", {"refresh_token": f"refresh-of-{name}"})


Seal = Callable[..., None]


@pytest.fixture
def seal(connection: Connection) -> Seal:
    """Store a pair for a credential, as a refresh does."""

    def store(name: str, key: str, platform: str = "twitter") -> None:
        pair = Tokens(access=f"renewed-{name}", refresh=f"next-{name}", origin=digest(connection_of(name)))
        connection.execute(
            "insert into ops.credentials (platform, credential, state, sealed) values (%s, %s, 'current', %s)",
            (platform, name, pair.sealed(Keyring.parse(key), scope_of(platform, name))),
        )

    return store


def settings_with(warehouse: dict[str, str], keys: str) -> Settings:
    return Settings.from_environment({**warehouse, "CREDENTIALS_KEY": keys})


@pytest.mark.fault("G12")
def test_a_pair_swapped_between_two_rows_opens_for_neither(
    warehouse: dict[str, str], connection: Connection, seal: Seal
):
    seal("acme", KEYS[0])
    seal("rival", KEYS[0])
    settings = settings_with(warehouse, KEYS[0])
    assert stored(connection, settings, "twitter", connection_of("acme")).tokens.access == "renewed-acme"
    connection.execute(
        "update ops.credentials as mine set sealed = theirs.sealed from ops.credentials as theirs "
        "where mine.credential <> theirs.credential"
    )
    for name in ("acme", "rival"):
        with pytest.raises(NotOpened, match="sealed for another credential"):
            stored(connection, settings, "twitter", connection_of(name))


@pytest.mark.fault("G12")
def test_a_pair_moved_to_another_platform_opens_nothing(warehouse: dict[str, str], connection: Connection, seal: Seal):
    seal("acme", KEYS[0])
    connection.execute("update ops.credentials set platform = 'linkedin'")
    with pytest.raises(NotOpened):
        stored(connection, settings_with(warehouse, KEYS[0]), "linkedin", connection_of("acme"))


@pytest.mark.fault("G11")
def test_keys_are_rotated_by_a_command_and_the_old_one_may_go(
    warehouse: dict[str, str], connection: Connection, seal: Seal, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    from extractors.__main__ import main

    seal("acme", KEYS[0])
    seal("rival", KEYS[1])
    for name, value in warehouse.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CREDENTIALS_KEY", f"{KEYS[1]},{KEYS[0]}")
    assert main(["credentials", "rotate"]) == 0
    assert "1 stored tokens sealed again" in capsys.readouterr().out
    for name in ("acme", "rival"):
        found = stored(connection, settings_with(warehouse, KEYS[1]), "twitter", connection_of(name))
        assert found.tokens.access == f"renewed-{name}"
    monkeypatch.setenv("CREDENTIALS_KEY", KEYS[2])
    before = connection.execute("select sealed from ops.credentials order by credential").fetchall()
    assert main(["credentials", "rotate"]) == 2
    assert "twitter credential acme: " in capsys.readouterr().err
    assert connection.execute("select sealed from ops.credentials order by credential").fetchall() == before


@pytest.mark.fault("G11")
def test_a_lost_key_is_said_at_the_start_and_a_forgotten_pair_leaves_the_connection_s(
    warehouse: dict[str, str], connection: Connection, seal: Seal, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    from extractors.__main__ import main

    seal("acme", KEYS[0])
    settings = settings_with(warehouse, KEYS[1])
    with closing(settings.warehouse.connect()) as own, pytest.raises(NotOpened, match="credentials forget"):
        stored(own, settings, "twitter", connection_of("acme"))
    for name, value in warehouse.items():
        monkeypatch.setenv(name, value)
    assert main(["credentials", "forget", "nobody"]) == 2
    assert main(["credentials", "forget", "acme", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"forgotten": 1}
    assert stored(connection, settings, "twitter", connection_of("acme")) is None
