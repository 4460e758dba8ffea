"""What Facebook Pages and Instagram share: the Graph API's versions, errors, limits, paging and insight values.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/ (errors, rate limiting, paging). Meta says "expired"
and "throttled" over HTTP 400, so the body's code decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

from extractors import aliases
from extractors.capabilities import MetricRejected, TooMuchData, Unmeasured
from extractors.errors import (
    ContractBroken,
    CursorExpired,
    ObjectGone,
    PermissionLost,
    PipelineError,
    RetryLater,
    TokenDead,
    Transient,
    VersionSunset,
)
from extractors.shape import LOOK, instant, mapping, objects, series_key, text
from extractors.spec import Account, Answer, Batch, Budget, Json, Params, Read, Record, Scope, Unread, Usage
from extractors.strict_json import NotStrictJson, parse

VERSION = "v26.0"
# Insight days end at midnight in California (07:00 or 08:00 UTC, by the season).
PACIFIC = ZoneInfo("America/Los_Angeles")

RATE_LIMITS = frozenset({4, 17, 32, 341, 613, 80001, 80002})
# Of these the limit is the app's or the user's, not the account's: it stops every account of the credential.
APP_LIMITS = frozenset({4, 17, 341})
PERMISSIONS = frozenset({3, 10, *range(200, 300)})
# Two refusals for want of a permission come as "invalid parameter" (code 100); only their words tell them apart.
NEEDS_PERMISSION = re.compile(r"missing permission|Access requires", re.IGNORECASE)
# Words that name dead or unfit metrics, and whether they mean the name itself, for every account.
# Facebook's first text names none: which one it means takes bisecting.
REJECTIONS = (
    (re.compile(r"must be a valid insights metric"), True),
    (re.compile(r"metric\[(?P<position>\d+)\] must be one of"), True),
    (re.compile(r"does not support the (?P<names>[\w, ]+) metric"), False),
    (re.compile(r"the (?P<names>[\w, ]+) metric is no longer supported"), True),
    (re.compile(r"[Ii]ncompatible metrics \((?P<names>[\w, ]+)\)"), False),
)
# Code 100 that says nothing; also what a metric answers that does not go with its breakdown.
UNSPECIFIC = re.compile(r"unknown error has occurred|^(\(#100\) )?Invalid parameter$")
BEFORE_CONVERSION = 2108006
# Of a page that was merged: "(#21) Page ID 1 was migrated to page ID 2. Please update your API calls to the new ID".
MIGRATED = re.compile(r"was migrated to page ID (?P<id>\d+)")
# Cursors expire and must not be kept for long: https://developers.facebook.com/docs/graph-api/results
EXPIRED_CURSOR = re.compile(r"[Ii]nvalid cursors? value|cursor has expired")
# What a next link may move a list by; nothing else of it is used.
PLACES = ("after", "until", "__paging_token")


def node(scope: Scope) -> str:
    """Path of the account's own node."""
    return f"/{VERSION}/{scope.account.account_id}"


def edge(name: str) -> Callable[[Scope], str]:
    """Path of one of the account's lists."""
    return lambda scope: f"{node(scope)}/{name}"


def encode(params: Params) -> str:
    """The Graph API takes its field syntax raw."""
    return urlencode(params, safe=",(){}.:")


def after_cursor(body: Any, params: Params) -> Params | None:
    """Go on while `paging.next` is there, also after a short page; only its cursor is used, for it holds the token."""
    paging = mapping(body, "graph").get("paging") or {}
    link = paging.get("next")
    if not link:
        return None
    in_link = {name: values[-1] for name, values in parse_qs(urlsplit(str(link)).query).items() if name in PLACES}
    cursor = (paging.get("cursors") or {}).get("after")
    place = {"after": cursor} if isinstance(cursor, str) and cursor else in_link
    if not place:
        raise ContractBroken("graph: the next link has no cursor", LOOK)
    return {**params, **place}


def unix(edge_at: datetime) -> str:
    """Return an instant in unix seconds, as the Graph API takes it."""
    return str(int(edge_at.timestamp()))


def window(scope: Scope) -> Params:
    """The window as `since` and `until`, where it has these edges."""
    edges = {"since": scope.since, "until": scope.until}
    return {name: unix(at) for name, at in edges.items() if at}


def nested_insights(scope: Scope, modifiers: str = "") -> str:
    """Insights as one more field of a list; nothing when no metric is left to ask."""
    metrics = ",".join(scope.metrics)
    return f",insights.metric({metrics}){modifiers}{{name,period,values}}" if metrics else ""


