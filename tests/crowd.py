"""As many X accounts as a test asks for, each with as many posts: the simulator's world has a dozen."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

PAGE = 100
TOKEN = "a-token-that-nobody-may-see"


@dataclass(slots=True)
class Crowd:
    """What the server knows: posts per account, who is in trouble, and who called how often and how many at once.

    `dead`: tokens refused. `forbidden`: permission lost. `limited`: seconds until a limit of the account ends.
    `strange`: answers of another shape than documented. `seconds`: how long an answer takes. `hold`: answers of these
    accounts wait for the event. `html`: answered with a page for people. `quotes`: a refusal repeats the login.
    """

    posts: int = 0
    page: int = PAGE
    dead: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    html: set[str] = field(default_factory=set)
    quotes: bool = False
    limited: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    hold: dict[str, threading.Event] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    addresses: set[str] = field(default_factory=set)
    most_at_once: int = 0
    url: str = ""
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return status, headers and body for a call."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/2/tweets/search/recent":
            return 200, {}, {"meta": {"result_count": 0}}
        account = query["ids"] if parts.path == "/2/users" else parts.path.split("/")[3]
        with self._lock:
            self.calls[account] += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self.arrived.release()
        if account in self.hold:
            self.hold[account].wait(60)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        return self._reply(account, parts.path, query)

    def content(self, path: str, login: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and the bytes of an answer to who shows such a login."""
        status, headers, body = self.answer(path)
        self.addresses.add(path)
        said = f" (login: {login})" if self.quotes else ""
        if any(account in path for account in self.html):
            return 200, {**headers, "Content-Type": "text/html"}, f"<html><p>Sorry!{said}</p></html>".encode()
        if "detail" in body:
            body = {**body, "detail": body["detail"] + said}
        return status, {**headers, "Content-Type": "application/json"}, json.dumps(body).encode()

    def _reply(self, account: str, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, str], dict[str, Any]]:
        if account in self.dead:
            return 401, {}, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
        if account in self.forbidden:
            return 403, {}, {"title": "Forbidden", "status": 403, "detail": "you are not permitted to see this"}
        if account in self.limited:
            headers = {"retry-after": str(int(self.limited[account])), "date": _http_date()}
            return 429, headers, {"title": "Too Many Requests", "status": 429, "detail": "Too Many Requests"}
        if account in self.strange:
            return 200, {}, {"data": "nothing that X documents"}
        if path == "/2/users":
            return 200, {}, {"data": [_user(account)]}
        is_private = "non_public_metrics" in query.get("tweet.fields", "")
        return 200, {}, self._timeline(account, int(query.get("pagination_token", "0")), is_private)

    def _timeline(self, account: str, start: int, is_private: bool) -> dict[str, Any]:
        end = min(start + self.page, self.posts)
        data = [(_private if is_private else _post)(account, number) for number in range(start, end)]
        meta: dict[str, Any] = {"result_count": len(data)}
        if end < self.posts:
            meta["next_token"] = str(end)
        return {"data": data, "meta": meta} if data else {"meta": meta}


def _user(account: str) -> dict[str, Any]:
    counts = {"followers_count": 10, "following_count": 1, "tweet_count": 5, "listed_count": 0, "like_count": 0}
    return {
        "id": account, "username": f"u{account}", "name": "Crowd", "description": "", "verified": False,
        "created_at": "2020-01-01T00:00:00.000Z", "public_metrics": counts,
    }  # fmt: skip


def _post(account: str, number: int) -> dict[str, Any]:
    names = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count")
    post_id = str(int(account) * 10**6 + 10**6 - number)
    return {
        "id": post_id, "author_id": account, "text": f"post {number}", "created_at": "2026-11-20T08:00:00.000Z",
        "conversation_id": post_id, "edit_history_tweet_ids": [post_id], "lang": "en",
        # Nobody replies: what is below a post would be asked for, twelve posts to a call.
        "public_metrics": {**dict.fromkeys(names, number % 7), "reply_count": 0},
    }  # fmt: skip


def _private(account: str, number: int) -> dict[str, Any]:
    post = _post(account, number)
    counts = {"impression_count": 1, "url_link_clicks": 0, "user_profile_clicks": 0, "engagements": 0}
    return {**{name: post[name] for name in ("id", "created_at")}, "non_public_metrics": counts,
            "organic_metrics": {**counts, "retweet_count": 0, "reply_count": 0, "like_count": 0}}  # fmt: skip


def _http_date() -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())


@contextmanager
def serving(crowd: Crowd) -> Iterator[Crowd]:
    """The crowd's platform on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, content = crowd.content(self.path, self.headers.get("Authorization") or "none")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    crowd.url = f"http://127.0.0.1:{server.server_port}"
    yield crowd
    for event in crowd.hold.values():
        event.set()
    server.shutdown()
    server.server_close()


def load(connection: psycopg.Connection[Any], accounts: int, *, credentials: int | None = None) -> list[dict[str, Any]]:
    """Put so many X accounts of business 1 into the warehouse, dealt over so many credentials; return who they are."""
    connection.execute(
        "insert into ops.businesses (business_id, name, timezone) values (1, 'Crowd', 'UTC') on conflict do nothing"
    )
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) "
        "select 1, 'twitter', (1000 + n)::text, 'crowd_' || n %% %s from generate_series(1, %s) as n",
        (credentials or accounts, accounts),
    )
    return [{"business_id": 1, "platform": "twitter", "account_id": str(1000 + n)} for n in range(1, accounts + 1)]


def environment(
    crowd: Crowd, warehouse: Mapping[str, str], credentials: int, *, tokens: Sequence[str] = ()
) -> dict[str, str]:
    """Everything the commands read. `tokens`: one for each credential; all have the same one when not said."""
    passwords = tokens or [TOKEN] * credentials
    connections = {
        f"AIRFLOW_CONN_CROWD_{n}": json.dumps({"conn_type": "http", "password": passwords[n]})
        for n in range(credentials)
    }
    return {**warehouse, **connections, "TWITTER_BASE_URL": crowd.url}
