"""Any mart can be rebuilt as known at an earlier instant: row for row what was published then, whatever came since."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from extractors.erase import KEPT, erase
from extractors.errors import ConfigurationError
from extractors.settings import Settings
from insights.run import run as run_insights
from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF, FACEBOOK, INSTAGRAM, TWITTER, land, public_metrics, tweet
from tests.warehouse.test_deletions_and_edits import know
from tests.warehouse.test_erasure import rows_of
from tests.warehouse.test_increments import land_late_arrivals

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
POSTED = "2026-11-16T08:30:00.000Z"
#: Worked out when the mart is read or refreshed, by the clock.
AT_READ = {"data_freshness": {"age_hours", "is_stale", "last_published_at", "publish_error"}}
#: Names the table that was read, schema and all; and what BI does not read.
LEFT_OUT = {"_dbt_source_relation", "post_key", "row_key"}
ROLLUP = "fivetran_compat__rollup_report"
#: Where marts are read that are not read in `marts`.
READ_AS = {
    ROLLUP: ("fivetran_compat", "social_media_reporting__rollup_report"),
    "fivetran_compat__differences": ("fivetran_compat", "differences"),
    "fivetran_compat__reconciliation": ("fivetran_compat", "reconciliation"),
}

Marts = dict[str, list[str]]


def lines(connection: psycopg.Connection[Any], schema: str, table: str, *without: str) -> list[str]:
    """Return every row of a relation as COPY writes it, in order."""
    query = "select array_agg(attname::text order by attname) from pg_attribute where attrelid = %s::regclass"
    row = connection.execute(
        query.encode() + b" and attnum > 0 and not attisdropped", (f"{schema}.{table}",)
    ).fetchone()
    columns = [name for name in (row[0] if row else []) if name not in without]
    copying = sql.SQL("copy (select {} from {} order by {}) to stdout").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(schema, table),
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns),
    )
    with connection.cursor().copy(copying) as copy:
        return b"".join(bytes(block) for block in copy).decode().splitlines()


def marts(environment: Environment, schema: str) -> Marts:
    """Return all marts of a schema: `publish`, what readers see, or `as_of_marts`, what was rebuilt."""
    with connect(environment) as connection:
        rows = connection.execute("select matviewname::text from pg_matviews where schemaname = 'publish'").fetchall()
        found = {}
        for (name,) in rows:
            where = READ_AS.get(name, ("marts", name)) if schema == "publish" else (schema, name)
            apart = LEFT_OUT | AT_READ.get(name, set()) | ({"business_id"} if name == ROLLUP else set())
            found[name] = lines(connection, *where, *apart)
        return found


def differing(found: Marts, expected: Marts) -> dict[str, Any]:
    """Return what is different, with the first rows of either side."""
    return {
        name: (sorted(set(rows) - set(found[name]))[:3], sorted(set(found[name]) - set(rows))[:3])
        for name, rows in expected.items()
        if found[name] != rows
    }


@pytest.fixture(scope="module")
def published(
    new_database: Callable[[str], Environment], built: Environment, dbt: Dbt, publication: str
) -> tuple[Environment, list[Marts]]:
    """A warehouse with three publications, what each of them showed, and much that came after the last."""
    environment = new_database(built["PGDATABASE"])
    shown = [marts(environment, "publish")]
    with connect(environment) as connection:
        clock = connection.execute("select clock_timestamp()").fetchone()
        assert clock is not None
        runs = land_much(connection, clock[0])
        publish(environment, dbt, publication, now=AS_OF + 26 * HOUR)
        shown.append(marts(environment, "publish"))
        change_much(connection, runs)
        publish(environment, dbt, publication, now=AS_OF + 100 * HOUR, is_noisy=True)
        shown.append(marts(environment, "publish"))
        change_more(connection, runs)
    return environment, shown


def publish(environment: Environment, dbt: Dbt, publication: str, *, now: datetime, is_noisy: bool = False) -> None:
    """Core, statistics, publication, as the DAG does; a noisy one has no statistics and a change meanwhile."""
    dbt(environment, "run", "--select", "staging", "intermediate", "core", now=now.isoformat())
    if not is_noisy:
        run_insights(Settings.from_environment(environment))
    with connect(environment) as connection:
        if is_noisy:
            connection.execute(
                "insert into ops.former_values (relation, known_until)"
                " select 'nobody', known_at + interval '1 millisecond' from core.as_of"
            )
        connection.execute(publication.encode())


def land_much(connection: psycopg.Connection[Any], clock: datetime) -> dict[str, Any]:
    """Between the first publication and the second: late and restated days, a deletion, every verdict, another zone."""
    land_late_arrivals(connection)
    later = AS_OF + 3 * HOUR
    metrics = public_metrics(70, 7, 1, 1, 1, 1)
    runs: dict[str, Any] = {
        "held": land(connection, TWITTER, "posts", {"301": tweet("301", POSTED, "#held", public_metrics=metrics)},
                     at=later, gate="quarantined"),
        "waiting": land(connection, TWITTER, "posts", {"302": tweet("302", POSTED, "#waiting", public_metrics=metrics)},
                        at=later, gate="pending"),
        "believed": land(connection, TWITTER, "posts", {"303": tweet("303", POSTED, "#bad", public_metrics=metrics)},
                         at=later),
        "broken": land(connection, TWITTER, "posts", {"304": tweet("304", POSTED, "#half", public_metrics=metrics)},
                       at=clock),
        "missed": [land(connection, TWITTER, "posts", {}, at=later + n * HOUR) for n in (1, 2)],
    }  # fmt: skip
    connection.execute(
        "update ops.extract_runs set state = 'failed', error_class = 'Refused', error_message = 'a page was refused'"
        " where run_id = %s",
        (runs["broken"],),
    )
    know(connection, TWITTER, "101", *runs["missed"])
    return runs


def change_much(connection: psycopg.Connection[Any], runs: dict[str, Any]) -> None:
    """Between the second and the third: verdicts turn, a run goes on, a post is back, accounts come and go."""
    judge(connection, held="passed", waiting="passed", believed="quarantined", runs=runs)
    take_up_again(connection, runs["broken"], passing=True)
    know(connection, TWITTER, "101")
    know(connection, TWITTER, "103", *runs["missed"])
    connection.execute(
        "update ops.businesses set timezone = 'Pacific/Auckland', name = 'Acme Ltd' where business_id = 1"
    )
    connection.execute("update ops.accounts set is_enabled = false where platform = 'instagram' and business_id = 2")
    connection.execute("insert into ops.businesses (business_id, name, timezone) values (3, 'Gamma', 'UTC')")
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (3, 'twitter', '3', 'none')"
    )
    restated = public_metrics(40, 4, 0, 0, 0, 0)
    land(
        connection,
        TWITTER,
        "posts",
        {"301": tweet("301", POSTED, "#held", public_metrics=restated)},
        at=AS_OF + 9 * HOUR,
    )


def change_more(connection: psycopg.Connection[Any], runs: dict[str, Any]) -> None:
    """After the third, so that the present is none of the three: all of it once more, the other way."""
    judge(connection, held="quarantined", believed="passed", runs=runs)
    take_up_again(connection, runs["waiting"], passing=False)
    know(connection, TWITTER, "103")
    connection.execute("update ops.businesses set timezone = 'UTC'")
    connection.execute("update ops.accounts set is_enabled = not is_enabled where platform = 'instagram'")
    late = public_metrics(5, 1, 0, 0, 0, 0)
    land(
        connection, TWITTER, "posts", {"101": tweet("101", POSTED, "#Last", public_metrics=late)}, at=AS_OF + 200 * HOUR
    )
    countries = f"{FACEBOOK.account_id}:page_follows_country:2026-11-20"
    land(connection, FACEBOOK, "audience", {countries: {"value": {"DE": 9}}}, at=AS_OF - HOUR)
    land(connection, INSTAGRAM, "profile", {f"{INSTAGRAM.account_id}:account:2026-11-18": {"username": "older"}})


def judge(connection: psycopg.Connection[Any], *, runs: dict[str, Any], **verdicts: str) -> None:
    """Another verdict on runs that had one."""
    for name, gate in verdicts.items():
        connection.execute("update ops.extract_runs set gate = %s where run_id = %s", (gate, runs[name]))


def take_up_again(connection: psycopg.Connection[Any], run_id: Any, *, passing: bool) -> None:
    """A run goes on, as the ledger writes it: pending while it runs, more records, and perhaps a new verdict."""
    connection.execute(
        "update ops.extract_runs set state = 'running', gate = 'pending', lease_epoch = lease_epoch + 1,"
        " error_class = null, error_message = null, finished_at = null where run_id = %s",
        (run_id,),
    )
    connection.execute(
        "insert into raw.twitter__posts select run_id, business_id, account_id, record_key || '9', clock_timestamp(),"
        " sha256(payload_hash), payload || jsonb_build_object('id', record_key || '9')"
        " from raw.twitter__posts where run_id = %s",
        (run_id,),
    )
    connection.execute(
        "update ops.extract_runs set listed = listed + 1, stored = stored + 1 where run_id = %s", (run_id,)
    )
    if passing:
        connection.execute(
            "update ops.extract_runs set state = 'complete', finished_at = clock_timestamp() where run_id = %s",
            (run_id,),
        )
        connection.execute("update ops.extract_runs set gate = 'passed' where run_id = %s", (run_id,))


def test_every_publication_is_rebuilt_row_for_row_and_nothing_of_the_present_is_touched(
    published: tuple[Environment, list[Marts]], dbt: Dbt
) -> None:
    environment, shown = published
    assert [len(set(each["post_performance"])) for each in shown] != [len(set(shown[0]["post_performance"]))] * 3
    assert all(differing(shown[n], shown[m]).keys() >= {"post_performance", "reconciliation", "top_posts", "best_hours"}
               for n, m in ((0, 1), (1, 2)))  # fmt: skip
    kept = read(environment, "select * from ops.publications order by publication_id")
    assert [row["changes_meanwhile"] for row in kept] == [0, 0, 1]
    settings = Settings.from_environment(environment)
    live = rows_of(environment, 1, "core", "marts", "staging")
    # By number or by instant; PIPELINE_NOW says what an instant's windows count from, a publication knows that itself.
    first, _, third = (f"publication {row['publication_id']}" for row in kept)
    dbt(environment, "build", "--exclude-resource-type", "unit_test", "test", "--vars", f"{{as_of: '{first}'}}")
    assert not differing(marts(environment, "as_of_marts"), shown[0])
    second = kept[1]["known_at"].isoformat()
    dbt(environment, "run", "--vars", f"{{as_of: '{second}'}}", now=kept[1]["as_of"].isoformat())
    run_insights(settings, second)
    assert not differing(marts(environment, "as_of_marts"), shown[1])
    # The third was published with the statistics of the second.
    assert kept[2]["statistics_known_at"] == kept[1]["known_at"] == kept[1]["statistics_known_at"]
    dbt(environment, "run", "--vars", f"{{as_of: '{third}', keep_statistics: true}}")
    assert not differing(marts(environment, "as_of_marts"), shown[2])
    with pytest.raises(ConfigurationError, match="as_of_core holds what was known at"):
        run_insights(settings, first)

    assert marts(environment, "publish") == shown[2]
    assert rows_of(environment, 1, "core", "marts", "staging") == live
    assert read(environment, "select * from ops.publications order by publication_id") == kept

    # What is erased is in no rebuild either.
    runs = "select 1 from as_of_staging.stg_ops__known_runs where business_id = 1"
    assert read(environment, runs)
    assert rows_of(environment, 1, "as_of_core")["as_of_core.fct_posts"] > 0
    erase(settings, 1)
    assert not read(environment, runs)
    assert rows_of(environment, 1, "as_of_core").keys() <= KEPT
    assert not read(environment, "select * from ops.former_values where business_id = 1")
    assert not read(environment, "select * from ops.former_findings where business_id = 1")


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("2001-01-01 00:00:00+01", "was not kept"),
        ("publication 999999", "was not published"),
        ("2026-11-20T02:00:00", "is no instant with an offset"),
    ],
)
def test_an_instant_that_cannot_be_rebuilt_is_refused(
    published: tuple[Environment, Any], dbt: Dbt, when: str, reason: str
) -> None:
    done = dbt(published[0], "run-operation", "begin_build", "--vars", f"{{as_of: '{when}'}}", ok=False)
    assert reason in done.stdout


def test_what_is_rebuilt_is_not_published(published: tuple[Environment, Any], dbt: Dbt) -> None:
    done = dbt(published[0], "run-operation", "publish", "--vars", "{as_of: 'publication 1'}", ok=False)
    assert "is not published" in done.stdout


TABLES = {
    "businesses": "business_id, name, timezone",
    "accounts": "business_id, platform, account_id, is_enabled",
    "extract_runs": "run_id, state, gate, listed, stored, quarantined, lease_epoch, finished_at, error_class",
    "known_posts": "record_key, missed_at, missed_runs",
    "quarantine": "quarantine_id, last_run_id",
}
#: Runs under way tell nothing, and posts that nothing has missed are all alike.
TOLD = {"extract_runs": "state <> 'running'", "known_posts": "missed_runs <> '{}'"}


def states(connection: psycopg.Connection[Any], instant: datetime | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables of `ops` tell: as they stand, or by their functions as they stood."""
    found = {}
    for table, columns in TABLES.items():
        source = f"ops.{table}_at(%(at)s)" if instant else f"ops.{table}"
        query = f"select {columns} from {source} where {TOLD.get(table, 'true')} order by {columns}"
        found[table] = connection.execute(query.encode(), {"at": instant}).fetchall()
    return found


