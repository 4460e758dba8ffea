"""What each scripted fault does to an answer: some replace it, some damage it on its way out."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulator import graph, linkedin_gates, meta, restli, twitter_gates
from simulator.exchange import Answer, Refusal, Request
from simulator.limits import Usage
from simulator.model import Json
from simulator.service import Handler, Service
from simulator.world import World

HTML = b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
IN_HANDLER = frozenset({"page_short_with_next", "renamed_fields", "endless_empty_pages"})
ABOUT_PAGES = frozenset({"duplicate_page", "page_loop"})
PLACES = frozenset({"after", "pagination_token", "start"})
ON_THE_WIRE = frozenset({"connection_reset", "truncated_json", "slow_10s", "time_passes"})


def replacement(name: str, service: Service, request: Request) -> Answer | None:
    """The answer that stands in for the real one; None for faults that damage or delay it instead."""
    make = REPLACEMENTS.get(name)
    if make is None:
        return None
    try:
        answer = make(service, request)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers |= service.options.get("headers", {})
    grant = service.vault.find(request.bearer() or request.params().get("access_token"))
    answer.credential = grant.credential.name if grant else None
    return answer


def account_in(world: World, request: Request) -> str | None:
    """The account a request names in its path or query, as far as one can see from outside."""
    where = f"{request.path}?{request.query}"
    return next((one.account_id for one in world.accounts if one.account_id in where), None)


def first_page(request: Request) -> Request:
    """The same request without its place in the list."""
    kept = [part for part in request.query.split("&") if part.partition("=")[0] not in PLACES]
    return replace(request, query="&".join(kept))


def astray(name: str, handler: Handler, service: Service, request: Request) -> Answer:
    """`duplicate_page`: the list's first page once more; `page_loop`: the right page, its next leads back there."""
    first = handler(service, first_page(request))
    if name == "duplicate_page":
        return first
    answer = handler(service, request)
    for part in ("paging", "meta"):
        if isinstance(answer.body, dict) and part in answer.body:
            answer.body[part] = first.body[part]
    return answer


