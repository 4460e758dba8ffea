"""The Graph API's field expansion: `id,insights.metric(a,b).period(lifetime){name,values},children{id}`.

https://developers.facebook.com/docs/graph-api/guides/field-expansion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.model import Json

NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class BadSyntax(ValueError):
    """The field list cannot be read; says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field with its modifiers, `limit(0)`, and the fields wanted inside of it."""

    name: str
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inside: tuple[Field, ...] = ()


def parse(text: str) -> tuple[Field, ...]:
    """The fields of a `fields` parameter; BadSyntax when brackets do not match or a name is missing."""
    fields, position = _fields(text, 0)
    if position != len(text):
        raise BadSyntax(f"unexpected {text[position]!r} at {position}")
    return fields


def _fields(text: str, position: int) -> tuple[tuple[Field, ...], int]:
    found = []
    while True:
        one, position = _field(text, position)
        found.append(one)
        if position >= len(text) or text[position] != ",":
            return tuple(found), position
        position += 1


def _field(text: str, position: int) -> tuple[Field, int]:
    name, position = _name(text, position)
    arguments: dict[str, tuple[str, ...]] = {}
    inside: tuple[Field, ...] = ()
    while position < len(text) and text[position] in ".{":
        if text[position] == ".":
            modifier, position = _name(text, position + 1)
            arguments[modifier], position = _arguments(text, position)
        else:
            inside, position = _fields(text, position + 1)
            position = _expect(text, position, "}")
    return Field(name=name, arguments=arguments, inside=inside), position


def _name(text: str, position: int) -> tuple[str, int]:
    end = position
    while end < len(text) and text[end] in NAME:
        end += 1
    if end == position:
        raise BadSyntax(f"a name is missing at {position}")
    return text[position:end], end


def _arguments(text: str, position: int) -> tuple[tuple[str, ...], int]:
    position = _expect(text, position, "(")
    end = text.find(")", position)
    if end < 0:
        raise BadSyntax(f"')' is missing after {position}")
    return tuple(one.strip() for one in text[position:end].split(",") if one.strip()), end + 1


def _expect(text: str, position: int, character: str) -> int:
    if position >= len(text) or text[position] != character:
        raise BadSyntax(f"{character!r} is missing at {position}")
    return position + 1


def project(value: Any, inside: Sequence[Field]) -> Any:
    """An object with nothing but the fields asked for; lists and `data` envelopes element by element, ids always."""
    if not inside:
        return value
    if isinstance(value, list):
        return [project(one, inside) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("data"), list):
        return value | {"data": project(value["data"], inside)}
    wanted = {one.name: one.inside for one in inside}
    kept: Json = {name: project(value[name], more) for name, more in wanted.items() if name in value}
    return {"id": value["id"]} | kept if "id" in value else kept
