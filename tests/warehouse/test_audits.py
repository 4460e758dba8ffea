"""One pass over a mart finds what each of its column tests found."""

from __future__ import annotations

import pytest

from tests.warehouse.conftest import Dbt, Environment, connect

pytestmark = pytest.mark.slow

AUDIT = ("test", "--select", "engagement_overview", "--exclude-resource-type", "unit_test")
CANDIDATE = "candidate.engagement_overview"
ANEW = f"create or replace view {CANDIDATE} as "
BROKEN = {
    "a note is NULL": "delete from core.metric_definitions where canonical_metric = 'impressions'",
    "a platform that nobody knows": "update core.dim_accounts set platform = 'myspace' where platform = 'twitter'",
    "a row comes twice": ANEW + "({definition}) union all ({definition})",
    "a key is NULL": ANEW + "select {columns} from ({definition}) as each",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_an_audit_refuses_a_mart(copy: Environment, dbt: Dbt, fault: str) -> None:
    with connect(copy) as connection:
        row = connection.execute(
            "select rtrim(pg_get_viewdef(attrelid), ';'), string_agg(case attname when 'window_days'"
            " then 'null::integer as window_days' else attname::text end, ', ' order by attnum)"
            " from pg_attribute where attrelid = %s::regclass and attnum > 0 group by attrelid",
            (CANDIDATE,),
        ).fetchone()
        assert row is not None
        connection.execute(BROKEN[fault].format(definition=row[0], columns=row[1]).encode())
    refused = dbt(copy, *AUDIT, ok=False).stdout
    assert "is_sound_engagement_overview" in refused


def test_the_audit_passes_a_sound_mart(copy: Environment, dbt: Dbt) -> None:
    dbt(copy, *AUDIT)
