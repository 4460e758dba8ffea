"""`ops.linkedin_text`, `ops.linkedin_hashtags` and `ops.twitter_text`: texts as people read them."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text import readings
from tests.text.test_hashtags import BATCHES, SNIPPETS, column

CASES = Path(__file__).parents[3] / "shared" / "data" / "hashtags" / "linkedin_little_text_cases.jsonl"
WORDS = st.text(st.sampled_from("aäß漢9 _{}[]()\\|*~.@<>#"), max_size=6)
# A commentary in parts: what is written, what is read, and the tag if it is a template.
PARTS = st.one_of(
    WORDS.map(lambda word: (readings.escape(word), word, None)),
    WORDS.map(lambda tag: (f"{{hashtag|\\#|{readings.escape(tag)}}}", f"#{tag}", tag)),
    st.tuples(WORDS, st.sampled_from(["organization:1", "person:aB-9"])).map(
        lambda mention: (f"@[{readings.escape(mention[0])}](urn:li:{mention[1]})", mention[0], None)
    ),
)


def cases(*directions: str) -> list[dict[str, Any]]:
    """Return the collected LinkedIn cases of these directions; skip when they are not there."""
    if not CASES.exists():
        pytest.skip("the LinkedIn cases are not beside the repository")
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["direction"] in directions]


def test_recorded_commentaries_give_their_tags(texts: psycopg.Connection) -> None:
    rows = cases("decode_hashtags")
    found = column(texts, "ops.linkedin_hashtags(value)", [row["input"] for row in rows])
    assert found == [row["expected"] for row in rows] != []


def test_recorded_commentaries_read_as_people_see_them(texts: psycopg.Connection) -> None:
    rows = cases("decode_to_plain")
    found = column(texts, "ops.linkedin_text(value)", [row["input"] for row in rows])
    assert found == [row["expected"] for row in rows] != []


def test_mentions_read_as_their_names(texts: psycopg.Connection) -> None:
    rows = cases("decode_mentions")
    found = column(texts, "ops.linkedin_text(value)", [row["input"] for row in rows])
    assert found == ["Hello Acme Corp"]
    assert all(row["expected"][0]["mention"] in text for row, text in zip(rows, found, strict=True))


def test_what_other_clients_write_reads_as_what_was_meant(texts: psycopg.Connection) -> None:
    rows = cases("encode", "encode_plain")
    found = column(texts, "ops.linkedin_text(value)", [row["expected"] for row in rows])
    assert found == [row["input"] for row in rows] != []


def test_both_forms_of_the_documentation_are_understood(texts: psycopg.Connection) -> None:
    rows = cases("doc")
    assert column(texts, "ops.linkedin_text(value)", [row["input"] for row in rows]) == ["Eddy Devtestco", "#hashtag"]
    assert column(texts, "ops.linkedin_hashtags(value)", [row["input"] for row in rows]) == [[], ["hashtag"]]


@pytest.mark.parametrize(
    ("commentary", "plain", "tags"),
    [
        ("", "", []),
        (r"50\% off \(today\) {hashtag|\#|Sale}", r"50\% off (today) #Sale", ["Sale"]),
        (r"C\# developers", "C# developers", []),
        (r"{hashtag|\#|ab}c{hashtag|＃|d}", "#abc#d", ["ab", "d"]),
        (r"#plain {hashtag|\#|Plain} #PLAIN ＃other", "#plain #Plain #PLAIN ＃other", ["plain", "other"]),
        (r"#Straße {hashtag|\#|STRASSE}", "#Straße #STRASSE", ["Straße"]),
        (r"\\{hashtag|\#|x} \{hashtag|\#|y}", r"\#x {hashtag|#|y}", ["x"]),
        (r"{hashtag|\#|} {hashtag|\#|C++}", "# #C++", ["C++"]),
        ("{hashtag|#|a", "{hashtag|#|a", []),
        (r"\@[Acme](urn:li:organization:1)", "@[Acme](urn:li:organization:1)", []),
        ("\ufdd0 \ufdee \ufdef", "\ufffd \ufffd \ufffd", []),
    ],
)
def test_little_text_is_decoded(texts: psycopg.Connection, commentary: str, plain: str, tags: list[str]) -> None:
    assert column(texts, "ops.linkedin_text(value)", [commentary]) == [plain]
    assert column(texts, "ops.linkedin_hashtags(value)", [commentary]) == [tags]


@given(batch=st.lists(st.lists(PARTS, max_size=6), min_size=20, max_size=20))
@BATCHES
def test_a_commentary_reads_as_it_was_put_together(
    texts: psycopg.Connection, batch: list[list[tuple[str, str, str | None]]]
) -> None:
    written = ["".join(part[0] for part in parts) for parts in batch]
    assert column(texts, "ops.linkedin_text(value)", written) == [
        "".join(part[1] for part in parts).rstrip() for parts in batch
    ]
    for parts, tags in zip(batch, column(texts, "ops.linkedin_hashtags(value)", written), strict=True):
        folds = [readings.fold(tag) for tag in tags]
        assert {readings.fold(part[2]) for part in parts if part[2]} <= set(folds)
        assert len(set(folds)) == len(folds)


@given(batch=st.lists(SNIPPETS, min_size=20, max_size=20))
@BATCHES
def test_any_text_survives_being_escaped(texts: psycopg.Connection, batch: list[str]) -> None:
    batch = [text.translate(dict.fromkeys([*range(0xFDD0, 0xFDF0)])) for text in batch]
    written = [readings.escape(text) for text in batch]
    assert column(texts, "ops.linkedin_text(value)", written) == [text.rstrip() for text in batch]


def post(text: str, *links: tuple[str, str], **more: object) -> str:
    """Return a post of X whose text holds links: pairs of the short and the real address."""
    urls = [{"start": 0, "end": 23, "url": short, "expanded_url": expanded} for short, expanded in links]
    return json.dumps({"id": "1", "text": text, "entities": {"urls": urls}, **more})


@pytest.mark.parametrize(
    ("given_post", "text"),
    [
        (post(""), ""),
        (json.dumps({"id": "1"}), None),
        (json.dumps({"id": "1", "text": "a &amp;lt; b &lt;3 &gt; &quot;"}), "a &lt; b <3 > &quot;"),
        (post("see https://t.co/a ", ("https://t.co/a", "https://example.com/?a=1&amp;b")), "see https://example.com/?a=1&amp;b"),
        (post("x https://t.co/a", ("https://t.co/a", "https://x.com/u/status/1/photo/1")), "x"),
        (post("x https://t.co/a y", ("https://t.co/a", "https://twitter.com/u/status/12/video/2")), "x  y"),
        (post("x https://t.co/a", ("https://t.co/a", "https://example.com/gallery/photo/1")), "x https://example.com/gallery/photo/1"),
        (post("https://t.co/a https://t.co/ab", ("https://t.co/a", "A"), ("https://t.co/ab", "B")), "A B"),
        (post("https://t.co/a https://t.co/b", ("https://t.co/a", "https://t.co/b"), ("https://t.co/b", "B")),
         "https://t.co/b B"),
        (post("cut https://t.co/a", ("https://t.co/a", "A"), note_tweet={"text": "whole &amp; long", "entities": {}}),
         "whole & long"),
        (post("cut", note_post={"text": "new", "entities": {"urls": [{"url": "new", "expanded_url": "NEW"}]}}), "NEW"),
        (post("short", note_post={"text": ""}, note_tweet={}), "short"),
        (json.dumps({"text": "odd", "entities": {"urls": None}}), "odd"),
        (json.dumps({"text": "odd u", "entities": {"urls": [{"url": "u"}, {}]}}), "odd u"),
    ],
)  # fmt: skip
def test_a_post_of_x_reads_as_people_see_it(texts: psycopg.Connection, given_post: str, text: str | None) -> None:
    assert column(texts, "ops.twitter_text(value::jsonb)", [given_post]) == [text]


@given(
    batch=st.lists(
        st.lists(st.one_of(WORDS, st.integers(0, 3)), max_size=8), min_size=20, max_size=20
    )
)  # fmt: skip
@BATCHES
def test_links_are_written_out_wherever_they_stand(texts: psycopg.Connection, batch: list[list[str | int]]) -> None:
    real = ["https://example.com/&amp;", "https://t.co/0000000001", "https://example.com/2#", "$1\\1"]
    links = [(f"https://t.co/{number:010}", address) for number, address in enumerate(real)]
    posts, expected = [], []
    for parts in batch:
        wire = [html.escape(part, quote=False) if isinstance(part, str) else links[part][0] for part in parts]
        read = [part if isinstance(part, str) else real[part] for part in parts]
        posts.append(post("".join(wire), *links))
        expected.append("".join(read).rstrip())
    assert column(texts, "ops.twitter_text(value::jsonb)", posts) == expected
