"""A pooler by transactions, as PgBouncer is one: few sessions for many clients, each transaction in whichever is free.

It speaks so much of PostgreSQL's protocol (version 3.0, https://www.postgresql.org/docs/current/protocol-flow.html) as
poolers do: it greets clients itself, ignores their startup options, and passes all else on as it comes. Sessions go
round in turn, so that two transactions of a client are seldom in the same one.
"""

from __future__ import annotations

import itertools
import os
import queue
import select
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from psycopg import pq

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
#: What a server tells of itself at the start, and what clients rely on.
TOLD = ("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes")
TOLD += ("standard_conforming_strings", "is_superuser", "session_authorization")
#: Messages of a client that the server answers with one ReadyForQuery.
ASKS = (b"Q", b"S", b"F")
NUMBERS = itertools.count(900_001)


@dataclass(slots=True)
class Session:
    """A connection to the server, logged in by libpq; its socket is used directly from then on."""

    connection: pq.PGconn
    socket: socket.socket

    @classmethod
    def opened(cls, environment: Mapping[str, str], database: str) -> Session:
        known = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
        given = " ".join(f"{name}='{environment[variable]}'" for name, variable in known.items())
        connection = pq.PGconn.connect(f"{given} dbname='{database}' sslmode=disable gssencmode=disable".encode())
        assert connection.status == pq.ConnStatus.OK, connection.error_message
        return cls(connection, socket.socket(fileno=os.dup(connection.socket)))


@dataclass(slots=True)
class Pooler:
    """Where it listens, and how many transactions it has given to which session."""

    environment: Mapping[str, str]
    size: int = 3
    port: int = 0
    served: list[int] = field(default_factory=list)
    _free: dict[str, queue.Queue[Session]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listening: socket.socket) -> None:
        """Accept until the socket is closed."""
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client:
            try:
                database = _greeted(client)
                if database is not None:
                    free = self._sessions(database)
                    _welcome(client, free)
                    while self._transaction(client, free):
                        pass
            except OSError:
                return

    def _sessions(self, database: str) -> queue.Queue[Session]:
        with self._lock:
            if database not in self._free:
                self._free[database] = queue.Queue()
                for _ in range(self.size):
                    self._free[database].put(Session.opened(self.environment, database))
            return self._free[database]

    def _transaction(self, client: socket.socket, free: queue.Queue[Session]) -> bool:
        """Pass one transaction on to the session whose turn it is; False when the client has gone."""
        first = _message(client)
        if first is None or first[:1] == b"X":
            return False
        session = free.get(timeout=60)
        self.served.append(id(session))
        if _relay(client, session, first):
            free.put(session)
            return True
        # Like PgBouncer: a session whose client left in the middle of a transaction is not used again.
        session.socket.shutdown(socket.SHUT_RDWR)
        free.put(Session.opened(self.environment, session.connection.db.decode()))
        return False


def _relay(client: socket.socket, session: Session, first: bytes) -> bool:
    """Pass messages to and fro until the server is idle and owes no answer; False when the client has gone before."""
    owed = int(first[:1] in ASKS)
    session.socket.sendall(first)
    while True:
        readable, _, _ = select.select([client, session.socket], [], [], 60)
        assert readable, "nobody says anything"
        if session.socket in readable:
            answer = _message(session.socket)
            if answer is None:
                return False
            client.sendall(answer)
            owed -= answer[:1] == b"Z"
            if answer[:1] == b"Z" and owed == 0 and answer[5:6] == b"I" and not select.select([client], [], [], 0)[0]:
                return True
        else:
            asked = _message(client)
            if asked is None or asked[:1] == b"X":
                return False
            owed += asked[:1] in ASKS
            session.socket.sendall(asked)


def _greeted(client: socket.socket) -> str | None:
    """Take the client's startup message and return its database; None for one that only cancels."""
    while True:
        length = struct.unpack("!i", _exactly(client, 4))[0]
        body = _exactly(client, length - 4)
        version = struct.unpack("!i", body[:4])[0]
        if version in (SSL_REQUEST, GSS_REQUEST):
            client.sendall(b"N")
        elif version == CANCEL_REQUEST:
            return None
        else:
            words = body[4:].split(b"\0")
            said = dict(zip(words[::2], words[1::2], strict=False))
            return said.get(b"database", said[b"user"]).decode()


def _welcome(client: socket.socket, free: queue.Queue[Session]) -> None:
    """Let the client in, under a process number that is no session's."""
    session = free.get(timeout=60)
    told = [(name.encode(), session.connection.parameter_status(name.encode())) for name in TOLD]
    free.put(session)
    client.sendall(_framed(b"R", struct.pack("!i", 0)))
    for name, value in told:
        client.sendall(_framed(b"S", name + b"\0" + (value or b"") + b"\0"))
    client.sendall(_framed(b"K", struct.pack("!ii", next(NUMBERS), 0)) + _framed(b"Z", b"I"))


def _framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _message(talking: socket.socket) -> bytes | None:
    """One whole message, or None when the other side has gone."""
    try:
        head = _exactly(talking, 5)
        return head + _exactly(talking, struct.unpack("!i", head[1:])[0] - 4)
    except ConnectionError:
        return None


def _exactly(talking: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = talking.recv(size - len(parts))
        if not part:
            raise ConnectionError
        parts += part
    return bytes(parts)


@contextmanager
def pooling(environment: Mapping[str, str]) -> Iterator[Pooler]:
    """A pooler in front of the warehouse."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pooler = Pooler(environment, port=listening.getsockname()[1])
        threading.Thread(target=pooler.serve, args=(listening,), daemon=True).start()
        yield pooler
        listening.shutdown(socket.SHUT_RDWR)
        for free in pooler._free.values():
            while not free.empty():
                free.get().connection.finish()
