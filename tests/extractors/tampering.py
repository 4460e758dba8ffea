"""A platform whose answers are changed on their way: a real server in front of the simulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import requests

Change = Callable[[str, Any], Any]
"""Takes the path with its query and the parsed answer; gives the answer, as JSON or as bytes."""


@contextmanager
def tampered(upstream: str, change: Change, *, asked: Callable[[str], str] = str) -> Iterator[str]:
    """Pass every call on and change what comes back; the address is that of the server in front.

    `asked` changes the path with its query, and the form, before they are passed on.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.pass_on(asked(form.decode()).encode())

        def pass_on(self, form: bytes | None) -> None:
            headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Content-Length")}
            url = upstream + asked(self.path)
            answer = requests.request(self.command, url, data=form, headers=headers, timeout=30)
            body = change(self.path, answer.json()) if answer.status_code == 200 else answer.content
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            # Date and the rest are the platform's own; two of one header would be refused.
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower().startswith(("x-", "date", "retry")):
                    self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def posts_of(body: Any) -> list[dict[str, Any]]:
    """The records of any platform's page; none for an answer of another form."""
    if not isinstance(body, dict):
        return []
    found = body.get("data", body.get("elements", []))
    return found if isinstance(found, list) else []
