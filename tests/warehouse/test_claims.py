"""Which runs a table of core takes in: all that passed, whenever their transaction ended, and each of them once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.warehouse.conftest import Dbt, Environment, connect, read
from tests.warehouse.landing import TWITTER, land, public_metrics, tweet

pytestmark = pytest.mark.slow

POSTED = "2026-11-19T08:30:00.000Z"
#: A table that takes in runs, and one that follows it and another.
SOME_OF_CORE = ("run", "--select", "dim_posts", "fct_post_snapshots", "fct_post_daily")
PASS = b"update ops.extract_runs set gate = 'passed' where run_id = %s"


def posted(key: str) -> dict[str, Mapping[str, Any]]:
    return {key: tweet(key, POSTED, public_metrics=public_metrics(1, 1, 1, 1, 1, 1))}


def taken_in(environment: Environment, run_id: object) -> set[str]:
    rows = read(environment, "select table_name from core.loaded_runs where run_id = %s", run_id)
    return {row["table_name"] for row in rows} & set(SOME_OF_CORE)


def test_a_run_that_passed_in_a_long_transaction_is_taken_in_when_it_ends(copy: Environment, dbt: Dbt) -> None:
    with connect(copy) as connection, connect(copy) as slow:
        waiting = land(connection, TWITTER, "posts", posted("c-slow"), gate="pending")
        # Our own sessions may not sit in a transaction for so long; others may.
        slow.execute("set idle_in_transaction_session_timeout = 0")
        slow.autocommit = False
        slow.execute(PASS, (waiting,))
        # Begun later and ended sooner: what a mark by the newest run would leave behind.
        soon = land(connection, TWITTER, "posts", posted("c-soon"))
        dbt(copy, *SOME_OF_CORE)
        assert taken_in(copy, soon) == set(SOME_OF_CORE[2:])
        assert taken_in(copy, waiting) == set()
        slow.commit()
    dbt(copy, *SOME_OF_CORE)
    assert taken_in(copy, waiting) == set(SOME_OF_CORE[2:])
    shown = {row["post_id"] for row in read(copy, "select post_id from core.dim_posts where post_id like 'c-%'")}
    assert shown == {"c-slow", "c-soon"}


def test_a_run_that_a_table_below_has_not_is_left_and_taken_in_later(copy: Environment, dbt: Dbt) -> None:
    with connect(copy) as connection:
        run_id = land(connection, TWITTER, "posts", posted("c-left"))
        dbt(copy, "run", "--select", "fct_post_daily")
        assert taken_in(copy, run_id) == set()
        later = land(connection, TWITTER, "posts", posted("c-later"))
    dbt(copy, *SOME_OF_CORE)
    assert taken_in(copy, run_id) == taken_in(copy, later) == set(SOME_OF_CORE[2:])


def test_a_mark_of_another_cluster_hides_no_run(copy: Environment, dbt: Dbt) -> None:
    with connect(copy) as connection:
        connection.execute("update core.claimed_until set cluster = 'restored from', claimed_until = '999999999999'")
        run_id = land(connection, TWITTER, "posts", posted("c-restored"))
    dbt(copy, *SOME_OF_CORE)
    assert taken_in(copy, run_id) == set(SOME_OF_CORE[2:])
    marks = read(copy, "select distinct cluster from core.claimed_until where table_name = any(%s)", [*SOME_OF_CORE])
    assert "restored from" not in {row["cluster"] for row in marks}
