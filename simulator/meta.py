"""The Graph API's front door for Facebook and Instagram: versions, tokens, limits, batches, and which node is meant.

https://developers.facebook.com/docs/graph-api/overview
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from simulator import facebook, facebook_public, graph, instagram, instagram_public
from simulator.exchange import Answer, Refusal, Request
from simulator.graph import Ask
from simulator.limits import DAY_SECONDS, Usage
from simulator.model import Account, Json, Post
from simulator.remarks import Remark
from simulator.service import Service
from simulator.vault import Grant

NEWEST = 26
OLDEST_KNOWN = 18
LARGEST_BATCH = 50
VERSIONED = re.compile(r"/v(?P<version>\d+)\.0(?P<rest>/.*)?")
BUDGETS = {"facebook": ("pages", 80001, "Page"), "instagram": ("instagram", 80002, "Instagram")}


def handle(service: Service, request: Request) -> Answer:
    """Answer one request or one batch, as Graph would."""
    try:
        answer = _answer(service, request)
    except Refusal as refusal:
        answer = refusal.answer
    answer.headers = {
        "facebook-api-version": f"v{NEWEST}.0",
        "x-fb-trace-id": graph.TRACE,
        "x-fb-request-id": graph.TRACE,
    } | answer.headers
    return answer


def _answer(service: Service, request: Request) -> Answer:
    path = strip_version(request.path)
    params = request.params()
    form = request.form() if request.method == "POST" else {}
    token = request.bearer() or params.get("access_token") or form.get("access_token")
    grant = check_token(service, token)
    is_batch = request.method == "POST" and path == "/" and "batch" in form
    # Every part of a batch is a call: https://developers.facebook.com/docs/graph-api/batch-requests
    app = service.meter.roll("meta:app", service.limits.meta_app, calls=len(parts_of(form)) if is_batch else 1)
    if app.exceeded:
        raise app_limit(app)
    try:
        if is_batch:
            answer = batch(service, request, grant, token or "", form)
        elif request.method == "GET":
            answer = get(service, request, grant, token or "", path, params)
        else:
            raise graph.error(100, "Unsupported post request.", subcode=33, kind="GraphMethodException")
    except Refusal as refusal:
        refusal.answer.credential = grant.credential.name
        refusal.answer.headers = {"X-App-Usage": _app_usage(app)} | refusal.answer.headers
        raise
    answer.credential = grant.credential.name
    answer.headers = {"X-App-Usage": _app_usage(app)} | answer.headers
    return answer


def strip_version(path: str) -> str:
    """The path below the version. Old versions are served silently, versions to come are not known."""
    found = VERSIONED.fullmatch(path)
    if found is None:
        return path
    rest = found["rest"] or "/"
    if not OLDEST_KNOWN <= int(found["version"]) <= NEWEST:
        raise graph.error(2500, f"Unknown path components: {rest}")
    return rest


def check_token(service: Service, token: str | None) -> Grant:
    """Whose token it is."""
    if token is None:
        message = "An active access token must be used to query information about the current user."
        raise graph.error(2500, message)
    grant = service.vault.find(token)
    if grant is None or grant.kind not in ("system_user", "page"):
        raise graph.error(190, "Invalid OAuth access token - Cannot parse access token")
    if grant.state == "expired":
        raise graph.expired(service.now)
    if grant.state == "revoked":
        raise graph.revoked()
    return grant


def _app_usage(usage: Usage) -> str:
    percent = min(100, usage.percent)
    return json.dumps({"call_count": percent, "total_time": percent, "total_cputime": percent})


def app_limit(usage: Usage) -> Refusal:
    """Code 4, with the header at 100 percent."""
    refusal = graph.error(4, "(#4) Application request limit reached", is_transient=True)
    refusal.answer.headers["X-App-Usage"] = _app_usage(usage)
    return refusal


def business_usage(platform: str, account_id: str, percent: int, minutes: int) -> dict[str, str]:
    """The header that tells an account's budget; `minutes` until access is regained, 0 while it is there."""
    entry = {
        "type": BUDGETS[platform][0],
        "call_count": min(100, percent),
        "total_cputime": min(100, percent) // 2,
        "total_time": min(100, percent) // 2,
        "estimated_time_to_regain_access": minutes,
    }
    return {"X-Business-Use-Case-Usage": json.dumps({account_id: [entry]})}


def account_limit(platform: str, account_id: str, minutes: int) -> Refusal:
    """Codes 80001 and 80002: too many calls to this account."""
    _, code, what = BUDGETS[platform]
    message = (
        f"(#{code}) There have been too many calls to this {what} account. Wait a bit and try again. "
        "For more info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
    )
    refusal = graph.error(code, message)
    refusal.answer.headers |= business_usage(platform, account_id, 100, minutes)
    return refusal


def parts_of(form: Json) -> list[Json]:
    """The requests of a batch."""
    try:
        items = json.loads(form["batch"])
    except ValueError as problem:
        raise graph.error(100, "(#100) Param batch must be a valid JSON array") from problem
    if not isinstance(items, list) or not items:
        raise graph.error(100, "(#100) Param batch must be a valid JSON array")
    return items


