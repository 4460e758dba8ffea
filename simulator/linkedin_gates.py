"""What every answer of LinkedIn shares: who may ask, in which version, and how a refusal reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from simulator import restli
from simulator.exchange import Answer, Refusal
from simulator.model import Account, Json
from simulator.restli import Query
from simulator.service import Service
from simulator.vault import Grant

SUNSET = {
    "202509": date(2026, 9, 15),
    "202510": date(2026, 10, 15),
    "202511": date(2026, 11, 16),
    "202601": date(2027, 1, 15),
    "202602": date(2027, 2, 15),
    "202603": date(2027, 3, 16),
    "202604": date(2027, 4, 15),
    "202605": date(2027, 5, 15),
    "202606": date(2027, 6, 15),
    "202607": date(2027, 7, 15),
    "202608": date(2027, 8, 17),
    "202609": date.max,
}
"""When each version stops to answer: https://learn.microsoft.com/en-us/linkedin/marketing/integrations/migrations

The newest (really 2027-09-15) never does: there is none here to move on to, and a demonstration must not die of age.
"""


TOKENS = {
    "expired": (65602, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"),
    "revoked": (65601, "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user"),
    "invalid": (65600, "INVALID_ACCESS_TOKEN", "Invalid access token"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that has passed the gates: who asks, in which version, with which query."""

    service: Service
    grant: Grant
    version: str
    query: Query

    @property
    def now(self) -> datetime:
        """The simulated instant."""
        return self.service.now


def problem(status: int, code: str, message: str, **more: Any) -> Json:
    """LinkedIn's flat error body."""
    return {"status": status, **more, "code": code, "message": message}


def throttled(unit: str) -> Refusal:
    """The 429 of a used up allowance: `unit` is whose and how long, for instance `MEMBER MINUTE`."""
    message = f"Resource level throttle {unit} limit for calls to this resource is reached."
    return Refusal(429, problem(429, "TOO_MANY_REQUESTS", message, serviceErrorCode=101))


def token_refusal(state: str) -> Refusal:
    """The 401 of a token that is `expired`, `revoked` or `invalid`."""
    number, code, message = TOKENS[state]
    return Refusal(401, problem(401, code, message, serviceErrorCode=number))


def sunset(version: str) -> Refusal:
    """The 426 of a version that is gone; the message pads it to eight digits."""
    return Refusal(426, problem(426, "NONEXISTENT_VERSION", f"Requested version {version}01 is not active"))


def check_version(version: str | None, now: datetime) -> str:
    """The pinned version, if it is alive."""
    if version is None:
        message = "A version must be present. Please specify a version by adding the Linkedin-Version header."
        raise Refusal(400, problem(400, "VERSION_MISSING", message))
    if version not in SUNSET or now.date() >= SUNSET[version]:
        raise sunset(version)
    return version


def check_token(service: Service, token: str | None) -> Grant:
    """Whose token it is."""
    if token is None:
        raise Refusal(401, {"message": "Empty oauth2_access_token", "serviceErrorCode": 401, "status": 401})
    grant = service.vault.find(token)
    if grant is None or grant.kind != "organization_admin":
        raise token_refusal("invalid")
    if grant.state != "valid":
        raise token_refusal(grant.state)
    return grant


def denied(message: str) -> Refusal:
    """The 403 of missing permissions."""
    return Refusal(403, problem(403, "ACCESS_DENIED", message, serviceErrorCode=100))


def organization_of(ask: Ask, name: str, resource: str) -> Account:
    """The organization a finder's parameter names, if the caller administers it."""
    urn = ask.query.text(name)
    if urn is None:
        raise restli.invalid(name)
    if not urn.startswith("urn:li:organization:"):
        message = f"{name} value {urn} must be a organization URN"
        raise Refusal(400, problem(400, "INVALID_URN_TYPE", message))
    account = ask.service.world.account("linkedin", urn.rpartition(":")[2])
    if account is None or not ask.grant.opens(*account.key):
        raise denied(f"Not enough permissions to access: {resource}.FINDER-{name}.{ask.version}01")
    return account


def check_finder(ask: Ask, name: str) -> None:
    """The finder a collection is asked through."""
    if ask.query.text("q") != name:
        raise restli.invalid("q")


def collection(ask: Ask, account: Account, elements: list[Json], **paging: Any) -> Answer:
    """A list with its paging block."""
    body = {"paging": {"start": 0, "count": 10, "links": []} | paging, "elements": elements}
    return Answer(body=body, objects=len(elements), account=account.account_id)
