"""What the accounts write: sentences with everything that breaks pipelines, hashtags, links, mentions."""

from __future__ import annotations

import random
from dataclasses import dataclass

from simulator.model import Link, Mention, Plain, Segment, Tag

ENGLISH = (
    "Behind every quiet release there is a loud week ☕",
    "What we learned, what we broke, and what we would do again",
    "R&D update: two steps forward <one back>",
    'They said "ship it", so we did',
    "Doors open at nine; the first ten guests get a seat by the window 🎉",
    "C# developers, F# developers: this one is for you",
    "We're #1 in 2026, says nobody but our own survey",
    "=SUM(effort) is still our favourite formula",
    "-5% on Fridays, +10% on smiles",
    "Meet the people behind the numbers 👩‍🔬👨🏽‍🌾",
    "Short answer: yes.\nLong answer: it depends, and here is on what",
    "Save the date, bring a friend, leave with a plan",
    "Price list (draft) [v2] {final} is out ~ ask us anything *today*",
    "A path is a string until somebody puts a \\ into it",
    "Thank you for 1,000,000 small conversations ❤️",
)
GERMAN = ("Grüße aus der Straße mit den besten Ideen 🥨", "Über Nacht gebaut, über Tag geprüft: schöne Größe")
ARABIC = ("مرحبا بكم في يومنا المفتوح", "البيانات تحكي، ونحن نستمع")
HEBREW = ("שלום לכולם, יום פתוח מחר",)
NEPALI = ("हिमालको छायामा नयाँ बिहान 🏔️", "बाटो लामो छ, साथी धेरै छन्")
JAPANESE = ("データで朝を始めよう",)
LONG = (
    "We rebuilt the way we plan our weeks and here is what a year of it has taught us.",
    "First: nobody owns a list that everybody writes to, so give each list one name & one date.",
    "Second: late news is not an exception, it is the normal case, and a plan that cannot wait is a wish.",
    "Third: an alarm without an owner is noise; switch it off or put a face next to it.",
    "Fourth: the best meeting of the month was the one we forgot to hold ☕.",
)
LINKS = (
    "https://example.com/guide",
    "https://example.com/docs#install",
    "https://example.com/?a=1&copy=2",
    "https://example.org/2026/report_final.html",
)
MENTIONS = (Mention("Acme Corp", "urn:li:organization:123"), Mention("Riverside_Lab", "urn:li:organization:456"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of one business: its sentences and hashtags, and which hashtags help or harm."""

    sentences: tuple[str, ...]
    tags: tuple[str, ...]
    lifting: tuple[str, ...]
    harming: tuple[str, ...]


VOCABULARIES = {
    1: Vocabulary(
        sentences=ENGLISH + GERMAN + ARABIC,
        tags=("DataEngineering", "openday", "Zürich", "Straße", "AI", "data_mesh", "Berlin", "analytics", "2026goals"),
        lifting=("AI", "openday"),
        harming=("2026goals",),
    ),
    2: Vocabulary(
        sentences=ENGLISH + HEBREW,
        tags=("coffee", "Brooklyn", "SmallBatch", "MondayMood", "latte_art", "roasting", "sale", "community"),
        lifting=("SmallBatch",),
        harming=("sale",),
    ),
    3: Vocabulary(
        sentences=ENGLISH + NEPALI + JAPANESE,
        tags=("नेपाल", "Everest", "trekking", "हिमाल", "データ", "SlowTravel", "monsoon", "Kathmandu"),
        lifting=("trekking", "नेपाल"),
        harming=("monsoon",),
    ),
}


def choose_tags(vocabulary: Vocabulary, rng: random.Random) -> tuple[str, ...]:
    """None to four hashtags, in the spelling of the moment."""
    count = rng.choices((0, 1, 2, 3, 4), weights=(25, 25, 25, 15, 10))[0]
    chosen = rng.sample(vocabulary.tags, k=count)
    return tuple(_respell(tag, rng) for tag in chosen)


def _respell(tag: str, rng: random.Random) -> str:
    """The same hashtag as another colleague would type it."""
    return rng.choices((tag, tag.lower(), tag.upper()), weights=(80, 15, 5))[0]


def compose(
    vocabulary: Vocabulary,
    tags: tuple[str, ...],
    rng: random.Random,
    *,
    link: str | None = None,
    long: bool = False,
) -> tuple[Segment, ...]:
    """One text: a sentence, perhaps a mention, a link, and the hashtags."""
    segments: list[Segment] = [Plain(rng.choice(vocabulary.sentences))]
    if rng.random() < 0.08:
        segments += [Plain(" with "), rng.choice(MENTIONS)]
    if link is not None:
        segments += [Plain(" "), Link(link)]
    if long:
        segments.append(Plain("\n\n" + " ".join(LONG)))
    between = rng.choice((" ", "\n", " · "))
    for tag in tags:
        segments += [Plain(between), Tag(tag)]
        between = rng.choice((" ", " ", ", "))
    return tuple(segments)
