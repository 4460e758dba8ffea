"""Posts that every world holds whatever its size: the ones that have broken pipelines before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from simulator.model import Link, Mention, Plain, PostKind, Segment, Tag, Verbatim
from simulator.words import LONG

EVERYWHERE = frozenset({"linkedin", "twitter", "facebook", "instagram"})
META = frozenset({"facebook", "instagram"})
SEARCHED = 195
"""Days before the anchor in which a change of the clocks is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """A post that must exist, some days before the anchor (negative: after it), at a local time of day.

    `around_clock_change` puts it on every day of the span on which the business's clocks change, instead.
    """

    platforms: frozenset[str]
    days_before: int = 0
    at: time
    content_type: str
    segments: tuple[Segment, ...] | None
    kind: PostKind = "own"
    long: bool = False
    marked_tags: bool = True
    around_clock_change: bool = False

    def instants(self, zone: ZoneInfo, anchor: datetime) -> Iterator[datetime]:
        """When it is published, in UTC."""
        today = anchor.astimezone(zone).date()
        days = [today - timedelta(days=self.days_before)]
        if self.around_clock_change:
            days = clock_changes(zone, today)
        for day in days:
            yield datetime.combine(day, self.at, tzinfo=zone).astimezone(UTC)


def clock_changes(zone: ZoneInfo, today: date) -> list[date]:
    """The days before today on which the zone's offset changed."""
    days = [today - timedelta(days=back) for back in range(1, SEARCHED)]
    return [day for day in days if _offset(zone, day) != _offset(zone, day + timedelta(days=1))]


def _offset(zone: ZoneInfo, day: date) -> timedelta | None:
    return datetime.combine(day, time(), tzinfo=zone).utcoffset()


def _texts(platforms: frozenset[str], content_type: str) -> tuple[Special, ...]:
    """Texts that are hard to carry, one a day from the third day before the anchor backwards."""
    texts: tuple[tuple[Segment, ...], ...] = (
        (Plain("Fish & chips < 5 € &amp; a smile"), Plain(" "), Tag("Data"), Plain("🚀 "), Tag("data")),
        (Plain('=HYPERLINK("https://example.com"), said "nobody",\never;\tnot even once'),),
        (Tag("Straße"), Plain(" "), Tag("STRASSE"), Plain(", "), Tag("Zu\u0308rich"), Plain(", "), Tag("ZÜRICH")),
        (Plain("مرحبا "), Tag("بيانات"), Plain(" שלום \u2067123\u2069 👨‍👩‍👧‍👦")),
        (Tag("नेपाल"), Plain(" "), Tag("データ"), Plain(" "), Tag("data_mesh"), Plain(" #2026 and still #1")),
        (Plain("O'Brien's "), Tag("Acme"), Plain("'s day: 50% off (today) @ the \\back\\slash | pipe")),
    )  # fmt: skip
    return tuple(
        Special(platforms=platforms, days_before=3 + n, at=time(11, 7, n), content_type=content_type, segments=text)
        for n, text in enumerate(texts)
    )


def _everyday(platforms: frozenset[str], content_type: str) -> tuple[Special, ...]:
    """Posts at the edges of local days and around changes of the clocks, and after the anchor."""
    edge = (Plain("On the edge of a day "), Tag("midnight"))
    border = [
        Special(platforms=platforms, days_before=5, at=at, content_type=content_type, segments=edge)
        for at in (time(0, 0, 0), time(0, 0, 30), time(23, 59, 59))
    ]
    change = [
        Special(platforms=platforms, at=at, content_type=content_type, segments=edge, around_clock_change=True)
        for at in (time(0, 30), time(1, 30), time(1, 30, fold=1), time(2, 30, fold=1), time(23, 30))
    ]
    later = [
        Special(platforms=platforms, days_before=-after, at=time(9, 15), content_type=content_type, segments=edge)
        for after in (1, 2, 5)
    ]
    return (*border, *change, *later)


LINKEDIN = frozenset({"linkedin"})
X = frozenset({"twitter"})
FACEBOOK = frozenset({"facebook"})
INSTAGRAM = frozenset({"instagram"})
WORDS = (Plain("Once more, with feeling "), Tag("encore"))

