"""What others recorded of the four APIs goes our whole way to staging, or is refused by an error with a name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from expectations.gate import GateResult, validate_pending
from extractors import ledger
from extractors.errors import PipelineError
from extractors.load import land
from extractors.pages import Page
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Answer, Record, Scope

ROOT = Path(__file__).resolve().parents[2]
RESPONSES = ROOT.parent / "shared" / "data" / "responses"
DBT = Path(sys.executable).parent / "dbt"
NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
MEDIA = "17846368219941692"

pytestmark = pytest.mark.skipif(not RESPONSES.exists(), reason="the recorded responses are not beside the repository")


def as_received(body: Any) -> Any:
    """Leave the body as it is."""
    return body


def under(name: str) -> Callable[[Any], Any]:
    """Put one recorded object into the list it is an element of."""
    return lambda body: {name: [body]}


def one_user(body: Any) -> Any:
    """Make a lookup of users one of a single id, as we ask; errors stay."""
    found = body.get("data") if isinstance(body, dict) else None
    return {**body, "data": found[:1] if isinstance(found, list) else [found]} if found else body


def batch_of_one(body: Any) -> Any:
    """Put recorded insights of one media object into Meta's batch envelope."""
    return [{"code": 200, "body": json.dumps(body)}]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which recorded lines are answers to one of our reads.

    `source` matches the endpoint, or the file where no endpoint was kept. X's timeline, search, mentions and lookups
    share one envelope of posts, its lookups one of users. Without `read` it is an error body: the envelope is the
    platform's, whatever was asked.
    """

    platform: str
    source: str
    read: tuple[str, str] | None = None
    envelope: Callable[[Any], Any] = as_received


POSTS_OF_X = (
    r"^(GET )?https://api\.twitter\.com/2/(users/\d+/(tweets|mentions|timelines/\w+|bookmarks|liked_tweets)"
    r"|lists/\d+/tweets|tweets/\d+/quote_tweets|tweets/search/(recent|all)|tweets)(\?|$)"
    r"|testdata/apis/(timeline/\w+|searches/\w+|lists/list_tweets_resp|tweet/tweets_resp|tweet/tweet_quote_tweets_resp"
    r"|tweet/tweet_retweet_tweets_resp|tweet/tweets_by_user_bookmark|user/user_liked_tweets_resp)\.json$"
)
USERS_OF_X = (
    r"^(GET )?https://api\.twitter\.com/2/users(/by(/username/[^/?]+)?|/:id|/me)?(\?|$)"
    r"|testdata/apis/user/(user_resp|users_resp|me_resp|search_users_resp)\.json$"
)
# Not here, since no version of them is alive or we never ask: Graph v2.2 and v2.8, LinkedIn v1 and shares of its v2,
# logins, uploads, comments, stories, competitors, rules, direct messages, spaces, lists, and whatever was written.
SHORT = re.compile(r"(\$\.\w+) \?[^,;]*")
RULES = (
    Rule("linkedin", r"jsonmapper/organization\.json$", ("profile", "organization")),
    Rule("linkedin", r"jsonmapper/post\.json$", ("posts", "posts"), under("elements")),
    Rule(
        "linkedin",
        r"jsonmapper/organizationFollowerStatistics\.json$",
        ("audience", "follower_statistics"),
        under("elements"),
    ),
    Rule(
        "linkedin", r"jsonmapper/organizationStatistics\.json$", ("account_daily", "page_statistics"), under("elements")
    ),
    Rule("linkedin", r"^GET https://api\.linkedin\.com/v2/organizations/"),
    Rule("twitter", POSTS_OF_X, ("posts", "timeline")),
    Rule("twitter", USERS_OF_X, ("profile", "user"), one_user),
    Rule("twitter", r"^https://api\.twitter\.com/2/tweets/search/stream(/rules)?$"),
    Rule("facebook", r"apidata/pages/single_\w+\.json$", ("profile", "page")),
    Rule("facebook", r"(apidata/posts/feeds?_\w+|base/full_connecions_p\d)\.json$", ("posts", "published_posts")),
    Rule("facebook", r"apidata/posts/single_post_data\w*\.json$", ("posts", "published_posts"), under("data")),
    Rule("facebook", r"testdata/(base/error_data|error)\.json$"),
    Rule("instagram", r"apidata/users/user_fields\.json$", ("profile", "account")),
    Rule("instagram", r"apidata/users/medias_p\d\.json$", ("posts", "media")),
    Rule("instagram", r"apidata/medias/media_default\.json$", ("posts", "media"), under("data")),
    Rule("instagram", r"apidata/medias/insights(_new)?\.json$", ("post_metrics", "reels"), batch_of_one),
    Rule("instagram", r"apidata/users/user_insights\.json$", ("account_daily", "series")),
    Rule("instagram", r"apidata/users/user_insights_new\.json$", ("account_daily", "totals")),
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded response that concerns us."""

    rule: Rule
    name: str
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Outcome:
    """What became of a response: refused by an error, or landed in a run that the gate judged."""

    recorded: Recorded
    error: PipelineError | None = None
    run_id: str | None = None
    keys: frozenset[str] = frozenset()
    gate: GateResult | None = None