@contextmanager
def _many(connection: psycopg.Connection[Any], shuffle: random.Random) -> Iterator[None]:
    """Sometimes several changes are one transaction."""
    if shuffle.random() < 0.5:
        with connection.transaction():
            yield
    else:
        yield


def test_the_ledger_gives_back_what_it_said_at_any_instant(connection: psycopg.Connection[Any]) -> None:
    shuffle = random.Random(7)
    connection.execute("insert into ops.businesses (business_id, name, timezone) values (1, 'b', 'UTC')")
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (1, 'twitter', 'a', 'none')"
    )
    connection.execute(
        "with run as (insert into ops.extract_runs (run_id, business_id, platform, account_id, stream, as_of,"
        " window_until, lease_expires_at) values (gen_random_uuid(), 1, 'twitter', 'a', 's', now(), now(), now())"
        " returning run_id) insert into ops.quarantine (run_id, business_id, platform, account_id, stream, reason,"
        " detail, body, observed_at, last_run_id, last_seen_at) select run_id, 1, 'twitter', 'a', 's', 'SetAside', 'd',"
        " '', now(), run_id, now() from run"
    )
    seen: list[tuple[datetime, dict[str, list[tuple[Any, ...]]]]] = []
    for number in range(150):
        with _many(connection, shuffle):
            for _ in range(shuffle.randint(1, 3)):
                _happen(connection, shuffle, number)
        row = connection.execute("select clock_timestamp()").fetchone()
        assert row is not None
        seen.append((row[0], states(connection)))
    assert len({str(state) for _, state in seen}) > 60
    for instant, state in seen:
        assert states(connection, instant) == state


