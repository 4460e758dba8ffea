"""Between the client and the socket: one deadline for a whole answer, and headers that mean one thing only.

The timeouts of `requests` count from byte to byte: a server that drips one now and then, in the headers or the body,
would never meet them. Here every read gets what is left until the deadline. A header that two readers would understand
differently is no answer: a bare CR, which some take for the end of a line; a folded line; a value said twice.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

# A monotonic instant; none: as patient as the socket.
DEADLINE: ContextVar[float] = ContextVar("DEADLINE", default=float("inf"))

# Of these a second value changes what an answer says, or where it ends.
SINGLE_HEADERS = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "content-type", "date", "retry-after", "location"}
    | {"x-app-usage", "x-page-usage", "x-business-use-case-usage"}
    | {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"}
)
HEADER_BYTES = 256 * 1024


class AmbiguousHeader(http.client.HTTPException):
    """The head of an answer breaks the grammar of RFC 9112 where readers differ, or has no measure."""


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """Let every read inside end at this monotonic instant."""
    token = DEADLINE.set(at)
    try:
        yield
    finally:
        DEADLINE.reset(token)


class _Timed(io.RawIOBase):
    """A socket's bytes; each read waits as long as the socket's timeout, and never past the deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._patience = sock.gettimeout()
        self._bytes = cast(io.RawIOBase, sock.makefile("rb", buffering=0))

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there. Raises TimeoutError at the deadline."""
        left = DEADLINE.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the answer has passed")
        if left != float("inf"):
            self._sock.settimeout(left if self._patience is None else min(self._patience, left))
        return cast("int | None", self._bytes.readinto(buffer))

    def close(self) -> None:
        """Let go of the socket."""
        self._bytes.close()
        super().close()


class _Lines(io.BufferedReader):
    """Lines of the head of an answer (chunk sizes come this way too, and obey the same)."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._read = 0
        self.is_head = True

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return one line. Raises AmbiguousHeader."""
        line = super().readline(-1 if size is None else size)
        if self.is_head:
            self._read += len(line)
            if self._read > HEADER_BYTES:
                raise AmbiguousHeader("a head without measure")
            if line[:1] in (b" ", b"\t"):
                raise AmbiguousHeader("a folded line")
        if b"\r" in line.removesuffix(b"\r\n") or b"\0" in line:
            raise AmbiguousHeader("a bare CR or NUL")
        return line


class _Response(http.client.HTTPResponse):
    """An answer read under the deadline, its head under a stricter grammar."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = _Lines(_Timed(sock))

    def begin(self) -> None:
        """Read the head. Raises AmbiguousHeader."""
        try:
            super().begin()
        except http.client.LineTooLong:
            raise AmbiguousHeader("a line without measure") from None
        except http.client.HTTPException as error:
            if str(error).startswith("got more than"):
                raise AmbiguousHeader("headers without measure") from None
            raise
        if isinstance(self.fp, _Lines):
            self.fp.is_head = False
        for name in SINGLE_HEADERS:
            if len({value.strip() for value in self.headers.get_all(name, [])}) > 1:
                raise AmbiguousHeader("two values of one header")
        if "content-length" in self.headers and "transfer-encoding" in self.headers:
            raise AmbiguousHeader("two lengths of one body")


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def new_session() -> requests.Session:
    """Return a session that keeps connections, trusts no environment and never retries by itself."""
    session = requests.Session()
    session.trust_env = False
    adapter = _Adapter(max_retries=Retry(total=0, redirect=0, read=False), pool_maxsize=8)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it wraps: `requests` wraps urllib3's, which wraps that of the socket."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        each = todo.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo.extend([each.__cause__, each.__context__, getattr(each, "reason", None), *each.args])