def batch(service: Service, request: Request, grant: Grant, token: str, form: Json) -> Answer:
    """Up to 50 requests in one; each has its own code, its body is a string, and it may be null."""
    items = parts_of(form)
    if len(items) > LARGEST_BATCH:
        message = f"Too many requests in batch message. Maximum batch size is {LARGEST_BATCH}"
        raise graph.error(3, message, kind="GraphBatchException")
    headers = form.get("include_headers") != "false"
    answers = [_item(service, request, grant, token, item) for item in items]
    body: list[Any] = [_part(answer, headers=headers) for answer in answers]
    if service.fault == "partial_errors":
        body[-1] = None
    accounts = {answer.account for answer in answers if answer.account}
    whole = Answer(body=body, objects=sum(answer.objects for answer in answers), account=next(iter(accounts), None))
    for answer in answers:
        whole.headers |= {name: value for name, value in answer.headers.items() if name == "X-Business-Use-Case-Usage"}
    return whole


def _item(service: Service, request: Request, grant: Grant, token: str, item: Json) -> Answer:
    split = urlsplit("/" + str(item.get("relative_url", "")).lstrip("/"))
    params = dict(parse_qsl(split.query, keep_blank_values=True))
    try:
        if item.get("method", "GET") != "GET":
            raise graph.error(100, "Unsupported post request.", subcode=33, kind="GraphMethodException")
        return get(service, request, grant, token, strip_version(split.path), params)
    except Refusal as refusal:
        return refusal.answer


def _part(answer: Answer, *, headers: bool) -> Json:
    part: Json = {"code": answer.status}
    if headers:
        part["headers"] = [{"name": "Content-Type", "value": "text/javascript; charset=UTF-8"}]
    return part | {"body": json.dumps(answer.body)}


def get(service: Service, request: Request, grant: Grant, token: str, path: str, params: dict[str, str]) -> Answer:
    """Read a node or one of its edges, within the budget of its account."""
    node, _, edge = path.strip("/").partition("/")
    url = f"{request.base_url}/v{NEWEST}.0/{path.strip('/')}"
    ask = Ask(service=service, grant=grant, token=token, url=url, params=params)
    if request.platform == "facebook" and not edge and (rival := facebook_public.find(ask, node)):
        return facebook_public.public_page(ask, rival)
    target, account = _find(ask, node)
    budget = service.meter.spend(
        f"meta:{account.account_id}", limit=service.limits.meta_account_day, window=DAY_SECONDS
    )
    if budget.exceeded:
        minutes = max(1, (budget.reset - service.meter.unix()) // 60)
        raise account_limit(account.platform, account.account_id, minutes)
    run = EDGES.get((account.platform, KINDS[type(target)], edge))
    if run is None:
        raise graph.error(2500, f"Unknown path components: /{edge}")
    answer = run(ask, target)
    answer.headers |= business_usage(account.platform, account.account_id, budget.percent, 0)
    return answer


def _find(ask: Ask, node: str) -> tuple[Account | Post | Remark, Account]:
    """The account, post, story or comment behind an id, if the token may see it."""
    if story := instagram_public.story(ask, node):
        return story, story.account
    if remark := instagram_public.remark(ask, node):
        return remark, remark.account
    return find(ask.service, ask.grant, node)


def find(service: Service, grant: Grant, node: str) -> tuple[Account | Post, Account]:
    """The account or post behind an id, if the token may see it."""
    world = service.world
    for platform in ("facebook", "instagram"):
        account = world.account(platform, node)
        if account is not None and not grant.opens(*account.key):
            raise graph.missing_permission() if platform == "facebook" else graph.missing_object(node)
        if account is not None:
            return account, account
        post = world.post(platform, node)
        if post is not None and post.is_there(service.now) and grant.opens(*post.account.key):
            return post, post.account
    raise graph.missing_object(node)


KINDS: dict[type, str] = {Account: "account", Post: "post", Remark: "comment"}
EDGES: dict[tuple[str, str, str], Callable[[Ask, Any], Answer]] = {
    ("facebook", "account", ""): facebook.page_node,
    ("facebook", "account", "published_posts"): facebook.posts,
    ("facebook", "account", "posts"): facebook.posts,
    ("facebook", "account", "insights"): facebook.page_insights,
    ("facebook", "post", ""): facebook.post_node,
    ("facebook", "post", "insights"): facebook.post_insights,
    ("facebook", "post", "comments"): facebook_public.comments,
    ("instagram", "account", ""): instagram.account_node,
    ("instagram", "account", "media"): instagram.media,
    ("instagram", "account", "insights"): instagram.account_insights,
    ("instagram", "post", ""): instagram.media_node,
    ("instagram", "post", "insights"): instagram.media_insights,
    ("instagram", "account", "stories"): instagram.stories,
    ("instagram", "post", "comments"): instagram_public.comments,
    ("instagram", "comment", "replies"): instagram_public.replies,
}
