"""Health is what Airflow says now, not what a dead service said half a minute ago."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from local import health, postgres
from local.services import SERVICES

pytestmark = pytest.mark.unit
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Serve = Callable[[dict[str, Any]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers every request with the given report."""
    servers: list[HTTPServer] = []

    def start(body: dict[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def report(**changed: Any) -> dict[str, Any]:
    beat = (NOW - timedelta(seconds=10)).isoformat()
    sound = {
        each.health: {"status": "healthy", f"latest_{each.health}_heartbeat": beat}
        for each in SERVICES
        if each.health != "metadatabase"
    }
    return {"metadatabase": {"status": "healthy"}, **sound, **changed}


def test_everybody_is_healthy(serve: Serve) -> None:
    assert health.unhealthy(serve(report())) == []


def test_the_sick_and_the_silent_are_named(serve: Serve) -> None:
    sick = report(scheduler={"status": "unhealthy"}, triggerer=None)
    assert health.unhealthy(serve(sick)) == ["scheduler", "triggerer"]


def test_a_heartbeat_from_before_the_start_does_not_count(serve: Serve) -> None:
    url = serve(report())
    assert health.unhealthy(url, since=NOW - timedelta(minutes=1)) == []
    assert health.unhealthy(url, since=NOW) == ["scheduler", "dag-processor", "triggerer"]


def test_where_nobody_answers_nobody_is_healthy() -> None:
    assert health.unhealthy(f"http://127.0.0.1:{postgres.free_port()}") == [each.name for each in SERVICES]
