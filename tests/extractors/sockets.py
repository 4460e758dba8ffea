"""A server that says exactly what a test tells it to, and a client that talks to it without sleeping."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from extractors.errors import PipelineError
from extractors.http import Caps, Client
from extractors.limiter import MOST_EARNED, RETRY_SHARE, Limiter
from extractors.registry import PLATFORMS
from extractors.spec import Account, Answer, Scope

ANCHOR = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)

Talk = Callable[[socket.socket], None]

TOKEN = "canary-5e21f0"
GOOD = b'{"id": 1, "localizedName": "A"}'
ACCOUNT = Account(business_id=1, platform="linkedin", account_id="77", credential="linkedin_1", timezone="UTC")
IMF = "%a, %d %b %Y %H:%M:%S GMT"


@dataclass(slots=True)
class RawServer:
    """A socket that answers as told, request by request (the last answer again and again), and keeps what came."""

    answers: list[bytes | Talk]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    context: ssl.SSLContext | None = None

    def serve(self, listening: socket.socket) -> None:
        """Accept until the socket is closed."""
        while True:
            try:
                talking, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(talking,), daemon=True).start()

    def _talk(self, talking: socket.socket) -> None:
        try:
            if self.context is not None:
                talking = self.context.wrap_socket(talking, server_side=True)
            with talking:
                while request := _whole_request(talking):
                    answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
                    self.requests.append(request)
                    if not isinstance(answer, bytes):
                        answer(talking)
                        return
                    talking.sendall(answer)
                    if b"connection: close" in answer.lower():
                        return
        except OSError:
            return


def _whole_request(talking: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        part = talking.recv(65536)
        if not part:
            return b""
        received += part
    return received


@contextmanager
def raw_server(*answers: bytes | Talk, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(list(answers), context=context, port=listening.getsockname()[1])
        threading.Thread(target=server.serve, args=(listening,), daemon=True).start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)


def http(body: bytes = GOOD, *, status: int = 200, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Content-Length", str(len(body)))
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in named.items() if value), "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(slots=True)
class Caller:
    """One client of LinkedIn; sleeps are noted and not slept."""

    limiter: Limiter
    slept: list[float]

    def client(self, port: int, *, scheme: str = "http", host: str = "127.0.0.1", **caps: Any) -> Client:
        base_url = f"{scheme}://{host}:{port}"
        return Client(PLATFORMS["linkedin"], ACCOUNT, base_url, TOKEN, self.limiter, caps=Caps(**caps))

    def find_it_well(self) -> None:
        """LinkedIn has answered so many calls just now that it earned every retry."""
        self.limiter.earn("linkedin", answered=round(MOST_EARNED / RETRY_SHARE))

    def call(self, port: int, **options: Any) -> Answer:
        return ask(self.client(port, **options))

    def error(self, port: int, **options: Any) -> PipelineError:
        with pytest.raises(PipelineError) as raised:
            self.call(port, **options)
        return raised.value


def ask(client: Client) -> Answer:
    read = PLATFORMS["linkedin"].stream("profile").reads[0]
    scope = Scope(account=ACCOUNT, now=ANCHOR)
    return client.call(read, scope, read.params(scope))
