"""A second, independent reading of the rules of X: twitter-text's own regular expression, consumed from the left."""

from __future__ import annotations

import re
import sys
import unicodedata

SPECIALS = "_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"


def _all_of(*categories: str) -> str:
    points = range(1, sys.maxunicode + 1)
    return "".join(re.escape(chr(point)) for point in points if unicodedata.category(chr(point)) in categories)


LETTERS = _all_of("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me")
INSIDE = LETTERS + _all_of("Nd") + re.escape(SPECIALS)
TAG = re.compile(
    rf"(?:^|\ufe0e|\ufe0f|[^{INSIDE}&])[#\uff03](?!\ufe0f|\u20e3)([{INSIDE}]*[{LETTERS}][{INSIDE}]*)", re.DOTALL
)
PATH = r"[a-z0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&]"
ENDING = r"[a-z0-9=_#/+\-]"
TAIL = rf"(?:/(?:{PATH}*{ENDING})?)?(?:\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9_&=#/\-])?"
URL = re.compile(
    rf"(?:^|(?<=[^a-z0-9@\uff20$#\uff03]))https?://(?:[a-z0-9-]+\.)+[a-z]{{2,}}{TAIL}"
    rf"|(?:^|(?<=[^a-z0-9@\uff20$#\uff03_./-]))(?:[a-z0-9-]+\.)+[a-z]{{2,}}{TAIL}",
    re.IGNORECASE | re.ASCII,
)


def hashtags(text: str) -> list[str]:
    """Return the tags of a text whose URLs, if any, are of ASCII."""
    urls = [match.span() for match in URL.finditer(text)]
    tags = []
    for match in TAG.finditer(text):
        begin, end = match.start(1) - 1, match.end()
        inside_a_url = any(low < begin < high for low, high in urls)
        if not inside_a_url and not re.match("#|\uff03|://", text[end:]):
            tags.append(match[1])
    return tags


def fold(tag: str) -> str:
    """Return what two spellings of one hashtag have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())


def escape(text: str) -> str:
    """Write a text in LinkedIn's little text, so that nothing in it is markup."""
    return re.sub(r"([\\|{}@\[\]()<>#*_~])", r"\\\1", text)
