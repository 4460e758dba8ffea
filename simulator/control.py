"""`/_simulator/*`: the same clock, ledger, faults and arithmetic for other processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator import graph
from simulator.exchange import Answer, Request
from simulator.plan import FIRST_RUN, LATER_RUN

if TYPE_CHECKING:
    from simulator.server import Simulator

PREFIX = "/_simulator/"


def handle(simulator: Simulator, request: Request) -> Answer:
    """Answer a control request; 400 with the reason for one that makes no sense, 404 for one that does not exist."""
    run = ROUTES.get((request.method, request.path.removeprefix(PREFIX).strip("/")))
    if run is None:
        known = sorted(f"{method} {PREFIX}{name}" for method, name in ROUTES)
        return Answer(status=404, body={"error": "no such control", "known": known})
    try:
        return Answer(body=run(simulator, request))
    except (ValueError, KeyError, TypeError) as problem:
        return Answer(status=400, body={"error": f"{type(problem).__name__}: {problem}"})


def _calls(simulator: Simulator, request: Request) -> Any:
    platform = request.params().get("platform")
    return [call.as_json() for call in simulator.calls if platform in (None, call.platform)]


def _clear_calls(simulator: Simulator, request: Request) -> Any:
    simulator.clear_calls()
    return {"cleared": True}


def _clock(simulator: Simulator, request: Request) -> Any:
    return {"now": simulator.clock.now().isoformat(), "anchor": simulator.world.anchor.isoformat()}


def _move_clock(simulator: Simulator, request: Request) -> Any:
    """Body `{"set": ISO}` or any of `{"advance_seconds": n, "advance_days": n}`."""
    asked = _body(request)
    if "set" in asked:
        simulator.clock.set(datetime.fromisoformat(asked["set"]))
    elif "advance_seconds" in asked or "advance_days" in asked:
        by = timedelta(days=asked.get("advance_days", 0), seconds=asked.get("advance_seconds", 0))
        simulator.clock.advance(by)
    else:
        raise ValueError("say set, advance_seconds or advance_days")
    return _clock(simulator, request)


def _add_fault(simulator: Simulator, request: Request) -> Any:
    """Body: name, and optionally platform, path_contains, times, after and the fault's own options."""
    asked = _body(request)
    simulator.faults.add(asked.pop("name"), **asked)
    return {"waiting": simulator.faults.waiting()}


def _faults(simulator: Simulator, request: Request) -> Any:
    return {"waiting": simulator.faults.waiting()}


def _clear_faults(simulator: Simulator, request: Request) -> Any:
    simulator.faults.clear()
    return {"waiting": []}


def _set_token(simulator: Simulator, request: Request) -> Any:
    """Body `{"credential": name, "state": "valid" | "expired" | "revoked"}`."""
    asked = _body(request)
    simulator.vault.set_state(asked["credential"], asked["state"])
    return asked


def _retire(simulator: Simulator, request: Request) -> Any:
    """Body `{"metric": name}`: Meta knows it no more, from now on."""
    retired = graph.policy(simulator.vault).retired
    retired.add(_body(request)["metric"])
    return {"retired": sorted(retired)}


def _delete(simulator: Simulator, request: Request) -> Any:
    """Body `{"platform": name, "post_ids": [id], "at": ISO}`; now when no instant is said."""
    asked = _body(request)
    at = datetime.fromisoformat(asked["at"]) if "at" in asked else None
    simulator.delete(asked["platform"], *asked["post_ids"], at=at)
    return asked


def _edit(simulator: Simulator, request: Request) -> Any:
    """Body `{"post_id": id, "text": words, "at": ISO}`: a post of X gets a new version."""
    asked = _body(request)
    at = datetime.fromisoformat(asked["at"]) if "at" in asked else None
    simulator.edit(asked["post_id"], asked["text"], at)
    return asked


def _minimum(simulator: Simulator, request: Request) -> Any:
    """Query: first_run, at and before (ISO), and the days of `plan.Windows` by name."""
    params = request.params()
    first_run = params.pop("first_run", "false").lower() in ("1", "true", "yes")
    at = datetime.fromisoformat(params.pop("at")) if "at" in params else simulator.clock.now()
    before = datetime.fromisoformat(params.pop("before")) if "before" in params else None
    days: dict[str, Any] = {name: int(value) for name, value in params.items()}
    windows = replace(FIRST_RUN if first_run else LATER_RUN, **days)
    return simulator.world.minimum_calls(at, first_run=first_run, windows=windows, before=before)


def _about(simulator: Simulator, request: Request) -> Any:
    world = simulator.world
    return {
        "seed": world.seed,
        "scale": world.scale,
        "anchor": world.anchor.isoformat(),
        "base_urls": simulator.base_urls,
        "planted": [
            {
                "business_id": one.business_id,
                "platform": one.platform,
                "account_id": one.account_id,
                "kind": one.kind,
                "value": one.value,
                "effect": one.effect,
            }
            for one in world.planted
        ],
    }


def _body(request: Request) -> dict[str, Any]:
    asked = json.loads(request.body or b"{}")
    if not isinstance(asked, dict):
        raise TypeError("the body must be a JSON object")
    return asked


ROUTES: dict[tuple[str, str], Callable[[Simulator, Request], Any]] = {
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _clear_calls,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _move_clock,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "token"): _set_token,
    ("POST", "retire"): _retire,
    ("POST", "delete"): _delete,
    ("POST", "edit"): _edit,
    ("GET", "minimum"): _minimum,
    ("GET", "about"): _about,
}