def recorded_responses() -> list[Recorded]:
    """Return the lines that a rule selects; the error bodies of a rule without a read are those that failed."""
    found = []
    for platform in PLATFORMS:
        lines = (RESPONSES / f"{platform}.jsonl").read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            source, status = row["endpoint"] or row["path"], row["status"] or _status(row["body"])
            for rule in RULES:
                if rule.platform != platform or not re.search(rule.source, source):
                    continue
                if rule.read is None and status < 400:
                    continue
                headers = {name.lower(): str(value) for name, value in (row["headers"] or {}).items()}
                found.append(Recorded(rule, f"{platform}.jsonl:{number}", status, headers, row["body"]))
    return found


def _status(body: Any) -> int:
    """Return the status of a body that was kept without one."""
    return 400 if isinstance(body, dict) and set(body) == {"error"} else 200


def owner(body: Any) -> str:
    """Return whose answer it is, as far as the body tells: the id of the account that was asked about."""
    first = body.get("data", body) if isinstance(body, dict) else body
    first = first[0] if isinstance(first, list) and first else first
    named = (first.get(name) for name in ("author_id", "organizationalEntity", "organization", "author", "id"))
    return next((str(name).rsplit(":", 1)[-1] for name in named if name), "1")


def send_through(connection: psycopg.Connection[Any], number: int, recorded: Recorded) -> Outcome:
    """Do with a response what the engine does: classify, take the records out, land them, close the run."""
    platform = PLATFORMS[recorded.rule.platform]
    account = Account(
        business_id=number,
        platform=platform.key,
        account_id=owner(recorded.body),
        credential="none",
        timezone="UTC",
    )
    answer = Answer(status=recorded.status, headers=recorded.headers, body=recorded.body, at=datetime.now(UTC))
    error = platform.classify(answer, account)
    if error is not None or recorded.rule.read is None:
        return Outcome(recorded, error)
    stream = platform.stream(recorded.rule.read[0])
    (read,) = (each for each in stream.reads if each.name == recorded.rule.read[1])
    scope = Scope(account=account, now=NOW, since=NOW, ids=(MEDIA,))
    try:
        records = [
            each for each in read.records(scope, recorded.rule.envelope(recorded.body)) if isinstance(each, Record)
        ]
        read.next_page(recorded.rule.envelope(recorded.body), read.params(scope))
    except PipelineError as refusal:
        return Outcome(recorded, refusal)
    connection.execute(
        "insert into ops.businesses (business_id, name, timezone) values (%s, %s, 'UTC')", [number, recorded.name]
    )
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (%s, %s, %s, 'none')",
        [number, account.platform, account.account_id],
    )
    opened = ledger.open_run(connection, account, stream, as_of=NOW, since=None, until=NOW)
    land(connection, opened.lease, Page(records=records, observed_at=answer.at, next_cursor=None, calls=1, retries=0))
    ledger.complete(connection, opened.lease)
    return Outcome(recorded, run_id=opened.lease.run_id, keys=frozenset(record.key for record in records))


