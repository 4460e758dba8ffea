"""Scripted faults strike where they are meant to, and the ledger tells of every request without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator.faults import NAMES
from simulator.misfortune import ABOUT_PAGES, DAMAGES, IN_HANDLER, ON_THE_WIRE, REPLACEMENTS
from simulator.model import PLATFORMS, Account
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import MEDIA_FIELDS, POST_FIELDS, TWEET_FIELDS, Reader

Listing = Callable[[str], tuple[str, str]]


@pytest.fixture
def listing(world: World, account_of: Callable[..., Account]) -> Listing:
    """The path that lists posts on a platform, and the token that may."""

    def find(platform: str) -> tuple[str, str]:
        account = account_of(platform)
        credential = world.credentials[account.credential]
        number = account.account_id
        match platform:
            case "linkedin":
                return f"/rest/posts?q=author&author=urn%3Ali%3Aorganization%3A{number}&count=100", credential.token
            case "twitter":
                return f"/2/users/{number}/tweets?max_results=100&tweet.fields={TWEET_FIELDS}", credential.token
            case "facebook":
                path = f"/v26.0/{number}/published_posts?fields={POST_FIELDS}&limit=100"
                return path, credential.page_tokens[number]
        return f"/v26.0/{number}/media?fields={MEDIA_FIELDS}&limit=100", credential.token

    return find


def test_every_fault_does_something() -> None:
    assert set(REPLACEMENTS) | set(DAMAGES) | IN_HANDLER | ABOUT_PAGES | ON_THE_WIRE == NAMES


def test_a_fault_that_does_not_exist_is_refused(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="no fault is called 'meteor'"):
        simulator.faults.add("meteor")


def test_a_fault_waits_strikes_as_often_as_told_and_is_gone(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    path, token = listing("twitter")
    simulator.faults.add("http_500", platform="twitter", path_contains="/tweets", times=2, after=1)
    other, other_token = listing("linkedin")

    statuses = [ask("twitter", path, token=token).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert ask("linkedin", other, token=other_token).ok
    assert [call.fault for call in simulator.calls] == [None, "http_500", "http_500", None, None]
    assert simulator.faults.waiting() == []


REFUSALS: dict[tuple[str, str], tuple[int, Any]] = {
    ("token_expired", "linkedin"): (401, "EXPIRED_ACCESS_TOKEN"),
    ("token_expired", "twitter"): (401, "Unauthorized"),
    ("token_expired", "facebook"): (400, 463),
    ("token_revoked", "linkedin"): (401, "REVOKED_ACCESS_TOKEN"),
    ("token_revoked", "instagram"): (400, 460),
    ("permission_lost", "linkedin"): (403, "ACCESS_DENIED"),
    ("permission_lost", "twitter"): (403, "client-not-enrolled"),
    ("permission_lost", "facebook"): (400, "pages_read_engagement"),
    ("rate_limited", "linkedin"): (429, "MEMBER MINUTE"),
    ("rate_limited", "twitter"): (429, "Too Many Requests"),
    ("rate_limited", "facebook"): (400, 80001),
    ("rate_limited", "instagram"): (400, 80002),
    ("rate_limited_day", "linkedin"): (429, "APPLICATION DAY"),
    ("rate_limited_day", "twitter"): (429, "usage-capped"),
    ("rate_limited_day", "facebook"): (400, 17),
    ("usage_cap", "twitter"): (429, "UsageCapExceeded"),
    ("credits", "twitter"): (402, "CreditsDepleted"),
    ("version_sunset", "linkedin"): (426, "NONEXISTENT_VERSION"),
    ("version_sunset", "instagram"): (400, "Unknown path components"),
    ("http_500", "linkedin"): (500, "Internal Server Error"),
    ("http_504", "linkedin"): (504, "Gateway Timeout"),
    ("transient_1", "facebook"): (500, 1),
    ("transient_2", "instagram"): (500, "(#2) Service temporarily unavailable"),
    ("transient_1", "twitter"): (503, "Service Unavailable"),
    ("bad_metric", "facebook"): (400, "must be a valid insights metric"),
    ("bad_metric", "instagram"): (400, "does not support the saved metric"),
    ("object_deleted_33", "facebook"): (400, 33),
    ("old_media_2108006", "instagram"): (400, 2108006),
    ("object_deleted_33", "linkedin"): (404, "NOT_FOUND"),
}


@pytest.mark.parametrize(("name", "platform"), REFUSALS)
def test_faults_speak_the_platforms_own_words(
    simulator: Simulator, ask: Ask, listing: Listing, name: str, platform: str
) -> None:
    path, token = listing(platform)
    status, words = REFUSALS[name, platform]
    simulator.faults.add(name, platform=platform)

    answer = ask(platform, path, token=token)
    assert answer.status_code == status
    assert (f": {words}" if isinstance(words, int) else words) in answer.text
    assert ask(platform, path, token=token).ok
    call = simulator.calls[0]
    assert (call.fault, call.status, call.objects) == (name, status, 0)
    assert call.credential is not None
    assert call.account is not None


def test_waiting_times_can_be_scripted(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    simulator.faults.add("rate_limited", platform="facebook", minutes=7)
    simulator.faults.add("rate_limited", platform="twitter", seconds=3)
    simulator.faults.add("rate_limited", platform="linkedin", unit="SECOND")

    facebook, x, linkedin = (
        ask(name, *listing(name)[:1], token=listing(name)[1]) for name in ("facebook", "twitter", "linkedin")
    )
    (usage,) = json.loads(facebook.headers["X-Business-Use-Case-Usage"]).values()
    assert usage[0]["estimated_time_to_regain_access"] == 7
    assert x.headers["x-rate-limit-remaining"] == "0"
    assert "MEMBER SECOND" in linkedin.text


def test_out_of_credits_looks_healthy_in_the_headers(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    path, token = listing("twitter")
    simulator.faults.add("credits")

    assert int(ask("twitter", path, token=token).headers["x-rate-limit-remaining"]) > 0


def test_a_reset_connection_and_a_cut_body_are_what_they_say(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    path, token = listing("linkedin")
    simulator.faults.add("connection_reset")
    simulator.faults.add("truncated_json")

    with pytest.raises(requests.ConnectionError):
        ask("linkedin", path, token=token)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        ask("linkedin", path, token=token)
    assert ask("linkedin", path, token=token).ok


def test_a_slow_answer_comes_late(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    path, token = listing("linkedin")
    simulator.faults.add("slow_10s", seconds=0.2)

    assert ask("linkedin", path, token=token).elapsed >= timedelta(seconds=0.2)


def test_a_gateway_answers_html(simulator: Simulator, ask: Ask, listing: Listing) -> None:
    path, token = listing("instagram")
    simulator.faults.add("html_error_page", times=1)
    simulator.faults.add("html_error_page", status=200)

    first, second = (ask("instagram", path, token=token) for _ in range(2))
    assert (first.status_code, second.status_code) == (502, 200)
    assert first.headers["Content-Type"].startswith("text/html")
    assert second.text.startswith("<!DOCTYPE html>")


def records(platform: str, body: Any) -> list[dict[str, Any]]:
    return list(body.get("elements" if platform == "linkedin" else "data", []))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_empty_and_partial_answers_are_200(simulator: Simulator, ask: Ask, listing: Listing, platform: str) -> None:
    path, token = listing(platform)
    whole = records(platform, ask(platform, path, token=token).json())
    simulator.faults.add("empty_data")
    simulator.faults.add("partial_errors")

    empty, partial = (ask(platform, path, token=token) for _ in range(2))
    assert (empty.status_code, records(platform, empty.json())) == (200, [])
    assert records(platform, partial.json()) == whole[:-1]
    assert ("errors" in partial.json()) == (platform == "twitter")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_short_page_loses_nothing_for_who_follows_next(
    simulator: Simulator, reader: Reader, account_of: Callable[..., Account], world: World, platform: str
) -> None:
    account = account_of(platform)
    simulator.faults.add("page_short_with_next", platform=platform, path_contains=LISTED_AT[platform])

    rows = reader.posts(account, now=ANCHOR)
    assert len(rows) == sum(1 for row in world.expected_posts([ANCHOR]) if row["account_id"] == account.account_id)
    assert any(call.fault == "page_short_with_next" for call in simulator.calls)


LISTED_AT = {"linkedin": "/posts", "twitter": "/tweets", "facebook": "/published_posts", "instagram": "/media"}


def test_metrics_come_as_text_texts_as_null_and_shares_not_at_all(
    simulator: Simulator, ask: Ask, listing: Listing
) -> None:
    path, token = listing("facebook")
    for name in ("metric_as_string", "null_text", "missing_shares"):
        simulator.faults.add(name)

    strings, nulls, unshared = (ask("facebook", path, token=token).json()["data"] for _ in range(3))
    assert isinstance(strings[0]["insights"]["data"][0]["values"][0]["value"], str)
    assert all(post.get("message") is None for post in nulls)
    assert all("shares" not in post for post in unshared)


def test_a_batch_part_can_be_null(
    simulator: Simulator, ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    account = account_of("instagram")
    simulator.faults.add("partial_errors", platform="instagram")
    parts = json.dumps([{"method": "GET", "relative_url": account.account_id}] * 2)

    token = world.credentials[account.credential].token
    answer = ask("instagram", "/v26.0/", token=token, method="POST", data={"batch": parts})
    assert answer.json()[1] is None


def test_a_header_forces_a_fault_for_one_request(ask: Ask, listing: Listing) -> None:
    path, token = listing("linkedin")

    assert ask("linkedin", path, token=token, headers={"X-Sim-Fault": "http_504"}).status_code == 504
    assert ask("linkedin", path, token=token).ok


def test_the_ledger_tells_who_asked_what_and_never_a_token(
    simulator: Simulator, ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    account = account_of("facebook")
    token = world.credentials[account.credential].token
    ask("facebook", f"/v26.0/{account.account_id}?fields=name&access_token={token}&appsecret_proof=abc")
    part = {"method": "GET", "relative_url": f"{account.account_id}?fields=id&access_token={token}"}
    ask("facebook", "/v26.0/", token=token, method="POST", data={"batch": json.dumps([part])})

    named, batched = simulator.calls
    assert (named.platform, named.method, named.status, named.objects) == ("facebook", "GET", 200, 1)
    assert (named.account, named.credential) == (account.account_id, account.credential)
    assert named.query == {"fields": "name"}
    assert named.at == ANCHOR
    assert batched.parts == (f"{account.account_id}?fields=id",)
    assert token not in json.dumps([call.as_json() for call in simulator.calls])
    simulator.clear_calls()
    assert simulator.calls == []


def test_tokens_do_not_show_when_the_world_is_printed(world: World) -> None:
    shown = repr(world) + repr(list(world.credentials.values()))

    assert not any(one.token in shown for one in world.credentials.values())