def without_paging(insights: Json) -> Json:
    """Insights without their `paging`: its links hold the token and never end."""
    return {name: part for name, part in insights.items() if name != "paging"}


def objects_with_insights(where: str) -> Callable[[Scope, Any], list[Record]]:
    """Records of a list whose objects carry nested insights."""

    def records(scope: Scope, body: Any) -> list[Record]:
        found = []
        for item in objects(body, "data", where):
            insights = item.get("insights")
            kept = {**item, "insights": without_paging(insights)} if isinstance(insights, dict) else item
            found.append(Record(text(item, "id", where), kept))
        return found

    return records


def series_records(where: str) -> Callable[[Scope, Any], list[Record]]:
    """One record per metric and day of a list of series; the day is the Pacific one that `end_time` ends."""

    def records(scope: Scope, body: Any) -> list[Record]:
        found = []
        for metric in objects(body, "data", where):
            name = text(metric, "name", where)
            for point in objects(metric, "values", f"{where} {name}"):
                day = (instant(point.get("end_time"), f"{where} {name} end_time").astimezone(PACIFIC)).date()
                payload = {"name": name, "period": metric.get("period"), **point}
                found.append(Record(series_key(scope, name, day - timedelta(days=1)), payload))
        return found

    return records


def node_record(name: str) -> Callable[[Scope, Any], list[Record]]:
    """The account's own node, one record per business day; a page's node never keeps a token."""
    return lambda scope, body: [Record(series_key(scope, name, scope.today), mapping(body, name))]


def lookup_batch(scope: Scope) -> Params:
    """One batch call that asks for the ids of up to 50 objects; each element answers for itself."""
    calls = [{"method": "GET", "relative_url": f"{one}?fields=id"} for one in scope.ids]
    return {"batch": json.dumps(calls, separators=(",", ":")), "include_headers": "false"}


def lookup_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """A record for each object that is there, ObjectGone for each that is not; nothing where Meta does not say."""
    found: list[Record | Unread] = []
    for key, element in zip(scope.ids, body if isinstance(body, list) else [], strict=False):
        part = element if isinstance(element, dict) else {}
        try:
            told = parse(str(part.get("body") or "null").encode())
        except NotStrictJson:
            continue
        error = classify(
            Answer(status=int(part.get("code") or 500), headers={}, body=told, at=scope.now), scope.account
        )
        if isinstance(error, ObjectGone):
            found.append(Unread(key, error, b""))
        elif error is None:
            found.append(Record(key, {}))
    return found


LOOKUP = Read(
    name="lookup",
    path=lambda scope: f"/{VERSION}/",
    params=lambda scope: {},
    form=lookup_batch,
    weight=lambda scope: len(scope.ids),
    records=lookup_records,
    batch=Batch(of="posts", size=50, where="true"),
)


def classify(answer: Answer, account: Account) -> PipelineError | None:
    """Decide by the error's code, whatever the status: also a 200 may hold an error."""
    body = answer.body if isinstance(answer.body, dict) else {}
    error = body.get("error")
    if not isinstance(error, dict):
        if answer.status < 400:
            return None
        kind = Transient if answer.status >= 500 else ContractBroken
        return kind(f"{account}: Meta answered {answer.status} without an error object", "try again, or " + LOOK)
    numbers = (error.get(name) for name in ("code", "error_subcode"))
    code, subcode = (number if isinstance(number, int) else None for number in numbers)
    message = str(error.get("message") or "no message")[:300]
    said = f"{account}: Meta answered {answer.status}, code {code}{f'/{subcode}' if subcode else ''}: {message!r}"
    return _by_code(code, subcode, message, said, answer, account)


