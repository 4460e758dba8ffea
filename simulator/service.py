"""What the platforms' request handlers share: the world, the time, the budgets, the tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.exchange import Answer, Request
from simulator.limits import Limits, Spending
from simulator.vault import Vault
from simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything a handler may look at for one request. `now` is frozen for it; `fault` is what it must suffer."""

    world: World
    vault: Vault
    meter: Spending
    limits: Limits
    now: datetime
    fault: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Service, Request], Answer]
