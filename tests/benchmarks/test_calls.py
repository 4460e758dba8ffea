"""What a peer's connectors would call, by hand for a small account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.calls import PEERS


def posts(count: int, children: int = 0) -> list[Any]:
    carousel = {"children": {"data": [{"id": str(number)} for number in range(children)]}}
    return [SimpleNamespace(payload=carousel if number == 0 else {}) for number in range(count)]


@pytest.mark.parametrize(
    ("platform", "group", "calls"),
    [
        ("instagram", "posts and their metrics", 2 + 150 + 7),
        ("instagram", "account series", 120),
        ("facebook", "posts and their metrics", 2 * 6),
        ("linkedin", "posts and their metrics", None),
    ],
)
def test_the_peer_s_calls_are_those_of_its_manifest(platform: str, group: str, calls: int | None):
    (peer,) = [each for each in PEERS if (each.platform, each.group) == (platform, group)]
    assert (peer.calls(posts(150, children=7)) if peer.calls else None) == calls
