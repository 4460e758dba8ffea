"""What every answer of X shares: who may ask, which names exist, and how a refusal reads."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.exchange import Refusal
from simulator.limits import Usage
from simulator.model import Json
from simulator.service import Service
from simulator.vault import Grant

PROBLEMS = "https://api.twitter.com/2/problems/"


PRIVATE = frozenset({"non_public_metrics", "organic_metrics", "promoted_metrics"})


TWEET_FIELDS = PRIVATE | {
    "article",
    "attachments",
    "author_id",
    "card_uri",
    "context_annotations",
    "conversation_id",
    "created_at",
    "edit_controls",
    "edit_history_tweet_ids",
    "entities",
    "geo",
    "id",
    "in_reply_to_user_id",
    "lang",
    "note_tweet",
    "paid_partnership",
    "possibly_sensitive",
    "public_metrics",
    "referenced_tweets",
    "reply_settings",
    "source",
    "text",
    "withheld",
}


MEDIA_FIELDS = frozenset(
    {
        "alt_text",
        "duration_ms",
        "height",
        "media_key",
        "preview_image_url",
        "public_metrics",
        "type",
        "url",
        "variants",
        "width",
    }
)


USER_FIELDS = frozenset(
    {
        "created_at",
        "description",
        "id",
        "location",
        "most_recent_tweet_id",
        "name",
        "pinned_tweet_id",
        "profile_image_url",
        "protected",
        "public_metrics",
        "url",
        "username",
        "verified",
        "verified_type",
    }
)


EXPANSIONS = frozenset(
    {
        "attachments.media_keys",
        "attachments.poll_ids",
        "author_id",
        "in_reply_to_user_id",
        "referenced_tweets.id",
        "referenced_tweets.id.author_id",
    }
)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request whose caller is known."""

    service: Service
    grant: Grant
    params: dict[str, str]

    @property
    def now(self) -> datetime:
        """The simulated instant."""
        return self.service.now

    def names(self, parameter: str, allowed: frozenset[str]) -> list[str]:
        """A comma-separated parameter; 400 for a name that does not exist."""
        value = self.params.get(parameter, "")
        names = [name for name in value.split(",") if name]
        for name in names:
            if name not in allowed:
                choices = ",".join(sorted(allowed))
                raise invalid(
                    parameter, name, f"The `{parameter}` query parameter value [{name}] is not one of [{choices}]"
                )
        return names


def usage_headers(usage: Usage) -> dict[str, str]:
    """The rate-limit headers, which come with every answer."""
    return {
        "x-rate-limit-limit": str(usage.limit),
        "x-rate-limit-remaining": str(usage.remaining),
        "x-rate-limit-reset": str(usage.reset),
    }


def throttled(usage: Usage) -> Refusal:
    """The common 429."""
    body = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
    return Refusal(429, body, usage_headers(usage))


def unauthorized() -> Refusal:
    """The 401 of a missing, expired, revoked or invented token: X does not say which."""
    return Refusal(401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"})


def check_token(service: Service, token: str | None) -> Grant:
    """Whose token it is."""
    grant = service.vault.find(token)
    if grant is None or grant.kind not in ("user", "app_only") or grant.state != "valid":
        raise unauthorized()
    return grant


def invalid(parameter: str, value: str, message: str) -> Refusal:
    """The 400 of a bad parameter."""
    return Refusal(
        400,
        {
            "errors": [{"parameters": {parameter: [value]}, "message": message}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEMS}invalid-request",
        },
    )


def not_found(kind: str, parameter: str, value: str) -> Json:
    """The partial error of an id that nobody has."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{PROBLEMS}resource-not-found",
    }


def page_size(ask: Ask, *, least: int = 5) -> int:
    """`max_results`, `least` to 100, 10 when not said."""
    value = ask.params.get("max_results", "10")
    if not value.isdigit() or not least <= int(value) <= 100:
        message = f"The `max_results` query parameter value [{value}] is not between {least} and 100"
        raise invalid("max_results", value, message)
    return int(value)


def app_only_forbidden() -> Refusal:
    """The 403 of an app's own token where a user's is needed."""
    detail = (
        "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
        "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context]."
    )
    body = {"title": "Unsupported Authentication", "detail": detail}
    return Refusal(403, body | {"type": f"{PROBLEMS}unsupported-authentication", "status": 403})


def whole(ask: Ask, name: str) -> int:
    """A parameter that is an id, 0 when not said; 400 for anything else."""
    value = ask.params.get(name, "0")
    if not value.isdigit():
        raise invalid(name, value, f"The `{name}` query parameter value [{value}] is not valid")
    return int(value)


def instant(ask: Ask, name: str) -> datetime | None:
    """A parameter that is an instant, None when not said; 400 for anything else."""
    value = ask.params.get(name)
    if value is None:
        return None
    if not TIME.fullmatch(value):
        raise invalid(name, value, f"The `{name}` query parameter value [{value}] is not a valid RFC3339 date-time")
    return datetime.fromisoformat(value).astimezone(UTC)


def make_token(last_id: str) -> str:
    """An opaque token that resumes after a post."""
    return base64.b32encode(f"sim:{last_id}".encode()).decode().rstrip("=").lower()


def same_place(token: str) -> str:
    """Another token that resumes after the same post."""
    return make_token(f"0{base64.b32decode(token.upper() + '=' * (-len(token) % 8)).decode().partition(':')[2]}")


def read_token(token: str) -> int:
    """The post to resume after; 400 for a token that X never gave out."""
    padded = token.upper() + "=" * (-len(token) % 8)
    try:
        prefix, _, last = base64.b32decode(padded).decode().partition(":")
        if prefix == "sim":
            return int(last)
    except ValueError:
        pass
    message = f"The `pagination_token` query parameter value [{token}] is not valid"
    raise invalid("pagination_token", token, message)
