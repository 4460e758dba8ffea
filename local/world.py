"""The simulated world of a stack: which instant it began at, and how its clock runs.

The first demo freezes the clock, and later demos see the same instant, so that nothing has changed between them.
`up` lets the clock run; a demo after that freezes it anew, since a world cannot go back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from local.layout import Layout, read_json, write_private

SEED = 7


@dataclass(frozen=True, slots=True)
class World:
    """`anchor` is the instant the world was made for; `now` its frozen clock, None while it runs with ours."""

    seed: int
    anchor: str
    now: str | None


def frozen(layout: Layout) -> World:
    """Return the world with its clock standing still: where it stood, or here and now."""
    kept = _kept(layout)
    return _keep(layout, replace(kept, now=kept.now or _this_second()))


def live(layout: Layout) -> World:
    """Return the world with its clock running."""
    return _keep(layout, replace(_kept(layout), now=None))


def _kept(layout: Layout) -> World:
    return _read(layout) or World(SEED, anchor=_this_second(), now=None)


def _this_second() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def _read(layout: Layout) -> World | None:
    found = read_json(layout.root / "world.json")
    return World(**found) if isinstance(found, dict) and set(found) == {"seed", "anchor", "now"} else None


def _keep(layout: Layout, world: World) -> World:
    write_private(layout.root / "world.json", json.dumps(asdict(world)))
    return world