def _by_code(code: Any, subcode: Any, message: str, said: str, answer: Answer, account: Account) -> PipelineError:
    if code in RATE_LIMITS:
        minutes = regain_minutes(answer.headers)
        # A code of the app with an account's own estimate is that account's.
        scope = "app" if code in APP_LIMITS and not minutes else ""
        return RetryLater(said, answer.at + timedelta(minutes=minutes or 60), scope=scope)
    if code == 368:
        return RetryLater(said, answer.at + timedelta(hours=24))
    if f"Unknown path components: /{VERSION}" in message:
        return VersionSunset(said, f"version {VERSION} is over; raise VERSION in extractors/platforms/meta.py")
    if code in (190, 102) or (code == 2500 and "access token" in message):
        return TokenDead(said, f"log in again and renew the token of {account.credential}")
    if code in PERMISSIONS:
        return PermissionLost(said, f"grant what the message names to the app and token of {account.credential}")
    if code == 100 and subcode != 33 and NEEDS_PERMISSION.search(message):
        return PermissionLost(said, f"grant what the message names to the app and token of {account.credential}")
    # 110: business discovery knows no professional account of that name.
    if code == 21 and (new := MIGRATED.search(message)) and account.account_id in message:
        return aliases.moved(account, new["id"], said)
    if (code == 100 and subcode == 33) or code in (110, 803) or "Unknown path components" in message:
        return ObjectGone(said, f"check that {account.account_id} exists and the token may see it")
    if code == 100 and EXPIRED_CURSOR.search(message):
        return CursorExpired(said, "begin the list again")
    if code == 1 and "reduce the amount of data" in message:
        return TooMuchData(said, "ask for fewer objects at a time")
    if code == 100 and subcode == BEFORE_CONVERSION:
        return Unmeasured(f"{said}: it is older than the account's last conversion to a business account", "nothing")
    if code == 100 and (rejected := _rejected(message, said)):
        return rejected
    if code in (1, 2) or answer.body["error"].get("is_transient") is True:
        return Transient(said, "try again; Meta's status page may tell more")
    return ContractBroken(said, LOOK)


def _rejected(message: str, said: str) -> MetricRejected | None:
    """What a refusal says of its metrics, as far as it says anything: the whole call fails for one of them."""
    for words, everywhere in REJECTIONS:
        if found := words.search(message):
            parts = found.groupdict()
            position = int(parts["position"]) if parts.get("position") else None
            names = tuple(re.findall(r"\w+", parts.get("names") or ""))
            return MetricRejected(said, names=names, position=position, certain=True, everywhere=everywhere)
    return MetricRejected(said) if UNSPECIFIC.search(message) else None


def usage(answer: Answer, account: Account) -> Sequence[Usage]:
    """Read the usage headers: per cent of the allowance of the app and of the account, and until when it is shut.

    https://developers.facebook.com/docs/graph-api/overview/rate-limiting: slow down before 100 is reached.
    """
    groups = [_parsed(answer.headers.get("x-page-usage")), *_business_groups(answer.headers)]
    minutes = regain_minutes(answer.headers)
    blocked = answer.at + timedelta(minutes=minutes) if minutes else None
    found = [_usage([_parsed(answer.headers.get("x-app-usage"))], "app"), _usage(groups, "", blocked)]
    return [each for each in found if each is not None]


def _usage(groups: Sequence[Json], scope: str, blocked: datetime | None = None) -> Usage | None:
    """The fullest of the counters, in per cent; None without any."""
    shares = [share for group in groups for share in _shares(group)]
    if not shares:
        return None
    return Usage(used=min(ceil(max(shares)), 100), limit=100, blocked_until=blocked, scope=scope)


def budgets(account: Account, calls: int = 6_000, seconds: int = 600) -> Sequence[Budget]:
    """The account's allowance grows with its audience, the app's with its users; neither is told but by the headers.

    So both begin with a modest figure that the headers correct: of the calls that Meta counts, where each part of a
    batch is one, an account may use up the app's share.
    """
    return (
        Budget(key=f"{account.platform}:{account.account_id}", calls=calls, seconds=seconds),
        Budget(key=f"meta:{account.credential}", calls=36_000, seconds=3_600, scope="app"),
    )


def regain_minutes(headers: Mapping[str, str]) -> float:
    """Return the longest `estimated_time_to_regain_access`, in minutes, at most a day."""
    waits = [_figure(group, "estimated_time_to_regain_access") for group in _business_groups(headers)]
    return min(max((wait for wait in waits if wait is not None), default=0), 1440)


def _business_groups(headers: Mapping[str, str]) -> list[Json]:
    per_object = _parsed(headers.get("x-business-use-case-usage"))
    groups = [group for groups in per_object.values() if isinstance(groups, list) for group in groups]
    return [group for group in groups if isinstance(group, dict)]


def _shares(counters: Json) -> list[float]:
    values = (_figure(counters, name) for name in ("call_count", "total_time", "total_cputime"))
    return [min(value, 100) for value in values if value is not None]


def _figure(counters: Json, name: str) -> float | None:
    """Python's parser also takes NaN and Infinity, and true is a 1 for it."""
    value = counters.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return value
    return None


def _parsed(header: str | None) -> Json:
    """A malformed header is no reason to lose the answer it came with."""
    try:
        found = json.loads(header or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
