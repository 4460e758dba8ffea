"""Four HTTP servers on loopback, one per platform, over one world, one clock and one ledger."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from simulator import control, ledger, linkedin, meta, misfortune, oauth, twitter
from simulator.clock import Clock
from simulator.exchange import Answer, Request
from simulator.faults import Fault, Faults
from simulator.ledger import Call, Ledger
from simulator.limits import Bill, Limits, Meter
from simulator.model import PLATFORMS
from simulator.service import Handler, Service
from simulator.vault import Vault
from simulator.world import World

HOST = "127.0.0.1"
HANDLERS: dict[str, Handler] = {
    "linkedin": linkedin.handle,
    "twitter": twitter.handle,
    "facebook": meta.handle,
    "instagram": meta.handle,
}
SLOW_SECONDS = 10.0


class Simulator:
    """The four platforms, serving from `__enter__` to `__exit__`.

    `now` is the frozen time to start at (the world's anchor when not said); `running` lets the clock go on from there.
    `ports` names fixed ports by platform, 0 or nothing takes a free one. `wall` is the real time of the rate limits.
    `expiring` lets access tokens of X and LinkedIn end by the clock, as theirs do, and gives out refresh tokens.
    """

    def __init__(
        self,
        world: World,
        *,
        now: datetime | None = None,
        ports: Mapping[str, int] | None = None,
        limits: Limits | None = None,
        running: bool = False,
        wall: Callable[[], float] = time.time,
        expiring: bool = False,
    ) -> None:
        self.world = world
        self.clock = Clock(now or world.anchor, running=running)
        self.faults = Faults()
        self.expiring = expiring
        self.vault = Vault(world, clock=self.clock if expiring else None)
        self.limits = limits or Limits()
        self._meter = Meter(wall)
        self._ledger = Ledger()
        self._ports = dict(ports or {})
        self._servers: dict[str, Server] = {}

    @property
    def base_urls(self) -> dict[str, str]:
        """Where each platform listens: scheme, host and port."""
        return {platform: f"http://{HOST}:{server.server_port}" for platform, server in self._servers.items()}

    def environment(self) -> dict[str, str]:
        """Base URLs and credentials as the environment variables of an extractor."""
        urls = {f"{platform.upper()}_BASE_URL": url for platform, url in self.base_urls.items()}
        return urls | self.world.environment(refreshable=self.expiring)

    def delete(self, platform: str, *post_ids: str, at: datetime | None = None) -> None:
        """Delete posts, now or at an instant; KeyError for an id that nobody has."""
        self.world = self.world.after_deletion(platform, post_ids, at or self.clock.now())

    def edit(self, post_id: str, text: str, at: datetime | None = None) -> None:
        """Edit a post of X, now or at an instant; KeyError for an id that nobody has."""
        self.world = self.world.after_edit(post_id, at or self.clock.now(), text)

    @property
    def calls(self) -> list[Call]:
        """Every request since the last `clear_calls`, except those to `/_simulator/`."""
        return self._ledger.calls()

    def clear_calls(self) -> None:
        """Forget the requests so far."""
        self._ledger.clear()

    def __enter__(self) -> Self:
        for platform in PLATFORMS:
            server = Server((HOST, self._ports.get(platform, 0)), platform, self)
            self._servers[platform] = server
            Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.stop()
        self._servers.clear()

    def answer(self, request: Request) -> tuple[Answer, Fault | None]:
        """Answer one platform request and note it in the ledger."""
        started = time.perf_counter()
        fault = self.faults.strike(request)
        if fault is not None and fault.name == "time_passes":
            self.clock.advance(timedelta(seconds=float(fault.options.get("seconds", 60))))
        now = self.clock.now()
        bill = Bill(self._meter)
        service = Service(world=self.world, vault=self.vault, meter=bill, limits=self.limits, now=now)
        if fault is not None:
            service = replace(service, fault=fault.name, options=fault.options)
        answer = misfortune.replacement(fault.name, service, request) if fault else None
        if fault is not None and fault.name in misfortune.ABOUT_PAGES:
            answer = misfortune.astray(fault.name, HANDLERS[request.platform], service, request)
        if answer is None:
            answer = oauth.ENDPOINTS.get((request.platform, request.path), HANDLERS[request.platform])(service, request)
            answer = misfortune.damage(fault.name, request, answer) if fault else answer
        self._note(request, answer, fault, bill, now, time.perf_counter() - started)
        return answer, fault

    def _note(
        self, request: Request, answer: Answer, fault: Fault | None, bill: Bill, now: datetime, seconds: float
    ) -> None:
        self._ledger.add(
            platform=request.platform,
            method=request.method,
            path=request.path,
            query=ledger.without_secrets(request.query),
            status=answer.status,
            at=now,
            received=datetime.now(UTC),
            seconds=round(seconds, 6),
            account=answer.account or misfortune.account_in(self.world, request),
            credential=answer.credential,
            fault=fault.name if fault else None,
            objects=answer.objects,
            parts=_parts(request),
            charges=tuple(bill.charges),
            exposed=self.vault.is_in(unquote(f"{request.path}?{request.query}")),
        )


def _parts(request: Request) -> tuple[str, ...]:
    """The requests inside a Graph batch."""
    try:
        items = json.loads(request.form().get("batch", "[]")) if request.method == "POST" else []
        return tuple(ledger.path_without_secrets(str(item.get("relative_url", ""))) for item in items)
    except (ValueError, AttributeError, TypeError):
        return ()


class Server(ThreadingHTTPServer):
    """One platform's port."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], platform: str, simulator: Simulator) -> None:
        self.platform = platform
        self.simulator = simulator
        super().__init__(address, Connection)

    def stop(self) -> None:
        """Stop serving; a knock on the door spares the wait for the next poll."""
        stopping = Thread(target=self.shutdown, daemon=True)
        stopping.start()
        socket.create_connection((HOST, self.server_port), timeout=1).close()
        stopping.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    """One kept-alive connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "Simulator"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        """Serve a read."""
        self._serve()

    def do_POST(self) -> None:
        """Serve a batch or a control request."""
        self._serve()

    def do_DELETE(self) -> None:
        """Serve a control request."""
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Nothing: the ledger is the log, and it holds no tokens."""

    def _serve(self) -> None:
        request = self._request()
        if request.path.startswith(control.PREFIX):
            self._send(control.handle(self.server.simulator, request))
            return
        answer, fault = self.server.simulator.answer(request)
        match fault.name if fault else None:
            case "connection_reset":
                self._reset()
            case "truncated_json":
                self._send(answer, cut=True)
            case "slow_10s":
                time.sleep(float((fault.options if fault else {}).get("seconds", SLOW_SECONDS)))
                self._send(answer)
            case _:
                self._send(answer)

    def _request(self) -> Request:
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        return Request(
            platform=self.server.platform,
            method=self.command,
            path=split.path,
            query=split.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            base_url=f"http://{self.headers.get('Host') or HOST}",
        )

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        """One write for head and body; a cut body is announced whole and ends half way."""
        raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"} | answer.headers
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value.replace("\r", " ").replace("\n", " "))
        self.send_header("Content-Length", str(len(raw)))
        if cut:
            self.send_header("Connection", "close")
            raw = raw[: len(raw) // 2]
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()
        if cut:
            self.close_connection = True

    def _reset(self) -> None:
        """Hang up the way a crashed server does, with a TCP reset."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True
