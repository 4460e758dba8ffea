"""Strange texts and numbers on their whole way: raw, core, mart and CSV hold the same."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from reports.renderers import csv_bytes, restore
from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import INSTAGRAM, TWITTER, insights, instagram_media, land, public_metrics, tweet

pytestmark = pytest.mark.slow

POSTED = "2026-11-19T08:30:00.000Z"
TEXTS = {
    "t-emoji": "👩‍👩‍👧 🏳️‍🌈 ✈️",
    "t-rtl": "שלום \u202eabc\u202c مرحبا \u2066x\u2069",
    "t-forms": "e\u0301 is not é; \u200b\ufeff and ＝1",
    "t-formula": "=1+1\t\u00a0\r\nsecond line; \"quoted\", 'so'",
    "t-long": "0123456789é " * 80_000,
    "t-none": None,
}
NUMBERS = {"n-31": 2**31, "n-53": 2**53 + 1, "n-63": 2**63 + 1, "n-30": 10**30 + 1}
#: What stands for no number: NULL in the mart, never 0 and never a guess.
GUESSES = {"g-short": "1.2K", "g-comma": "1,234", "g-object": {"value": 3}, "g-list": [3], "g-null": None}


def counted(likes: object) -> dict[str, object]:
    return {**public_metrics(10, 1, 1, 1, 1, 1), "like_count": likes}


@pytest.mark.fault("B21", "B22", "B23", "B24", "B25", "B26", "B32", "B33")
def test_strange_texts_and_numbers_reach_the_mart_and_the_file_as_they_came(
    copy: Environment, dbt: Dbt, tmp_path: Path
) -> None:
    with connect(copy) as connection:
        media = {}
        for key, text in TEXTS.items():
            media[key] = {**instagram_media("2026-11-19T10:00:00+0000", insights=insights(views=3)), "caption": text}
        media["m-without"] = instagram_media("2026-11-19T10:00:00+0000", insights=insights(reach=5))
        land(connection, INSTAGRAM, "posts", media)
        posts = {key: tweet(key, POSTED, public_metrics=counted(n)) for key, n in (NUMBERS | GUESSES).items()}
        land(connection, TWITTER, "posts", posts)
    dbt(copy, "build", "--exclude-resource-type", "unit_test")
    rows = read(copy, "select post_id, text, likes, impressions, reach from marts.post_performance")
    mart = {row["post_id"]: row for row in rows}
    assert {key: mart[key]["text"] for key in TEXTS} == TEXTS
    assert {key: int(mart[key]["likes"]) for key in NUMBERS} == NUMBERS
    assert {key: mart[key]["likes"] for key in GUESSES} == dict.fromkeys(GUESSES)
    assert (mart["m-without"]["impressions"], mart["m-without"]["reach"]) == (None, 5)

    path = tmp_path / "posts.csv"
    path.write_bytes(b"".join(csv_bytes(list(rows[0]), (tuple(row.values()) for row in rows))))
    csv.field_size_limit(10_000_000)
    with path.open(encoding="utf-8-sig", newline="") as file:
        written = {row["post_id"]: row for row in csv.DictReader(file)}
    assert {key: restore(written[key]["text"]) for key in TEXTS} == {key: text or "" for key, text in TEXTS.items()}
    assert {key: written[key]["likes"] for key in NUMBERS} == {key: str(number) for key, number in NUMBERS.items()}
    assert {written[key]["likes"] for key in GUESSES} == {""}
