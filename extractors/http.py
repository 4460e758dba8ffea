"""One client for all platforms: token in the header alone, host pinned, size and time capped, one retry layer.

Redirects are never followed, next links never called, proxies and netrc ignored; nothing of a token, header or body
reaches a log or an exception. A body is parsed strictly or is an error with a name.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import requests
from tenacity import RetryCallState, Retrying, stop_after_attempt, stop_after_delay, wait_random_exponential
from urllib3.exceptions import HTTPError

from extractors.circuit import FAILURES, settle
from extractors.errors import (
    ContractBroken,
    PipelineError,
    Refused,
    RetryLater,
    TokenDead,
    Transient,
    Unreadable,
)
from extractors.limiter import LONGEST_WAIT_SECONDS, Limiter
from extractors.shape import LOOK
from extractors.spec import Account, Answer, Params, Platform, Read, Scope
from extractors.strict_json import NotStrictJson, parse
from extractors.wire import AmbiguousHeader, causes, deadline, new_session

ATTEMPTS = 4
LONGEST_RETRY_AFTER = timedelta(hours=24)
ENCODINGS = frozenset({"", "identity", "gzip"})
KEPT_HEADERS = frozenset(
    {"content-type", "date", "retry-after", "x-app-usage", "x-page-usage", "x-business-use-case-usage"}
    | {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset", "x-li-uuid"}
)


@dataclass(slots=True)
class Tally:
    """Calls of one account as they happen, retries among them, and how many the ledger and the retry budget know.

    `charged`: the calls as the platform counts them, a batch by its parts. `answered`: those it did not refuse.
    """

    calls: int = 0
    retries: int = 0
    charged: int = 0
    answered: int = 0
    told: tuple[int, int, int] = (0, 0, 0)
    credited: int = 0

    def take(self) -> tuple[int, int, int]:
        """Return the calls, the retries and what was charged since the last time this was asked."""
        before, self.told = self.told, (self.calls, self.retries, self.charged)
        return self.calls - before[0], self.retries - before[1], self.charged - before[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one answer may cost: bytes after decompression, and seconds until connected, between bytes and in all."""

    body_bytes: int = 32 * 1024 * 1024
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0