def build_staging(warehouse: Mapping[str, str], target: Path) -> None:
    """Create the staging views, as users do."""
    project = str(ROOT / "dbt_project")
    done = subprocess.run(
        [str(DBT), "run", "--select", "staging", "--project-dir", project, "--profiles-dir", project],
        env={**os.environ, **warehouse, "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target / "logs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def outcomes(
    new_database: Callable[[str], dict[str, str]], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[Outcome]]:
    """Send every selected response through, judge the runs, and build staging."""
    warehouse = new_database(migrated_template)
    settings = Settings.from_environment({**warehouse, "PIPELINE_NOW": NOW.isoformat()})
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        sent = [send_through(connection, number, each) for number, each in enumerate(recorded_responses(), 1)]
    gates = {gate.run_id: gate for gate in validate_pending(settings)}
    for outcome in sent:
        outcome.gate = gates.get(outcome.run_id or "")
    build_staging(warehouse, tmp_path_factory.mktemp("dbt"))
    return warehouse, sent


def test_every_rule_selects_something(outcomes: tuple[dict[str, str], list[Outcome]]) -> None:
    selected = {outcome.recorded.rule.source for outcome in outcomes[1]}
    assert [rule.source for rule in RULES if rule.source not in selected] == []


def test_a_response_is_staged_whole_or_refused_by_name(
    outcomes: tuple[dict[str, str], list[Outcome]], capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse, sent = outcomes
    told = Counter(f"{each.recorded.rule.platform} {verdict(each)}" for each in sent)
    with capsys.disabled():
        print(
            f"\n{len(sent)} recorded responses:",
            *(f"{count:>4} {what}" for what, count in sorted(told.items())),
            sep="\n",
        )
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        passed = [each for each in sent if each.gate is not None and each.gate.passed]
        assert missing_in_staging(connection, passed) == []
    assert {each.recorded.rule.platform for each in passed if each.keys} == set(PLATFORMS)
    assert [each.recorded.name for each in sent if verdict(each) == "lost without a word"] == []


def verdict(outcome: Outcome) -> str:
    """Return in words what became of a response."""
    if outcome.error is not None:
        named = type(outcome.error) is not PipelineError and outcome.error.remedy
        return f"refused: {type(outcome.error).__name__}" if named else "lost without a word"
    if outcome.gate is None:
        return "lost without a word"
    if outcome.gate.passed:
        return "staged" if outcome.keys else "read, nothing in it"
    reasons = sorted({SHORT.sub(r"\1", str(item["explanation"])).split(";")[0] for item in outcome.gate.report})
    return f"refused by the gate: {' + '.join(reasons)}" if reasons else "lost without a word"


def test_staging_reads_also_what_the_gate_would_refuse(outcomes: tuple[dict[str, str], list[Outcome]]) -> None:
    warehouse, sent = outcomes
    landed = [each for each in sent if each.run_id is not None]
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        # Only for this look: the transaction is never committed.
        connection.execute("update ops.extract_runs set gate = 'passed'")
        assert missing_in_staging(connection, landed) == []
    assert sum(len(each.keys) for each in landed) > 400


def missing_in_staging(connection: psycopg.Connection[Any], landed: list[Outcome]) -> list[str]:
    """Return the responses of which a record is not in staging."""
    return [each.recorded.name for each in landed if staged_keys(connection, each) != each.keys]


def staged_keys(connection: psycopg.Connection[Any], outcome: Outcome) -> frozenset[str]:
    """Return the keys of a run's records in staging, having read every column of them."""
    rule = outcome.recorded.rule
    assert rule.read is not None
    key = "post_id" if rule.read[0] in ("posts", "post_metrics") else "record_key"
    rows = connection.execute(
        f"select {key}, staged::text from staging.stg_{rule.platform}__{rule.read[0]} as staged where run_id = %s",
        [outcome.run_id],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def test_what_is_refused_is_refused_for_the_right_reason(outcomes: tuple[dict[str, str], list[Outcome]]) -> None:
    errors = {each.recorded.name: type(each.error).__name__ for each in outcomes[1] if each.error is not None}
    by_status: dict[int, set[str]] = {}
    for each in outcomes[1]:
        if each.recorded.rule.platform == "twitter" and each.recorded.status >= 400:
            by_status.setdefault(each.recorded.status, set()).add(errors[each.recorded.name])
    assert by_status == {
        400: {"ContractBroken"},
        401: {"TokenDead"},
        403: {"PermissionLost"},
        429: {"RetryLater"},
    }
