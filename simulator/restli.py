"""LinkedIn's query language: structure raw, values percent-encoded (Rest.li 2.0), or the older dotted spelling (1.0).

https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/protocol-version
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from simulator.days import from_milliseconds
from simulator.exchange import Refusal

RANGE = r"timeRange:\(start:(?P<start>\d+),end:(?P<end>\d+)\)"
GRAIN = r"timeGranularityType:(?P<grain>DAY|WEEK|MONTH)"
INTERVALS = (re.compile(rf"\({RANGE},{GRAIN}\)"), re.compile(rf"\({GRAIN},{RANGE}\)"))
ENCODED_STRUCTURE = re.compile(r"%28|%29|%2C", re.IGNORECASE)
INDEXED = re.compile(r"(?P<name>\w+)\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A `timeIntervals` parameter; `spelled` is what the caller wrote, for the error messages that echo it."""

    start: datetime
    end: datetime
    grain: str
    spelled: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A raw query string, and whether the caller speaks Rest.li 2.0.0."""

    raw: dict[str, str]
    modern: bool

    def text(self, name: str) -> str | None:
        """A plain parameter, decoded; None when it is not there."""
        value = self.raw.get(name)
        return None if value is None else unquote(value)

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds; 400 outside."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdigit() or not least <= int(value) <= most:
            raise invalid(name)
        return int(value)

    def urns(self, name: str) -> list[str] | None:
        """A list parameter in either spelling; None when it is not there, 400 when it is spelled wrongly."""
        indexed = [unquote(value) for key, value in self.raw.items() if _indexed(key) == name]
        if indexed:
            return indexed
        value = self.raw.get(name)
        if value is None:
            return None
        if not self.modern or not value.startswith("List(") or not value.endswith(")"):
            raise invalid(name)
        inside = value[len("List(") : -1]
        if re.search(r"[():]", inside):
            raise invalid(name)
        return [unquote(one) for one in inside.split(",") if one]

    def interval(self) -> Interval | None:
        """The `timeIntervals` parameter in either spelling; None when it is not there, 400 when spelled wrongly."""
        if "timeIntervals.timeGranularityType" in self.raw:
            start, end = (self.raw.get(f"timeIntervals.timeRange.{edge}", "") for edge in ("start", "end"))
            spelled = f"(timeRange:(start:{start},end:{end}),timeGranularityType:{self._dotted_grain()})"
        elif (value := self.raw.get("timeIntervals")) is None:
            return None
        elif not self.modern or ENCODED_STRUCTURE.search(value):
            raise invalid("timeIntervals")
        else:
            spelled = unquote(value)
        return _parse_interval(spelled)

    def _dotted_grain(self) -> str:
        return self.raw["timeIntervals.timeGranularityType"]


def _indexed(key: str) -> str | None:
    found = INDEXED.fullmatch(unquote(key))
    return found["name"] if found else None


def _parse_interval(spelled: str) -> Interval:
    for pattern in INTERVALS:
        if found := pattern.fullmatch(spelled):
            return Interval(
                start=from_milliseconds(int(found["start"])),
                end=from_milliseconds(int(found["end"])),
                grain=found["grain"],
                spelled=spelled,
            )
    raise invalid("timeIntervals")


def parse(query: str, *, modern: bool) -> Query:
    """Split a raw query string without decoding it: structure and values must stay apart."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return Query(raw={name: value for name, _, value in pairs}, modern=modern)


def invalid(name: str) -> Refusal:
    """The answer to a parameter in the wrong spelling."""
    return Refusal(400, {"message": f"Parameter '{name}' is invalid", "status": 400})