SPECIALS: tuple[Special, ...] = (
    *_texts(LINKEDIN, "text"),
    *_texts(X, "text"),
    *_texts(FACEBOOK, "text"),
    *_texts(INSTAGRAM, "image"),
    *_everyday(LINKEDIN | X | FACEBOOK, "text"),
    *_everyday(INSTAGRAM, "image"),
    Special(
        platforms=LINKEDIN,
        days_before=4,
        at=time(8, 30),
        content_type="image",
        segments=(
            Plain("Our "),
            Tag("AI"),
            Plain(" report is out 🚀\nThanks "),
            Mention("Acme Corp", "urn:li:organization:123"),
            Plain(" (again) "),
            Tag("data_engineering"),
        ),
    ),
    Special(
        platforms=LINKEDIN,
        days_before=6,
        at=time(8, 31),
        content_type="text",
        segments=(Verbatim(wire="50\\% off \\(today\\)", read="50\\% off (today)"), Plain(" "), Tag("Sale")),
    ),
    Special(
        platforms=LINKEDIN,
        days_before=7,
        at=time(8, 32),
        content_type="text",
        segments=(Plain("C# developers wanted "), Tag("hiring")),
        marked_tags=False,
    ),
    *(
        Special(platforms=LINKEDIN, days_before=8 + n, at=time(10, 20, n), content_type=kind, segments=WORDS)
        for n, kind in enumerate(("image", "carousel", "video", "link", "document", "poll"))
    ),
    Special(platforms=LINKEDIN, days_before=9, at=time(14, 1), content_type="text", segments=(), kind="reshare"),
    Special(platforms=LINKEDIN, days_before=10, at=time(14, 2), content_type="text", segments=WORDS, kind="reshare"),
    Special(platforms=LINKEDIN, days_before=2, at=time(14, 3), content_type="image", segments=WORDS, kind="dark"),
    Special(platforms=LINKEDIN, days_before=1, at=time(14, 4), content_type="text", segments=WORDS, kind="draft"),
    *(
        Special(platforms=X, days_before=8 + n, at=time(10, 20, n), content_type=kind, segments=WORDS)
        for n, kind in enumerate(("image", "carousel", "video", "poll"))
    ),
    Special(
        platforms=X,
        days_before=9,
        at=time(14, 0),
        content_type="link",
        segments=(Plain("R&D <notes>: "), Link("https://example.com/?a=1&copy=2"), Plain(" "), Tag("AI")),
    ),
    Special(platforms=X, days_before=10, at=time(14, 1), content_type="image", segments=()),
    Special(
        platforms=X, days_before=11, at=time(14, 2), content_type="text", segments=(Plain("This 👇"),), kind="quote"
    ),
    Special(
        platforms=X,
        days_before=12,
        at=time(14, 3),
        content_type="text",
        segments=(Plain(" ".join(LONG)), Plain(" "), Tag("longread")),
        long=True,
    ),
    Special(
        platforms=X,
        days_before=2,
        at=time(14, 4),
        content_type="text",
        segments=(Plain("@partner thank you!"),),
        kind="reply",
    ),
    Special(
        platforms=X,
        days_before=2,
        at=time(14, 5),
        content_type="text",
        segments=(Plain("Benchmarks are out "), Tag("notours")),
        kind="retweet",
    ),
    *(
        Special(platforms=FACEBOOK, days_before=8 + n, at=time(10, 20, n), content_type=kind, segments=WORDS)
        for n, kind in enumerate(("image", "carousel", "video", "reel", "link"))
    ),
    *(
        Special(platforms=INSTAGRAM, days_before=8 + n, at=time(10, 20, n), content_type=kind, segments=WORDS)
        for n, kind in enumerate(("carousel", "reel", "video"))
    ),
    Special(platforms=META, days_before=6, at=time(13, 0), content_type="image", segments=None),
    Special(platforms=INSTAGRAM, days_before=4, at=time(13, 1), content_type="image", segments=WORDS, kind="ad"),
)
