"""The token endpoints of X and LinkedIn: a refresh token for a new pair (RFC 6749, section 6).

X: https://docs.x.com/resources/fundamentals/authentication/oauth-2-0/authorization-code
LinkedIn: https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote

from simulator.exchange import Answer, Request
from simulator.model import Json
from simulator.service import Handler, Service
from simulator.vault import Issue

REFUSED = {
    "twitter": "Value passed for the token was invalid.",
    "linkedin": "The provided authorization grant or refresh token is invalid, expired or revoked",
}


def x_token(service: Service, request: Request) -> Answer:
    """`POST /2/oauth2/token`: the app logs in by the header; each refresh token works once."""
    client_id, secret = _basic(request)
    answer = _refresh(service, request, client_id, secret)
    if isinstance(answer.body, dict) and "access_token" in answer.body:
        answer.body |= {"token_type": "bearer", "scope": "tweet.read users.read offline.access"}
    return answer


def linkedin_token(service: Service, request: Request) -> Answer:
    """`POST /oauth/v2/accessToken`: the app logs in by the form; the refresh token stays, its days count on."""
    form = request.form()
    return _refresh(service, request, form.get("client_id", ""), form.get("client_secret", ""))


def _refresh(service: Service, request: Request, client_id: str, secret: str) -> Answer:
    form = request.form()
    if request.method != "POST" or form.get("grant_type") != "refresh_token":
        return _refused(400, "invalid_request", "Missing or invalid grant_type parameter")
    issued = service.vault.refresh(client_id, secret, form.get("refresh_token", ""))
    if issued == "client":
        return _refused(401, "unauthorized_client", "Missing valid authorization header")
    if issued == "token":
        return _refused(400, "invalid_request", REFUSED[request.platform])
    grant = service.vault.find(issued.access_token)
    return Answer(body=_pair(issued), credential=grant.credential.name if grant else None)


def _pair(issued: Issue) -> Json:
    body: Json = {"access_token": issued.access_token, "expires_in": issued.expires_in}
    body["refresh_token"] = issued.refresh_token
    if issued.refresh_expires_in is not None:
        body["refresh_token_expires_in"] = issued.refresh_expires_in
    return body


def _refused(status: int, error: str, words: str) -> Answer:
    return Answer(status=status, body={"error": error, "error_description": words})


def _basic(request: Request) -> tuple[str, str]:
    """Id and secret of the Authorization header; nothing for a header of another kind."""
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(packed, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, _, secret = text.partition(":")
    return unquote(client_id), unquote(secret)


ENDPOINTS: Mapping[tuple[str, str], Handler] = {
    ("twitter", "/2/oauth2/token"): x_token,
    ("linkedin", "/oauth/v2/accessToken"): linkedin_token,
}
