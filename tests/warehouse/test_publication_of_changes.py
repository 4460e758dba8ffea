"""A publication writes the posts that changed and no others; readers see the same as if it had been made whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from extractors.erase import erase
from extractors.settings import Settings
from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import AS_OF, INSTAGRAM, TWITTER, land, public_metrics, tweet
from tests.warehouse.test_deletions_and_edits import know
from tests.warehouse.test_increments import land_late_arrivals
from tests.warehouse.test_publication import actions
from tests.warehouse.test_publication_faults import published, refused, state

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
POSTED = "2026-11-16T08:30:00.000Z"
#: Marts whose rows each rest on one post, and on one period.
OF_POSTS = (
    "post_performance",
    "post_analytics",
    "post_velocity",
    "fivetran_compat__rollup_report",
    "fivetran_compat__differences",
)
OF_PERIODS = ("engagement_trends",)
#: Where every mart is read.
READ_AS = """
select views.viewname::text as candidate, coalesce(shown.schemaname, 'marts')::text as schema,
    coalesce(shown.viewname, views.viewname)::text as name
from pg_views as views
left join (values
    ('fivetran_compat__rollup_report', 'fivetran_compat', 'social_media_reporting__rollup_report'),
    ('fivetran_compat__differences', 'fivetran_compat', 'differences'),
    ('fivetran_compat__reconciliation', 'fivetran_compat', 'reconciliation')
) as shown (candidate, schemaname, viewname) on views.viewname = shown.candidate
where views.schemaname = 'candidate' and views.viewname <> 'mart_measures'
order by 1
"""
#: Worked out at every read, or by the clock of the publication.
MOVING = {"age_hours", "is_stale", "last_published_at", "publish_error"}


def unlike_their_candidates(environment: Environment) -> dict[str, Any]:
    """Marts that readers see otherwise than core says, each with rows that differ; row for row, as bags."""
    found = {}
    for mart in read(environment, READ_AS):
        columns = [
            row["name"]
            for row in read(
                environment,
                "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0",
                f"{mart['schema']}.{mart['name']}",
            )
        ]
        kept = ", ".join(f'"{name}"' for name in columns if name not in MOVING)
        shown, expected = f"{mart['schema']}.{mart['name']}", f"candidate.{mart['candidate']}"
        rows = read(
            environment,
            f"(select 'is shown' as why, {kept} from {shown} except all select 'is shown', {kept} from {expected})"
            f" union all (select 'is missing', {kept} from {expected}"
            f" except all select 'is missing', {kept} from {shown})",
        )
        if rows:
            found[mart["candidate"]] = rows[:3]
    return found


def versions(environment: Environment) -> list[dict[str, Any]]:
    """Which version of every row the materialized views hold."""
    return [
        row
        for mart in OF_POSTS + OF_PERIODS
        for row in read(environment, f"select '{mart}' as mart, xmin::text, ctid::text from publish.{mart} order by 3")
    ]


def kept_whole(environment: Environment, publication: str) -> None:
    """Publish: readers see what the candidates say, and the materialized views of posts are not touched."""
    before = versions(environment)
    published(environment, publication)
    done = actions(environment)
    assert {done[mart] for mart in OF_POSTS + OF_PERIODS} == {"changed"}
    assert versions(environment) == before
    assert unlike_their_candidates(environment) == {}


def folded(environment: Environment, publication: str, *kinds: str) -> None:
    """Publish: the marts of these kinds of parts are refreshed whole, and nothing stands beside them."""
    kinds = kinds or ("posts", "periods")
    folding = {"posts": OF_POSTS, "periods": OF_PERIODS}
    published(environment, publication)
    done = actions(environment)
    assert unlike_their_candidates(environment) == {}
    for kind in kinds:
        assert read(environment, f"select * from publish.changed_{kind}") == []
        for mart in folding[kind]:
            assert done[mart] == "refreshed"
            assert read(environment, f"select * from publish.{mart}__apart") == []


def when_few_are_many(publication: str) -> str:
    """The publication with another opinion of how many changes make a refresh worth while."""
    changed = publication.replace("                1000,", "-1,").replace("select 0.25 *", "select -1 *")
    assert (changed.count("-1,"), changed.count("select -1 *")) == (2, 2)
    return changed


def build_core(environment: Environment, dbt: Dbt, *arguments: str, now: datetime = AS_OF) -> None:
    """Core alone, as the DAG does before it publishes."""
    dbt(environment, "run", "--select", "staging", "intermediate", "core", *arguments, now=now.isoformat())


def change_posts(connection: psycopg.Connection[Any]) -> None:
    """Some posts are other ones, one is new to the marts, one is none of theirs any more, one is gone from core."""
    for statement in (
        "update core.fct_posts set likes = likes + 1000, engagement = engagement + 1000 where post_id = '101'",
        "update core.dim_posts set text = 'said otherwise' where post_id = 'b3'",
        "update core.fct_post_velocity set final_value = final_value + 1 where post_key ="
        " (select min(post_key) from core.fct_post_velocity)",
        "delete from core.fct_posts where post_id = 'b4'",
        "delete from core.fct_post_snapshots where post_key = (select post_key from core.dim_posts"
        " where post_id = '103')",
    ):
        assert connection.execute(statement.encode()).rowcount > 0, statement


def test_posts_that_changed_are_published_and_the_others_left_alone(copy: Environment, publication: str) -> None:
    # In a copy every row of a report names another database.
    kept_whole(copy, publication)
    folded(copy, when_few_are_many(publication))
    kept_whole(copy, publication)
    assert read(copy, "select * from publish.changed_posts") == []
    with connect(copy) as connection:
        change_posts(connection)
    assert unlike_their_candidates(copy).keys() >= {*OF_POSTS}
    kept_whole(copy, publication)
    assert 0 < len(read(copy, "select * from publish.changed_posts")) < 10
    assert read(copy, "select * from ops.changed_parts where kind = 'post'") == []
    # The same posts once more, and back again.
    with connect(copy) as connection:
        connection.execute("update core.fct_posts set likes = likes - 1000, engagement = engagement - 1000"
                           " where post_id = '101'")  # fmt: skip
        connection.execute("update core.dim_posts set text = 'and once more' where post_id in ('b3', '102')")
    kept_whole(copy, publication)
    folded(copy, when_few_are_many(publication))


def test_whatever_arrives_day_after_day_is_published_as_if_made_whole(
    copy: Environment, dbt: Dbt, publication: str
) -> None:
    with connect(copy) as connection:
        land_late_arrivals(connection)
        metrics = public_metrics(70, 7, 1, 1, 1, 1)
        rows = {key: tweet(key, POSTED, f"#{key}", public_metrics=metrics) for key in ("n301", "n302", "n303")}
        believed = land(connection, TWITTER, "posts", rows, at=AS_OF + HOUR)
        missed = [land(connection, TWITTER, "posts", {}, at=AS_OF + n * HOUR) for n in (2, 3)]
        know(connection, TWITTER, "101", *missed)
        build_core(copy, dbt, now=AS_OF + 4 * HOUR)
        kept_whole(copy, publication)

        # Restated, edited and back; an account has another name; a post has become an ad, and is none of the marts'.
        edited = tweet("n401", POSTED, "#edited", public_metrics=public_metrics(9, 1, 0, 0, 0, 0),
                       edit_history_tweet_ids=["n301", "n401"])  # fmt: skip
        restated = tweet("n302", POSTED, "#n302", public_metrics=public_metrics(40, 4, 0, 0, 0, 0))
        land(connection, TWITTER, "posts", {"n401": edited, "n302": restated}, at=AS_OF + 5 * HOUR)
        know(connection, TWITTER, "101")
        names = {f"{INSTAGRAM.account_id}:account:2026-11-23": {"username": "renamed", "name": "Renamed"}}
        land(connection, INSTAGRAM, "profile", names, at=AS_OF + 30 * HOUR)
        build_core(copy, dbt, now=AS_OF + 31 * HOUR)
        kept_whole(copy, publication)
        assert read(copy, "select 1 as one from marts.post_performance where post_id = 'n401'")
        assert not read(copy, "select 1 as one from marts.post_performance where post_id = 'n301'")

        # Nothing arrives, but young posts have come of age; then the clock is set back.
        before = read(copy, "select count(*) as n from marts.post_velocity where censored_because like 'younger%%'")
        build_core(copy, dbt, now=AS_OF + 300 * HOUR)
        kept_whole(copy, publication)
        assert before[0]["n"] > 0
        assert read(copy, "select 1 from marts.post_velocity where censored_because like 'younger%%'") == []
        build_core(copy, dbt, now=AS_OF + HOUR)
        kept_whole(copy, publication)

        # Another zone moves every post of a business; a verdict turns, and core is made anew.
        connection.execute("update ops.businesses set timezone = 'Pacific/Auckland' where business_id = 2")
        connection.execute("update ops.extract_runs set gate = 'quarantined' where run_id = %s", (believed,))
    build_core(copy, dbt)
    kept_whole(copy, publication)
    assert not read(copy, "select 1 as one from marts.post_performance where post_id = 'n303'")


def test_a_refused_publication_leaves_what_stands_beside_the_marts_as_it_was(
    copy: Environment, publication: str
) -> None:
    with connect(copy) as connection:
        change_posts(connection)
    kept_whole(copy, publication)
    beside = (
        "publish.changed_posts",
        "publish.changed_periods",
        "ops.changed_parts",
        *(f"publish.{mart}__apart" for mart in OF_POSTS + OF_PERIODS),
    )
    with connect(copy) as connection:
        connection.execute("update core.dim_posts set text = 'never shown' where post_id = '102'")
    before = state(copy)
    standing = {name: read(copy, f"select each::text as row from {name} as each order by 1") for name in beside}
    # It fails when every mart has been written.
    broken = publication.replace("delete from publish.apart;", "perform 1 / 0; delete from publish.apart;")
    assert broken != publication
    refused(copy, broken)
    assert state(copy) == before
    assert {name: read(copy, f"select each::text as row from {name} as each order by 1") for name in beside} == standing
    kept_whole(copy, publication)


def test_a_change_that_was_not_committed_yet_is_in_the_next_publication(copy: Environment, publication: str) -> None:
    with connect(copy) as slow:
        slow.autocommit = False
        slow.execute("update core.dim_posts set text = 'late' where post_id = '102'")
        with connect(copy) as connection:
            # The same post, so that what is noted of it is noted twice.
            connection.execute("update core.fct_posts set likes = 5 where post_id = '102'")
        kept_whole(copy, publication)
        slow.commit()
    assert unlike_their_candidates(copy)
    kept_whole(copy, publication)


def test_businesses_published_apart_and_posts_that_changed_go_together(
    copy: Environment, dbt: Dbt, publication: str
) -> None:
    with connect(copy) as connection:
        change_posts(connection)
    kept_whole(copy, publication)
    with connect(copy) as connection:
        connection.execute("update core.dim_posts set text = 'apart' where business_id in (1, 2)")
    before = read(copy, "select * from marts.post_performance where business_id = 1 order by post_id, platform")
    dbt(copy, "run-operation", "publish", "--vars", "businesses: [2]")
    assert read(copy, "select distinct text from marts.post_performance where business_id = 2") == [{"text": "apart"}]
    assert read(copy, "select * from marts.post_performance where business_id = 1 order by post_id, platform") == before
    folded(copy, publication)


def test_what_was_erased_does_not_stay_behind_below_what_is_read(copy: Environment, publication: str) -> None:
    erase(Settings.from_environment(copy), 1, "twitter", "102")
    folded(copy, publication)
    for mart in ("post_performance", "post_analytics", "post_velocity"):
        assert read(copy, f"select 1 from publish.{mart} where post_id = '102'") == []


def test_a_changed_post_with_the_key_of_another_publishes_nothing(copy: Environment, publication: str) -> None:
    before = state(copy)
    with connect(copy) as connection:
        connection.execute("update core.fct_posts set post_id = '101' where post_id = '102'")
    assert "two rows of one key" in refused(copy, publication)
    assert state(copy) == before


def test_marts_are_made_whole_when_a_table_below_was_written_without_being_watched(
    copy: Environment, dbt: Dbt, publication: str
) -> None:
    with connect(copy) as connection:
        for name in ("inserted", "deleted", "updated", "updated_from", "truncated"):
            connection.execute(f"drop trigger note_{name} on core.dim_posts".encode())
        connection.execute("update core.dim_posts set text = 'unwatched' where post_id = '102'")
        build_core(copy, dbt)
    folded(copy, publication, "posts")
    with connect(copy) as connection:
        connection.execute("truncate core.fct_post_velocity")
    folded(copy, publication, "posts")


AUDIT = ("test", "--exclude-resource-type", "unit_test", "--select")
FAULTS = {
    "what changed": "update core.fct_posts set platform = 'myspace' where post_id = '102'",
    "what was published before": "insert into publish.post_performance__apart select * from publish.post_performance",
    "a key that another row has": "update core.fct_posts set post_id = '101' where post_id = '102'",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_audit_of_what_changed_finds_what_an_audit_of_all_finds(
    copy: Environment, dbt: Dbt, publication: str, fault: str
) -> None:
    kept_whole(copy, publication)
    folded(copy, when_few_are_many(publication))
    marts = ("post_performance", "post_velocity", "engagement_trends", "fivetran_compat__differences")
    dbt(copy, *AUDIT, *marts)
    with connect(copy) as connection:
        connection.execute(FAULTS[fault].encode())
    assert "is_sound_post_performance" in dbt(copy, *AUDIT, *marts, ok=False).stdout
