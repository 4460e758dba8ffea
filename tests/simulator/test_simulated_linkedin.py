"""LinkedIn answers and refuses as documented."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from simulator.limits import Limits
from simulator.model import Account
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import LINKEDIN_HEADERS, Reader

DAY = 86_400_000
TODAY = int(datetime(2026, 11, 21, tzinfo=ANCHOR.tzinfo).timestamp() * 1000)


@pytest.fixture
def account(account_of: Callable[..., Account]) -> Account:
    return account_of("linkedin")


@pytest.fixture
def token(world: World, account: Account) -> str:
    return world.credentials[account.credential].token


def posts_path(account: Account, **changed: object) -> str:
    query = {"q": "author", "author": quote(account.urn, safe=""), "count": 100, "start": 0, "sortBy": "CREATED"}
    return "/rest/posts?" + "&".join(f"{name}={value}" for name, value in (query | changed).items())


def statistics_path(account: Account, more: str, resource: str = "organizationalEntityShareStatistics") -> str:
    entity = quote(account.urn, safe="")
    return f"/rest/{resource}?q=organizationalEntity&organizationalEntity={entity}&{more}"


def intervals(start: int, end: int, grain: str = "DAY") -> str:
    return f"timeIntervals=(timeRange:(start:{start},end:{end}),timeGranularityType:{grain})"


def test_a_missing_version_is_400_and_a_dead_one_426(ask: Ask, account: Account, token: str) -> None:
    missing = ask("linkedin", posts_path(account), token=token, headers={"LinkedIn-Version": None})
    assert (missing.status_code, missing.json()["code"]) == (400, "VERSION_MISSING")

    for version in ("202511", "202512", "202501", "202610"):
        dead = ask("linkedin", posts_path(account), token=token, headers={"LinkedIn-Version": version})
        assert dead.status_code == 426
        message = f"Requested version {version}01 is not active"
        assert dead.json() == {"status": 426, "code": "NONEXISTENT_VERSION", "message": message}

    assert ask("linkedin", posts_path(account), token=token, headers={"LinkedIn-Version": "202601"}).ok


def test_a_version_dies_on_its_day(simulator: Simulator, ask: Ask, account: Account, token: str) -> None:
    simulator.clock.set(datetime(2027, 1, 15, tzinfo=ANCHOR.tzinfo))

    answer = ask("linkedin", posts_path(account), token=token, headers={"LinkedIn-Version": "202601"})
    assert answer.status_code == 426


@pytest.mark.parametrize(
    ("state", "number", "code"),
    [("expired", 65602, "EXPIRED_ACCESS_TOKEN"), ("revoked", 65601, "REVOKED_ACCESS_TOKEN")],
)
def test_a_dead_token_is_401_with_its_own_number(
    simulator: Simulator, ask: Ask, account: Account, token: str, state: str, number: int, code: str
) -> None:
    simulator.vault.set_state(account.credential, state)  # type: ignore[arg-type]

    answer = ask("linkedin", posts_path(account), token=token)
    assert answer.status_code == 401
    assert (answer.json()["serviceErrorCode"], answer.json()["code"]) == (number, code)


def test_a_missing_and_an_invented_token_are_told_apart(ask: Ask, account: Account) -> None:
    missing, invented = ask("linkedin", posts_path(account)), ask("linkedin", posts_path(account), token="nobody")

    assert missing.json() == {"message": "Empty oauth2_access_token", "serviceErrorCode": 401, "status": 401}
    assert invented.json()["code"] == "INVALID_ACCESS_TOKEN"
    assert missing.status_code == invented.status_code == 401


def test_pages_end_where_no_next_link_is(reader: Reader, world: World, account: Account) -> None:
    seen: list[str] = []
    path = posts_path(account, count=7)
    while path:
        body = reader.get(account, path)
        seen += [one["id"] for one in body["elements"]]
        links = {link["rel"]: link["href"] for link in body["paging"]["links"]}
        path = links.get("next", "")

    assert seen == [post.post_id for post in world.listed(account, ANCHOR)]
    assert body["paging"]["total"] == len(seen)
    assert len(body["elements"]) <= 7
    assert "prev" in links


def test_drafts_and_dark_posts_are_listed_and_without_statistics(
    reader: Reader, world: World, account: Account
) -> None:
    listed = reader.get(account, posts_path(account))["elements"]
    dark = [one["id"] for one in listed if one["distribution"]["feedDistribution"] == "NONE"]
    drafts = [one for one in listed if one["lifecycleState"] == "DRAFT"]

    assert dark
    assert drafts
    assert all("publishedAt" not in one for one in drafts)
    assert all("adContext" in one for one in listed if one["id"] in dark)
    shares = [urn for urn in dark if ":share:" in urn]
    urns = ",".join(quote(urn, safe="") for urn in shares)
    assert reader.get(account, statistics_path(account, f"shares=List({urns})"))["elements"] == []


def test_commentary_is_little_text_on_the_wire(reader: Reader, account: Account) -> None:
    written = "\n".join(one["commentary"] for one in reader.get(account, posts_path(account))["elements"])

    for markup in (
        "{hashtag|\\#|AI}",
        "{hashtag|\\#|data\\_engineering}",
        "@[Acme Corp](urn:li:organization:123) \\(again\\)",
        "C\\# developers wanted #hiring",
        "50\\% off \\(today\\) {hashtag|\\#|Sale}",
    ):
        assert markup in written


def test_count_is_at_most_100_and_the_author_must_be_an_organization(ask: Ask, account: Account, token: str) -> None:
    assert ask("linkedin", posts_path(account, count=101), token=token).status_code == 400

    wrong = ask("linkedin", posts_path(account, author="urn%3Ali%3Acompany%3A1"), token=token)
    assert wrong.json() == {
        "status": 400,
        "code": "INVALID_URN_TYPE",
        "message": "author value urn:li:company:1 must be a organization URN",
    }


def test_somebody_elses_organization_is_403_but_its_size_is_public(
    ask: Ask, token: str, account_of: Callable[..., Account]
) -> None:
    other = account_of("linkedin", 2)

    refused = ask("linkedin", statistics_path(other, ""), token=token)
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        "Not enough permissions to access: organizationalEntityShareStatistics.FINDER-organizationalEntity.20260901"
    )
    urn = quote(other.urn, safe="")
    size = ask("linkedin", f"/rest/networkSizes/{urn}?edgeType=COMPANY_FOLLOWED_BY_MEMBER", token=token)
    assert size.json()["firstDegreeSize"] > 0
    old = ask("linkedin", f"/rest/networkSizes/{urn}?edgeType=CompanyFollowedByMember", token=token)
    assert old.status_code == 400


def test_encoded_structure_and_a_bare_list_are_refused(ask: Ask, account: Account, token: str, world: World) -> None:
    urn = next(post.post_id for post in world.listed(account, ANCHOR) if ":share:" in post.post_id)
    good = f"shares=List({quote(urn, safe='')})"
    assert ask("linkedin", statistics_path(account, good), token=token).ok

    for bad in (good.replace("(", "%28").replace(")", "%29"), f"shares=List({urn})", f"shares={quote(urn, safe='')}"):
        answer = ask("linkedin", statistics_path(account, bad), token=token)
        assert answer.status_code == 400
        assert answer.json() == {"message": "Parameter 'shares' is invalid", "status": 400}
    spelled = intervals(TODAY - 9 * DAY, TODAY).replace("(", "%28").replace(")", "%29").replace(",", "%2C")
    assert ask("linkedin", statistics_path(account, spelled), token=token).status_code == 400


def test_without_the_protocol_header_the_old_spelling_is_wanted(ask: Ask, account: Account, token: str) -> None:
    old = {"X-Restli-Protocol-Version": None}
    dotted = (
        f"timeIntervals.timeRange.start={TODAY - 9 * DAY}&timeIntervals.timeRange.end={TODAY}"
        "&timeIntervals.timeGranularityType=DAY"
    )

    modern = statistics_path(account, intervals(TODAY - 9 * DAY, TODAY))
    refused = ask("linkedin", modern, token=token, headers=old)
    assert refused.json() == {"message": "Parameter 'timeIntervals' is invalid", "status": 400}
    answers = [
        ask("linkedin", statistics_path(account, dotted), token=token, headers=old),
        ask("linkedin", statistics_path(account, dotted), token=token),
        ask("linkedin", modern, token=token),
    ]
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_a_share_in_the_wrong_list_or_of_somebody_else_is_403(
    ask: Ask, account: Account, token: str, world: World, account_of: Callable[..., Account]
) -> None:
    ugc = next(post.post_id for post in world.listed(account, ANCHOR) if ":ugcPost:" in post.post_id)
    foreign = next(
        post.post_id for post in world.listed(account_of("linkedin", 2), ANCHOR) if ":share:" in post.post_id
    )

    for urn in (ugc, foreign):
        answer = ask("linkedin", statistics_path(account, f"shares=List({quote(urn, safe='')})"), token=token)
        assert answer.status_code == 403
        assert "Unpermitted fields present in PARAMETER" in answer.json()["message"]
        assert "[/shares[0]]" in answer.json()["message"]


def test_posts_without_activity_are_left_out_of_the_statistics(reader: Reader, world: World, account: Account) -> None:
    quiet = next(post for post in world.listed(account, ANCHOR) if post.is_organic and not any(post.totals.values()))
    name = "shares" if ":share:" in quiet.post_id else "ugcPosts"

    body = reader.get(account, statistics_path(account, f"{name}=List({quote(quiet.post_id, safe='')})"))
    assert body["elements"] == []


def test_an_address_over_8_kb_is_414(ask: Ask, account: Account, token: str) -> None:
    urns = ",".join(quote(f"urn:li:share:{7_380_000_000_000_000_000 + n}", safe="") for n in range(300))

    assert ask("linkedin", statistics_path(account, f"shares=List({urns})"), token=token).status_code == 414


@pytest.mark.parametrize("resource", ["organizationalEntityFollowerStatistics", "organizationalEntityShareStatistics"])
def test_days_are_utc_end_exclusive_and_the_last_is_two_days_ago(
    reader: Reader, account: Account, resource: str
) -> None:
    body = reader.get(account, statistics_path(account, intervals(TODAY - 20 * DAY, TODAY + DAY), resource))
    ranges = [one["timeRange"] for one in body["elements"]]

    assert all(one["end"] - one["start"] == DAY and one["start"] % DAY == 0 for one in ranges)
    assert ranges[0]["start"] >= TODAY - 20 * DAY
    assert ranges[-1]["start"] == TODAY - 2 * DAY


def test_an_interval_must_hold_a_day_and_not_reach_back_too_far(ask: Ask, account: Account, token: str) -> None:
    short = ask("linkedin", statistics_path(account, intervals(TODAY - DAY, TODAY - 1)), token=token)
    assert short.status_code == 400

    long = ask("linkedin", statistics_path(account, intervals(TODAY - 500 * DAY, TODAY)), token=token)
    assert long.status_code == 400
    assert "must be less than 14 months apart." in long.json()["message"]
    assert str(TODAY - 500 * DAY) in long.json()["message"]


def test_daily_gains_add_up_to_the_network_size(reader: Reader, world: World, account: Account) -> None:
    path = statistics_path(account, intervals(TODAY - 300 * DAY, TODAY), "organizationalEntityFollowerStatistics")
    gains = [one["followerGains"] for one in reader.get(account, path)["elements"]]
    followers = account.followers
    newest = followers.index((ANCHOR - timedelta(days=2)).date())
    oldest = followers.index((ANCHOR - timedelta(days=301)).date())

    assert newest is not None
    assert oldest is not None
    total = sum(one["organicFollowerGain"] + one["paidFollowerGain"] for one in gains)
    assert total == followers.stock[newest] - followers.stock[oldest]


def test_page_views_take_the_organization_parameter(ask: Ask, account: Account, token: str) -> None:
    urn = quote(account.urn, safe="")
    path = f"/rest/organizationPageStatistics?q=organization&organization={urn}&{intervals(TODAY - 5 * DAY, TODAY)}"

    views = ask("linkedin", path, token=token).json()["elements"]
    assert [one["timeRange"]["start"] for one in views] == [TODAY - n * DAY for n in (5, 4, 3, 2)]
    assert views[0]["totalPageStatistics"]["views"]["allPageViews"]["uniquePageViews"] > 0
    wrong = path.replace("organization=urn", "organizationalEntity=urn")
    assert ask("linkedin", wrong, token=token).status_code == 400


def test_unknown_paths_are_404_and_answers_carry_linkedins_headers(ask: Ask, account: Account, token: str) -> None:
    assert ask("linkedin", "/rest/shares", token=token).json()["code"] == "RESOURCE_NOT_FOUND"

    answer = ask("linkedin", posts_path(account), token=token)
    assert answer.headers["x-restli-protocol-version"] == "2.0.0"
    assert "X-LI-UUID" in answer.headers


def test_the_daily_allowance_ends_in_429_without_headers(world: World, account: Account, token: str) -> None:
    with Simulator(world, limits=Limits(linkedin_day=2)) as small:
        reader = Reader(small)
        url = small.base_urls["linkedin"] + posts_path(account)
        headers = LINKEDIN_HEADERS | {"Authorization": f"Bearer {token}"}
        answers = [reader.session.get(url, headers=headers, timeout=5) for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[2].json() == {
        "status": 429,
        "serviceErrorCode": 101,
        "code": "TOO_MANY_REQUESTS",
        "message": "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.",
    }
    assert not any("limit" in name.lower() or name == "Retry-After" for name in answers[2].headers)
