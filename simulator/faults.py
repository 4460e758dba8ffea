"""Scripted faults: which request suffers what, and how often."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.exchange import Request

NAMES = frozenset(
    {
        "token_expired",
        "token_revoked",
        "permission_lost",
        "rate_limited",
        "rate_limited_day",
        "usage_cap",
        "credits",
        "version_sunset",
        "http_500",
        "http_503",
        "http_504",
        "redirect",
        "gzip_bomb",
        "unknown_encoding",
        "empty_body",
        "transient_1",
        "transient_2",
        "bad_metric",
        "object_deleted_33",
        "old_media_2108006",
        "html_error_page",
        "connection_reset",
        "truncated_json",
        "slow_10s",
        "empty_data",
        "partial_errors",
        "page_short_with_next",
        "metric_as_string",
        "null_text",
        "missing_shares",
        "renamed_fields",
        "token_quoted",
        "cursor_expired",
        "duplicate_page",
        "page_loop",
        "endless_empty_pages",
        "time_passes",
        "privacy_noise",
    }
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that waits for its requests: `after` matching ones pass first, then `times` suffer."""

    name: str
    platform: str | None = None
    path_contains: str | None = None
    times: int = 1
    after: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, request: Request) -> bool:
        """Whether the request is one of those meant. `path_contains` also looks at the query."""
        if self.platform is not None and self.platform != request.platform:
            return False
        where = f"{request.path}?{request.query}"
        return self.path_contains is None or self.path_contains in where


class Faults:
    """The script. The first fault that matches a request is the one it suffers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(
        self,
        name: str,
        *,
        platform: str | None = None,
        path_contains: str | None = None,
        times: int = 1,
        after: int = 0,
        **options: Any,
    ) -> None:
        """Script a fault; ValueError for a name that does not exist.

        Options: `seconds` (slow_10s; rate_limited on X: until the reset; time_passes: the clock moves before the
        answer), `minutes` (rate_limited on Meta: until access is regained), `unit` (rate_limited on LinkedIn: MINUTE or
        SECOND), `headers` (every fault that replaces the answer: added to it), `location` (redirect), `bytes`
        (gzip_bomb, unpacked), `body` (empty_body: null, []).
        """
        if name not in NAMES:
            raise ValueError(f"no fault is called {name!r}; there are {', '.join(sorted(NAMES))}")
        fault = Fault(
            name=name, platform=platform, path_contains=path_contains, times=times, after=after, options=options
        )
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget the script."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[str]:
        """Names of the faults that have not struck as often as they were meant to."""
        with self._lock:
            return [fault.name for fault in self._waiting]

    def strike(self, request: Request) -> Fault | None:
        """The fault this request suffers, if any; a header `X-Sim-Fault` forces one."""
        if (forced := request.headers.get("x-sim-fault")) in NAMES and forced is not None:
            return Fault(name=forced)
        with self._lock:
            for fault in self._waiting:
                if fault.matches(request):
                    if fault.after > 0:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