def _happen(connection: psycopg.Connection[Any], shuffle: random.Random, number: int) -> None:
    """One change of the kinds that the extractors, the gate and people make."""
    a_run = "(select run_id from ops.extract_runs order by md5(run_id::text || %(n)s) limit 1)"
    statements = (
        "insert into ops.extract_runs (run_id, business_id, platform, account_id, stream, as_of, window_until,"
        " lease_expires_at, state, finished_at) select gen_random_uuid(), 1, 'twitter', 'a', 's' || %(n)s || random(),"
        " now(), now(), now(), case when %(odd)s then 'running' else 'complete' end,"
        " case when not %(odd)s then clock_timestamp() end",
        "update ops.extract_runs set listed = listed + 1, stored = stored + 1 where state = 'running'",
        "update ops.extract_runs set state = 'complete', finished_at = clock_timestamp()"
        f" where state = 'running' and run_id = {a_run}",
        "update ops.extract_runs set state = 'failed', finished_at = clock_timestamp(), error_class = 'Refused'"
        f" where state = 'running' and run_id = {a_run}",
        "update ops.extract_runs set state = 'running', gate = 'pending', error_class = null, finished_at = null,"
        f" lease_epoch = lease_epoch + 1 where state = 'failed' and run_id = {a_run}",
        "update ops.extract_runs set gate = case gate when 'passed' then 'quarantined' else 'passed' end,"
        f" stored = greatest(stored - 1, 0), quarantined = quarantined + least(stored, 1)"
        f" where state <> 'running' and run_id = {a_run}",
        "insert into ops.known_posts (business_id, platform, account_id, record_key, published_at)"
        " values (1, 'twitter', 'a', %(n)s::text, now()) on conflict do nothing",
        "update ops.known_posts set missed_at = now(), missed_runs = missed_runs || gen_random_uuid()"
        " where record_key::int %% 3 = %(n)s %% 3 and cardinality(missed_runs) < 2",
        "update ops.known_posts set missed_at = null, missed_runs = '{}' where record_key::int %% 2 = %(n)s %% 2",
        # An entry that was not there yet changes nothing in the audit of a run that had none.
        f"update ops.quarantine set last_run_id = {a_run}",
        "update ops.businesses set timezone = case when %(odd)s then 'UTC' else 'Asia/Tokyo' end, updated_at = now()",
        "update ops.accounts set is_enabled = not is_enabled where account_id = 'a'",
        "insert into ops.accounts (business_id, platform, account_id, credential)"
        " values (1, 'twitter', 'a' || %(n)s, 'none') on conflict do nothing",
    )
    values = {"n": number, "odd": shuffle.random() < 0.5}
    connection.execute(shuffle.choice(statements).encode(), values)
