"""One client for all platforms: token in the header alone, host pinned, size and time capped, one retry layer.

Redirects are never followed, next links never called, proxies and netrc ignored; nothing of a token, header or body
reaches a log or an exception. A body is parsed strictly or is an error with a name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.util import Retry

from extractors.errors import ContractBroken, PipelineError, Refused, RetryLater, Transient
from extractors.limiter import LONGEST_WAIT_SECONDS, Limiter
from extractors.shape import LOOK
from extractors.spec import Account, Answer, Params, Platform, Read, Scope
from extractors.strict_json import NotStrictJson, parse

MAX_BODY_BYTES = 32 * 1024 * 1024
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 10.0, 30.0, 60.0
ATTEMPTS = 4
# Retries of one run never exceed a tenth of its calls, with a floor that lets a short run survive a hiccup.
RETRY_SHARE, RETRY_FLOOR = 0.10, 10
KEPT_HEADERS = frozenset(
    {"content-type", "date", "retry-after", "x-app-usage", "x-page-usage", "x-business-use-case-usage"}
    | {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "x-li-uuid"}
)


@dataclass(slots=True)
class Tally:
    """Calls of one account as they happen, retries among them, and how many the ledger has already."""

    calls: int = 0
    retries: int = 0
    told_calls: int = 0
    told_retries: int = 0

    def may_retry(self) -> bool:
        """Say whether the account's retry budget allows one more."""
        return self.retries < max(RETRY_FLOOR, RETRY_SHARE * self.calls)

    def take(self) -> tuple[int, int]:
        """Return the calls and retries since the last time this was asked."""
        fresh = self.calls - self.told_calls, self.retries - self.told_retries
        self.told_calls, self.told_retries = self.calls, self.retries
        return fresh


def new_session() -> requests.Session:
    """Return a session that keeps connections, trusts no environment and never retries by itself."""
    session = requests.Session()
    session.trust_env = False
    adapter = HTTPAdapter(max_retries=Retry(total=0, redirect=0, read=False), pool_maxsize=8)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


@dataclass(slots=True)
class Client:
    """Calls one platform for one account. `token` is read once; a platform may exchange it for a page token."""

    platform: Platform
    account: Account
    base_url: str
    token: str = field(repr=False)
    limiter: Limiter
    session: requests.Session = field(default_factory=new_session, repr=False)
    tally: Tally = field(default_factory=Tally)

    def call(self, read: Read, scope: Scope, params: Params) -> Answer:
        """Make one call and return its parsed answer. Raises a PipelineError, after retrying what is transient."""
        retrying = Retrying(
            retry=retry_if_exception(_worth_repeating),
            stop=self._stop,
            wait=_pause,
            before_sleep=self._count_retry,
            reraise=True,
        )
        return retrying(self._once, read, scope, params)

    def _stop(self, state: RetryCallState) -> bool:
        return stop_after_attempt(ATTEMPTS)(state) or not self.tally.may_retry()

    def _count_retry(self, _state: RetryCallState) -> None:
        self.tally.retries += 1

    def _once(self, read: Read, scope: Scope, params: Params) -> Answer:
        budgets = self.platform.budgets(self.account, read)
        self.limiter.reserve(budgets)
        self.tally.calls += 1
        answer = self._send(read, scope, params)
        error = self.platform.classify(answer, self.account)
        self.limiter.observe(budgets, self.platform.usage(answer, self.account), error)
        if error is not None:
            raise error
        return answer

    def _send(self, read: Read, scope: Scope, params: Params) -> Answer:
        query = self.platform.encode(params)
        url = f"{self.base_url}{read.path(scope)}" + (f"?{query}" if query else "")
        form = urlencode(read.form(scope)) if read.form else None
        headers = {**self.platform.headers, "Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        headers |= {"Accept-Encoding": "gzip", "User-Agent": "social-analytics-pipeline"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        where = f"{self.account}: {read.name}"
        deadline = time.monotonic() + TOTAL_SECONDS
        try:
            response = self.session.request(
                "POST" if form is not None else "GET",
                url,
                data=form,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = b"".join(_capped(response, deadline, where))
        except requests.RequestException as error:
            # The text of a requests exception holds the address; its class says enough.
            raise Transient(
                f"{where}: no whole answer from {self.base_url} ({type(error).__name__})",
                "check the network and the platform's status; the next run goes on where this one stopped",
            ) from None
        return _answer(response.status_code, response.headers, body, where)


def _worth_repeating(error: BaseException) -> bool:
    """A hiccup is; a limit only when it ends so soon that waiting in the worker is allowed."""
    if isinstance(error, RetryLater):
        return (error.at - datetime.now(UTC)).total_seconds() <= LONGEST_WAIT_SECONDS
    return isinstance(error, Transient)


def _pause(state: RetryCallState) -> float:
    """Full jitter after a hiccup; after a limit the limiter itself waits, by the database's clock."""
    limited = state.outcome is not None and isinstance(state.outcome.exception(), RetryLater)
    return 0.0 if limited else wait_random_exponential(multiplier=0.5, max=30)(state)


def _capped(response: requests.Response, deadline: float, where: str) -> Iterator[bytes]:
    """Yield the body, but never more than the cap nor past the deadline (a drip keeps every read timeout happy)."""
    received = 0
    for chunk in response.iter_content(64 * 1024):
        received += len(chunk)
        if received > MAX_BODY_BYTES:
            raise Refused(f"{where}: the answer is larger than {MAX_BODY_BYTES} bytes", "ask for smaller pages")
        if time.monotonic() > deadline:
            raise Transient(f"{where}: the answer took longer than {TOTAL_SECONDS:.0f} s", "try again later")
        yield chunk


def _answer(status: int, headers: Mapping[str, str], body: bytes, where: str) -> Answer:
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
    at = datetime.now(UTC)
    if 300 <= status < 400:
        raise Refused(f"{where}: answered with a redirect ({status}), which is never followed", LOOK)
    try:
        parsed = parse(body)
    except NotStrictJson as error:
        if status >= 500:
            return Answer(status=status, headers=kept, body=None, at=at)
        raise _unreadable(status, body, where, error) from None
    return Answer(status=status, headers=kept, body=parsed, at=at)


def _unreadable(status: int, body: bytes, where: str, error: NotStrictJson) -> PipelineError:
    """A page of HTML or a cut body may be right next time; other nonsense is a broken contract, kept for a look."""
    if body.lstrip()[:1] not in (b"{", b"["):
        return Transient(f"{where}: answered {status} with something that is no JSON", "try again later")
    if "no JSON at character" in str(error):
        return Transient(f"{where}: the answer is cut short ({error})", "try again later")
    broken = ContractBroken(f"{where}: {error}", LOOK)
    broken.body = body
    return broken
