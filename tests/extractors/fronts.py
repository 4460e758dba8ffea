"""A raw socket between the client and the simulator: it passes calls on, and harms the answers that a test chose."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from extractors.credentials import Grant
from extractors.extract import Asked, Reader, RunResult, loaded
from extractors.http import Caps, Client
from extractors.limiter import Limiter
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from tests.extractors.conftest import pass_time
from tests.extractors.sockets import _whole_request, http

Harm = Callable[[socket.socket, bytes], None]
"""Takes the client's connection and the whole answer that was right; sends what it likes, and the connection ends."""


@dataclass(slots=True)
class Front:
    """Stands in the platform's name; the next `times` calls whose path holds `where` are harmed, all others pass."""

    upstream: str
    harm: Harm
    where: str = ""
    times: int = 1
    context: ssl.SSLContext | None = None
    port: int = 0
    connections: int = 0
    harmed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

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
            talking = self.context.wrap_socket(talking, server_side=True) if self.context else talking
            with talking:
                while request := _whole_request(talking):
                    path = request.split(b" ", 2)[1].decode()
                    answer = self._answer(path, request)
                    if self._is_meant(path):
                        self.harm(talking, answer)
                        return
                    talking.sendall(answer)
        except OSError:
            return

    def _is_meant(self, path: str) -> bool:
        with self._lock:
            is_meant = self.where in path and self.harmed < self.times
            self.harmed += is_meant
            return is_meant

    def _answer(self, path: str, request: bytes) -> bytes:
        lines = request.decode("latin-1").split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines if line)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "accept-encoding")}
        answer = requests.get(self.upstream + path, headers=kept, timeout=30)
        named = {"Content-Type": "application/json", "Date": answer.headers.get("date", "")}
        return http(
            answer.content, status=answer.status_code, **{name.replace("-", "_"): v for name, v in named.items()}
        )


@contextmanager
def front(upstream: str, harm: Harm, **options: Any) -> Iterator[Front]:
    """Put a raw socket in front of the simulator."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        standing = Front(upstream, harm, **options)
        standing.port = listening.getsockname()[1]
        threading.Thread(target=standing.serve, args=(listening,), daemon=True).start()
        yield standing
        listening.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Read:
    """What became of one account's posts: the result, and the seconds that were waited for limits."""

    result: RunResult
    slept: list[float]

    @property
    def error(self) -> str | None:
        """The class of what went wrong."""
        return type(self.result.error).__name__ if self.result.error else None


def read_posts(
    environment: Mapping[str, str], identity: Mapping[str, Any], url: str, caps: Caps, authority: str | None = None
) -> Read:
    """Extract the posts of a LinkedIn account from an address, with caps a test can wait for; pauses pass unslept."""
    settings = Settings.from_environment({**environment, "LINKEDIN_BASE_URL": url})
    with closing(settings.warehouse.connect()) as connection, closing(settings.warehouse.connect()) as budgets:
        connection.autocommit = budgets.autocommit = True
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            pass_time(budgets, seconds + 0.01)

        account, limiter = loaded(connection, identity), Limiter(budgets, sleep=sleep)
        token = Grant(settings, account, connection).token()
        client = Client(PLATFORMS["linkedin"], account, url, token, limiter, caps=caps)
        if authority is not None:
            client.session.verify = authority
        asked = Asked(streams=["posts"])
        reader = Reader(
            connection=connection, settings=settings, account=account, limiter=limiter, asked=asked, client=client
        )
        (result,) = reader.read()
        return Read(result, slept)