@dataclass(slots=True)
class Client:
    """Calls one platform for one account. `token` is read once; a platform may exchange it for a page token.

    `renewed` gives the successor of a token that the platform refused, or None where there is none. `in_a_row`: calls
    the platform has left unanswered, None when the last attempt did not come to a call.
    """

    platform: Platform
    account: Account
    base_url: str
    token: str = field(repr=False)
    limiter: Limiter
    session: requests.Session = field(default_factory=new_session, repr=False)
    tally: Tally = field(default_factory=Tally)
    caps: Caps = field(default_factory=Caps)
    renewed: Callable[[str], str | None] = field(default=lambda _dead: None, repr=False)
    in_a_row: int | None = 0

    def call(self, read: Read, scope: Scope, params: Params) -> Answer:
        """Make one call and return its parsed answer. Raises a PipelineError, after retrying what is transient.

        A token that dies on the way is renewed, and the call made once more; the second refusal is final. What is no
        JSON in spite of a good status, time after time, is a broken contract with its bytes.
        """
        try:
            return self._retried(read, scope, params)
        except TokenDead:
            successor = self.renewed(self.token)
            if successor is None:
                raise
            self.token = successor
        return self._retried(read, scope, params)

    def _retried(self, read: Read, scope: Scope, params: Params) -> Answer:
        retrying = Retrying(
            retry=self._worth_repeating,
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(LONGEST_WAIT_SECONDS),
            wait=_pause,
            sleep=self.limiter.sleep,
            before_sleep=self._count_retry,
            reraise=True,
        )
        try:
            return retrying(self._once, read, scope, params)
        except Unreadable as error:
            if retrying.statistics["attempt_number"] < ATTEMPTS:
                raise
            raise _unexpected(error) from None

    def _worth_repeating(self, state: RetryCallState) -> bool:
        """A hiccup is, within the retry budget; a limit only when waiting for it in the worker is allowed."""
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number >= ATTEMPTS or self.in_a_row is None or self.in_a_row >= FAILURES:
            return False
        match error:
            case RetryLater():
                soon = (error.at - self.limiter.now()).total_seconds() <= LONGEST_WAIT_SECONDS
                return soon and self._may_retry(self.in_a_row)
            case Unreadable():
                # Something answered: it is looked at as often as may be before its bytes are a broken contract.
                return self._may_retry(1)
            case Transient():
                return self._may_retry(self.in_a_row)
        return False

    def _may_retry(self, in_a_row: int) -> bool:
        fresh, self.tally.credited = self.tally.answered - self.tally.credited, self.tally.answered
        return self.limiter.may_retry(self.platform.key, answered=fresh, in_a_row=in_a_row)

    def settle_up(self) -> None:
        """Let the calls answered so far pay for retries, of whoever will need them."""
        if fresh := self.tally.answered - self.tally.credited:
            self.tally.credited = self.tally.answered
            self.limiter.earn(self.platform.key, answered=fresh)

    def _count_retry(self, _state: RetryCallState) -> None:
        self.tally.retries += 1

    def _once(self, read: Read, scope: Scope, params: Params) -> Answer:
        budgets = self.platform.budgets(self.account, read)
        weight, self.in_a_row = read.weight(scope), None
        self.limiter.reserve(budgets, self.platform, who=str(self.account), weight=weight)
        self.tally.calls += 1
        self.tally.charged += weight
        try:
            answer = self._send(read, scope, params)
        except PipelineError as error:
            self.in_a_row = settle(self.limiter, self.platform, error)
            raise _without(self.token, error) from None
        refusal = self.platform.classify(answer, self.account)
        self.in_a_row = settle(self.limiter, self.platform, refusal)
        refusal = _as_the_answer_asks(refusal, answer) if refusal is not None else None
        self.limiter.observe(budgets, self.platform.usage(answer, self.account), refusal)
        if refusal is not None:
            raise _without(self.token, refusal)
        self.tally.answered += 1
        return answer

    def _send(self, read: Read, scope: Scope, params: Params) -> Answer:
        query = self.platform.encode(params)
        url = f"{self.base_url}{read.path(scope)}" + (f"?{query}" if query else "")
        fields = read.form(scope) if read.form else None
        form = urlencode(fields) if fields is not None else None
        headers = {**self.platform.headers, "Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        headers |= {"Accept-Encoding": "gzip", "User-Agent": "social-analytics-pipeline"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        where = f"{self.account}: {read.name}"
        ends = time.monotonic() + self.caps.total_seconds
        try:
            with deadline(ends):
                response = self.session.request(
                    "POST" if form is not None else "GET",
                    url,
                    data=form,
                    headers=headers,
                    timeout=(self.caps.connect_seconds, self.caps.read_seconds),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    body = b"".join(_capped(response, self.caps, ends, where))
        except (requests.RequestException, HTTPError) as error:
            raise _unheard(error, where, self.platform.key) from None
        return _answer(response.status_code, response.headers, body, where, self.limiter.now())


def _unheard(error: Exception, where: str, platform: str) -> PipelineError:
    """Why there is no answer: a hiccup, or something nobody should talk to. Exceptions' texts hold the address."""
    for cause in causes(error):
        if isinstance(cause, AmbiguousHeader):
            return Refused(f"{where}: the head of the answer has {cause}", "see who answers in the platform's name")
        # The end of a connection in the middle of its greeting says nothing about who is there.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Refused(
                f"{where}: the server's certificate or protocol is not trusted, so nothing was sent",
                "check the clock, the certificates of this machine and who answers in the platform's name",
            )
    return Transient(
        f"{where}: no whole answer from {platform} ({type(error).__name__})",
        "check the network and the platform's status; the next run goes on where this one stopped",
    )


def _pause(state: RetryCallState) -> float:
    """Full jitter after a hiccup; after a limit the limiter itself waits, by the database's clock."""
    limited = state.outcome is not None and isinstance(state.outcome.exception(), RetryLater)
    return 0.0 if limited else wait_random_exponential(multiplier=0.5, max=30)(state)


def _as_the_answer_asks(error: PipelineError, answer: Answer) -> PipelineError:
    """Replace a limit's usual end, or a hiccup's guess, by the Retry-After of a 429 or 503 that makes sense."""
    if answer.status not in (429, 503) or not isinstance(error, RetryLater | Transient):
        return error
    pause = retry_after(answer.headers)
    scope = error.scope if isinstance(error, RetryLater) else ""
    return error if pause is None else RetryLater(error.what, answer.at + pause, scope=scope)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long the header asks to wait, at most a day; None for nonsense, or a date without the server's own.

    Seconds or an HTTP date (RFC 9110, section 10.2.3). A date counts from the answer's Date, never from our clock.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(timedelta(seconds=int(said[:9])), LONGEST_RETRY_AFTER)
    try:
        pause = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return None if pause < timedelta(0) else min(pause, LONGEST_RETRY_AFTER)


def _without(secret: str, error: PipelineError) -> PipelineError:
    """Take the token out of an error that quotes what the platform said; some platforms quote what they were sent."""
    if secret and secret in str(error):
        error.what, error.remedy = (text.replace(secret, "***") for text in (error.what, error.remedy))
        error.args = (error.what, error.remedy)
    if secret and isinstance(error, ContractBroken | Unreadable):
        error.body = error.body.replace(secret.encode(), b"***")
    return error


def _capped(response: requests.Response, caps: Caps, ends: float, where: str) -> Iterator[bytes]:
    """Yield the unpacked body, but never more than the cap nor past the deadline.

    Every read takes what is there: a read that fills its buffer first would let a drip pass the deadline unseen.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise Refused(f"{where}: the answer is packed in a way we did not ask for, only gzip is read", LOOK)
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > caps.body_bytes:
        raise Refused(f"{where}: the answer is larger than {caps.body_bytes} bytes", "ask for smaller pages")
    received = 0
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        received += len(chunk)
        if received > caps.body_bytes:
            raise Refused(f"{where}: the answer is larger than {caps.body_bytes} bytes", "ask for smaller pages")
        if time.monotonic() > ends:
            raise Transient(f"{where}: the answer took longer than {caps.total_seconds:.0f} s", "try again later")
        yield chunk


def _answer(status: int, headers: Mapping[str, str], body: bytes, where: str, at: datetime) -> Answer:
    kept = {name.lower(): value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
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
        return Unreadable(f"{where}: answered {status} with something that is no JSON", body)
    if "no JSON at character" in str(error):
        return Unreadable(f"{where}: the answer is cut short ({error})", body)
    broken = ContractBroken(f"{where}: {error}", LOOK)
    broken.body = body
    return broken


def _unexpected(error: Unreadable) -> ContractBroken:
    broken = ContractBroken(f"{error.what}, {ATTEMPTS} times in a row", LOOK)
    broken.body = error.body
    return broken
