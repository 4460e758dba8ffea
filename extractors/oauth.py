"""The one call that trades a refresh token for a new pair (RFC 6749, section 6), made once and never repeated here.

Its outcomes are told apart by what became of the refresh token: spent, refused, not sent, or nobody knows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from extractors import redaction
from extractors.errors import ConfigurationError, Refused, TokenDead, Transient
from extractors.spec import Platform, Refresh
from extractors.strict_json import NotStrictJson, parse
from extractors.wire import new_session

LARGEST_BODY = 64 * 1024
# Together below the 60 seconds after which Postgres ends the transaction that holds the credential's lock.
CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5.0, 15.0, 25.0
APP_REFUSED = frozenset({"invalid_client", "unauthorized_client"})


class RefreshRefused(TokenDead):
    """The platform does not take the refresh token (any more)."""


class RefreshLost(TokenDead):
    """The refresh token may be spent, and its successor never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a refresh gave. `expires_in` and `refresh_expires_in` are seconds, None where the platform says nothing."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: float | None = None
    refresh_expires_in: float | None = None


def refresh(platform: Platform, base_url: str, where: str, refresh_token: str, app: Mapping[str, Any]) -> Pair:
    """Make the call. `app` is the connection's extra: client_id and, for a confidential app, client_secret.

    Raises Transient (not sent, or refused for the moment: the refresh token is good), ConfigurationError (the app is
    refused), RefreshRefused, and RefreshLost when a single-use token may be spent.
    """
    if platform.refresh is None:
        raise AssertionError(f"{platform.key} refreshes nothing")
    url = _host(platform, base_url) + platform.refresh.path
    status, body = _post(url, *_request(platform.refresh, where, refresh_token, app), where, platform.refresh)
    return _pair(status, body, refresh_token, where, platform.refresh)


def _host(platform: Platform, base_url: str) -> str:
    """The base URL; the vendor's own token host only where nobody said another base URL than the vendor's."""
    own = platform.refresh.base_url if platform.refresh else ""
    return own if own and base_url == platform.base_url else base_url


def _request(
    how: Refresh, where: str, refresh_token: str, app: Mapping[str, Any]
) -> tuple[dict[str, str], tuple[str, str] | None]:
    """Form and login of the request; X wants a confidential app's secret in the header, LinkedIn in the form."""
    client_id, secret = str(app.get("client_id") or ""), str(app.get("client_secret") or "")
    if not client_id or (how.needs_secret and not secret):
        missing = "client_id" if not client_id else "client_secret"
        raise ConfigurationError(
            f"{where}: the connection has a refresh token and no {missing}", f"add {missing} to its extra"
        )
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
    if how.needs_secret:
        return {**form, "client_secret": secret}, None
    return form, (quote(client_id, safe=""), quote(secret, safe="")) if secret else None


def _post(
    url: str, form: Mapping[str, str], login: tuple[str, str] | None, where: str, how: Refresh
) -> tuple[int, bytes]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "social-analytics-pipeline"}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    deadline = time.monotonic() + TOTAL_SECONDS
    try:
        with (
            new_session() as session,
            session.post(
                url,
                data=urlencode(form),
                auth=login,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            return response.status_code, _read(response, deadline)
    except requests.exceptions.SSLError:
        raise Refused(
            f"{where}: the server's certificate is not trusted, so nothing was sent", "see who answers"
        ) from None
    except (requests.RequestException, HTTPError, TimeoutError) as error:
        if how.single_use and not _unsent(error):
            raise lost(where, f"no whole answer came ({type(error).__name__})") from None
        raise Transient(f"{where}: no whole answer came ({type(error).__name__})", "the next run tries again") from None


def lost(where: str, why: str) -> RefreshLost:
    """The error of a single-use token whose successor nobody has."""
    return RefreshLost(
        f"{where}: {why}, and its refresh token works only once",
        "log in again and put the new token and refresh token into the connection",
    )


def _unsent(error: BaseException) -> bool:
    """Whether the connection failed before the request could leave."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _read(response: requests.Response, deadline: float) -> bytes:
    body = b""
    while chunk := response.raw.read1(8192, decode_content=True):
        body += chunk
        if len(body) > LARGEST_BODY or time.monotonic() > deadline:
            raise TimeoutError("the answer does not end")
    return body


def _pair(status: int, body: bytes, refresh_token: str, where: str, how: Refresh) -> Pair:
    """Read the answer: 200 with a pair; 400 says what is wrong in `error`; the rest is the platform's own trouble."""
    try:
        fields = parse(body)
    except NotStrictJson:
        fields = None
    fields = fields if isinstance(fields, dict) else {}
    redaction.remember(fields.get("access_token"), fields.get("refresh_token"))
    access = fields.get("access_token")
    if status == 200 and isinstance(access, str) and access:
        successor = fields.get("refresh_token")
        return Pair(
            access_token=access,
            refresh_token=successor if isinstance(successor, str) and successor else refresh_token,
            expires_in=_seconds(fields.get("expires_in")),
            refresh_expires_in=_seconds(fields.get("refresh_token_expires_in")),
        )
    raise _refusal(status, fields, where, how)


def _refusal(status: int, fields: Mapping[str, Any], where: str, how: Refresh) -> Exception:
    error, words = str(fields.get("error") or "")[:60], str(fields.get("error_description") or "no reason")[:200]
    said = f"{where}: answered {status} {error} {words!r}"
    if error in APP_REFUSED or status == 401:
        return ConfigurationError(said, "correct client_id and client_secret in the connection's extra")
    if 300 <= status < 400:
        return Refused(f"{where}: answered with a redirect ({status}), which is never followed", "see who answers")
    if status == 429 or status >= 500:
        return Transient(said, "the refresh token is kept; the next run tries again")
    if status < 400 and how.single_use:
        return lost(where, f"the answer ({status}) held no token")
    return RefreshRefused(said, "log in again and put the new token and refresh token into the connection")


def _seconds(value: object) -> float | None:
    """Seconds as a number or its digits; None for nonsense and for more than a century."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    return seconds if 0 < seconds < 3_155_760_000 else None
