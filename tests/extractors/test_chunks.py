"""Dealing accounts into chunks: all of them once, alike in number, credentials together but never alone."""

from __future__ import annotations

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from extractors.chunks import CHUNK, PIECES, chunks
from extractors.spec import Account


def account(number: int, credential: int) -> Account:
    return Account(
        business_id=number % 7 + 1,
        platform="twitter",
        account_id=str(number),
        credential=f"c{credential}",
        timezone="UTC",
    )


crowds = st.lists(st.integers(0, 6), max_size=120).map(
    lambda credentials: [account(number, credential) for number, credential in enumerate(credentials)]
)


@given(crowds, st.integers(1, 40))
def test_every_account_is_in_one_chunk_and_no_chunk_is_longer_than_asked(accounts: list[Account], size: int):
    dealt = chunks(accounts, size)
    assert Counter(each.account_id for chunk in dealt for each in chunk) == Counter(a.account_id for a in accounts)
    assert len(dealt) == ceil(len(accounts) / size)
    assert all(0 < len(chunk) <= size for chunk in dealt)


@given(crowds, st.integers(4, 40), st.randoms())
def test_the_same_accounts_make_the_same_chunks_in_any_order(accounts: list[Account], size: int, chance: object):
    shuffled = list(accounts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert chunks(shuffled, size) == chunks(accounts, size)


@given(crowds, st.integers(8, 40))
def test_chunks_are_alike_in_length(accounts: list[Account], size: int):
    lengths = [len(chunk) for chunk in chunks(accounts, size)]
    assert not lengths or max(lengths) - min(lengths) <= max(1, ceil(len(accounts) / len(lengths)) // PIECES)


def test_a_credential_stays_together_in_pieces_and_fills_no_chunk_alone():
    accounts = [account(number, credential=0 if number < 1_000 else number) for number in range(10_000)]
    dealt = chunks(accounts)
    assert (len(dealt), {len(chunk) for chunk in dealt}) == (40, {CHUNK})
    shares = [sum(each.credential == "c0" for each in chunk) for chunk in dealt]
    assert sum(share > 0 for share in shares) <= ceil(1_000 / (CHUNK // PIECES)), "a throttled credential holds up few"
    assert max(shares) <= CHUNK // PIECES