def _cursor_expired(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise restli.invalid("start")
        case "twitter":
            token = request.params().get("pagination_token", "")
            message = f"The `pagination_token` query parameter value [{token}] is not valid"
            raise twitter_gates.invalid("pagination_token", token, message)
    raise graph.error(100, "(#100) Invalid cursors values")


def _token_expired(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise linkedin_gates.token_refusal("expired")
        case "twitter":
            raise twitter_gates.unauthorized()
    raise graph.expired(service.now)


def _token_revoked(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise linkedin_gates.token_refusal("revoked")
        case "twitter":
            raise twitter_gates.unauthorized()
    raise graph.revoked()


def _permission_lost(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            resource = request.path.rpartition("/")[2]
            raise linkedin_gates.denied(f"Not enough permissions to access: {resource}")
        case "twitter":
            detail = (
                "When authenticating requests to the X API v2 endpoints, you must use keys and tokens from a developer "
                "App that is attached to a Project."
            )
            body = {"detail": detail, "title": "Client Forbidden", "reason": "client-not-enrolled"}
            raise Refusal(403, body | {"type": f"{twitter_gates.PROBLEMS}client-forbidden"})
    raise graph.missing_permission()


def _rate_limited(service: Service, request: Request) -> Answer:
    options = service.options
    match request.platform:
        case "linkedin":
            raise linkedin_gates.throttled(f"MEMBER {options.get('unit', 'MINUTE')}")
        case "twitter":
            reset = service.meter.unix() + int(options.get("seconds", 900))
            raise twitter_gates.throttled(Usage(used=900, limit=900, reset=reset))
    account = account_in(service.world, request) or "0"
    raise meta.account_limit(request.platform, account, int(options.get("minutes", 5)))


def _rate_limited_day(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise linkedin_gates.throttled("APPLICATION DAY")
        case "twitter":
            return _usage_cap(service, request)
    message = "(#17) User request limit reached"
    refusal = graph.error(17, message, is_transient=True)
    account = account_in(service.world, request) or "0"
    refusal.answer.headers |= meta.business_usage(request.platform, account, 100, 1_440)
    raise refusal


def _usage_cap(service: Service, request: Request) -> Answer:
    body = {
        "account_id": 1553123456789012345,
        "product_name": "standard-basic",
        "title": "UsageCapExceeded",
        "period": "Monthly",
        "scope": "Product",
        "detail": "Usage cap exceeded: Monthly product cap",
        "type": f"{twitter_gates.PROBLEMS}usage-capped",
    }
    return Answer(status=429, body=body)


def _credits(service: Service, request: Request) -> Answer:
    account = 1553123456789012345
    body = {
        "account_id": account,
        "title": "CreditsDepleted",
        "detail": f"Your enrolled account [{account}] does not have any credits to fulfill this request.",
        "type": f"{twitter_gates.PROBLEMS}credits",
    }
    healthy = twitter_gates.usage_headers(Usage(used=2, limit=900, reset=service.meter.unix() + 600))
    return Answer(status=402, body=body, headers=healthy)


def _version_sunset(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise linkedin_gates.sunset(request.headers.get("linkedin-version", "202509"))
        case "twitter":
            return Answer(status=410, body={"title": "Gone", "detail": "Gone", "type": "about:blank", "status": 410})
    raise graph.error(2500, f"Unknown path components: {request.path}")


def _http_500(service: Service, request: Request) -> Answer:
    bodies: dict[str, Json] = {
        "linkedin": {"message": "Internal Server Error", "status": 500},
        "twitter": {
            "title": "Internal Server Error",
            "detail": "Internal Server Error",
            "type": "about:blank",
            "status": 500,
        },
    }
    if request.platform in bodies:
        return Answer(status=500, body=bodies[request.platform])
    raise graph.error(1, "An unknown error has occurred.")


def _http_504(service: Service, request: Request) -> Answer:
    if request.platform == "linkedin":
        return Answer(status=504, body={"message": "Gateway Timeout", "status": 504})
    return Answer(status=504, body=HTML, headers={"Content-Type": "text/html; charset=utf-8"})


def _transient_1(service: Service, request: Request) -> Answer:
    if request.platform in ("facebook", "instagram"):
        raise graph.error(1, "An unknown error has occurred.", is_transient=True)
    return _unavailable(request)


def _transient_2(service: Service, request: Request) -> Answer:
    if request.platform in ("facebook", "instagram"):
        raise graph.error(2, "(#2) Service temporarily unavailable", is_transient=True)
    return _unavailable(request)


def _unavailable(request: Request) -> Answer:
    body: Json = {"message": "Service Unavailable", "status": 503}
    if request.platform == "twitter":
        body = {"title": "Service Unavailable", "detail": "Service Unavailable", "type": "about:blank", "status": 503}
    return Answer(status=503, body=body)


def _bad_metric(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            return Answer(status=400, body={"message": "Parameter 'timeIntervals' is invalid", "status": 400})
        case "twitter":
            message = "The `tweet.fields` query parameter value [organic_metrics] is not one of [id,text]"
            raise twitter_gates.invalid("tweet.fields", "organic_metrics", message)
        case "facebook":
            raise graph.error(100, "(#100) The value must be a valid insights metric")
    message = "(#100) The Media Insights API does not support the saved metric for this media product type."
    raise graph.error(100, message)


def _object_deleted(service: Service, request: Request) -> Answer:
    match request.platform:
        case "linkedin":
            raise Refusal(404, linkedin_gates.problem(404, "NOT_FOUND", "Could not find entity"))
        case "twitter":
            return Answer(body={"errors": [twitter_gates.not_found("tweet", "ids", "1000000000000000000")]})
    raise graph.missing_object(request.path.strip("/").rpartition("/")[2])


def _old_media(service: Service, request: Request) -> Answer:
    message = (
        "The media was posted before the most recent time that the user's account was converted to a business account "
        "from a personal account."
    )
    raise graph.error(
        100,
        "Invalid parameter",
        subcode=2108006,
        is_transient=False,
        error_user_title="Media posted before business account conversion",
        error_user_msg=message,
    )


def _html(service: Service, request: Request) -> Answer:
    status = int(service.options.get("status", 502))
    return Answer(status=status, body=HTML, headers={"Content-Type": "text/html; charset=utf-8"})


def _http_503(service: Service, request: Request) -> Answer:
    return _unavailable(request)


def _redirect(service: Service, request: Request) -> Answer:
    location = str(service.options.get("location", request.path))
    return Answer(status=302, body=b"", headers={"Location": location})


def _gzip_bomb(service: Service, request: Request) -> Answer:
    size = int(service.options.get("bytes", 64 * 1024 * 1024))
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    part = b" " * (1024 * 1024)
    packed = b"".join(squeezer.compress(part) for _ in range(-(-size // len(part)))) + squeezer.flush()
    return Answer(status=200, body=packed, headers={"Content-Encoding": "gzip"})


def _unknown_encoding(service: Service, request: Request) -> Answer:
    return Answer(status=200, body=b"\x1b\x00\x00", headers={"Content-Encoding": "br"})


def _empty_body(service: Service, request: Request) -> Answer:
    return Answer(status=200, body=str(service.options.get("body", "")).encode())


def _token_quoted(service: Service, request: Request) -> Answer:
    """A careless gateway: the refusal repeats the login it came with, in words that would also forge lines of a log."""
    login = request.headers.get("authorization", "none")
    words = (
        f"bad request\r\n2026-01-01 00:00:00 CRITICAL all is lost\x1b[31m Authorization: {login} access_token={login}"
    )
    match request.platform:
        case "linkedin":
            return Answer(status=400, body=linkedin_gates.problem(400, "ILLEGAL_ARGUMENT", words))
        case "twitter":
            return Answer(status=400, body={"title": "Invalid Request", "detail": words, "type": "about:blank"})
    raise graph.error(100, words)


REPLACEMENTS: dict[str, Callable[[Service, Request], Answer]] = {
    "token_expired": _token_expired,
    "token_revoked": _token_revoked,
    "permission_lost": _permission_lost,
    "rate_limited": _rate_limited,
    "rate_limited_day": _rate_limited_day,
    "usage_cap": _usage_cap,
    "credits": _credits,
    "version_sunset": _version_sunset,
    "http_500": _http_500,
    "http_504": _http_504,
    "http_503": _http_503,
    "redirect": _redirect,
    "gzip_bomb": _gzip_bomb,
    "unknown_encoding": _unknown_encoding,
    "empty_body": _empty_body,
    "transient_1": _transient_1,
    "transient_2": _transient_2,
    "bad_metric": _bad_metric,
    "object_deleted_33": _object_deleted,
    "old_media_2108006": _old_media,
    "cursor_expired": _cursor_expired,
    "html_error_page": _html,
    "token_quoted": _token_quoted,
}


def damage(name: str, request: Request, answer: Answer) -> Answer:
    """Change a good answer the way a fault does. Answers that already are errors stay as they are."""
    change = DAMAGES.get(name)
    if change is not None and answer.status == 200:
        answer.body = change(request, json.loads(json.dumps(answer.body)))
    return answer


def _empty(request: Request, body: Any) -> Any:
    if isinstance(body, list):
        return [part | {"body": '{"data":[]}'} if isinstance(part, dict) else part for part in body]
    if "elements" in body:
        return body | {"elements": [], "paging": {"start": 0, "count": 10, "links": []}}
    if request.platform == "twitter":
        return {"meta": {"result_count": 0}}
    return {"data": []} if "data" in body else body


def _partial(request: Request, body: Any) -> Any:
    """The last record goes missing; X and LinkedIn's batches say which."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("results"), dict) and body["results"]:
        urn, _ = body["results"].popitem()
        body["statuses"][urn] = 404
        body["errors"][urn] = linkedin_gates.problem(404, "NOT_FOUND", "Could not find entity")
        return body
    records = body.get("elements", body.get("data"))
    if not isinstance(records, list) or not records:
        return body
    lost = records.pop()
    if request.platform == "twitter":
        body.setdefault("errors", []).append(twitter_gates.not_found("tweet", "ids", str(lost.get("id"))))
        if "meta" in body:
            body["meta"]["result_count"] = len(records)
    return body


def _noisy(request: Request, body: Any) -> Any:
    """Every value of a daily series is off by a little, and by something else each time."""
    if isinstance(body, list):
        return [_noisy(request, one) for one in body]
    if not isinstance(body, dict):
        return body
    is_point = "end_time" in body or "organicFollowerGain" in body or "pageViews" in body
    return {
        name: max(0, value + random.randint(-3, 3)) if is_point and type(value) is int else _noisy(request, value)
        for name, value in body.items()
    }


METRIC_OBJECTS = frozenset({"public_metrics", "totalShareStatistics", "followerGains"})


def _as_strings(request: Request, body: Any) -> Any:
    """The first number of every metric object, and every insight value, comes as text."""
    if isinstance(body, list):
        return [_as_strings(request, one) for one in body]
    if not isinstance(body, dict):
        return body
    changed = {name: _as_strings(request, value) for name, value in body.items()}
    if isinstance(changed.get("value"), int):
        changed["value"] = str(changed["value"])
    for name in METRIC_OBJECTS & set(changed):
        first = next((key for key, value in changed[name].items() if isinstance(value, int)), None)
        if first is not None:
            changed[name][first] = str(changed[name][first])
    return changed


TEXTS = frozenset({"commentary", "text", "message", "caption"})


def _null_texts(request: Request, body: Any) -> Any:
    if isinstance(body, list):
        return [_null_texts(request, one) for one in body]
    if not isinstance(body, dict):
        return body
    return {name: None if name in TEXTS else _null_texts(request, value) for name, value in body.items()}


def _without_shares(request: Request, body: Any) -> Any:
    if isinstance(body, list):
        return [_without_shares(request, one) for one in body]
    if not isinstance(body, dict):
        return body
    gone = {"shares", "shareCount", "retweet_count"}
    return {name: _without_shares(request, value) for name, value in body.items() if name not in gone}


DAMAGES: dict[str, Callable[[Request, Any], Any]] = {
    "empty_data": _empty,
    "partial_errors": _partial,
    "metric_as_string": _as_strings,
    "null_text": _null_texts,
    "missing_shares": _without_shares,
    "privacy_noise": _noisy,
}
