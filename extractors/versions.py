"""What records are compared with: each record's last version, in a table of its own beside raw (docs/adr/0040).

`last_versions.<stream>` holds of each record its newest row in raw, those of quarantined runs apart. A page keeps it by
the statement that stores its records; whatever else happens to raw or to a judgement settles it by triggers.
"""

from __future__ import annotations

from functools import cache

from psycopg import sql

INSERT_CHANGED = sql.SQL(
    """
with changed as materialized (
    select
        landing.record_key, landing.payload_hash, landing.payload::jsonb as payload,
        greatest(%(observed_at)s, last_version.observed_at + interval '1 microsecond') as observed_at,
        last_version.payload_hash is null as is_new
    from unnest(%(keys)s, %(payloads)s, %(hashes)s) as landing (record_key, payload, payload_hash)
    left join lateral (
        select version.payload_hash, version.observed_at
        from {versions}
        limit 1
    ) as last_version on true
    where last_version.payload_hash is distinct from landing.payload_hash
),

{kept}

insert into {table} (run_id, business_id, account_id, record_key, observed_at, payload_hash, payload)
select %(run_id)s, %(business_id)s, %(account_id)s, record_key, observed_at, payload_hash, payload
from changed
"""
)

LAST = """{last} as version
        where version.business_id = %(business_id)s and version.account_id = %(account_id)s
            and version.record_key = landing.record_key"""
# Only of an account that has former ids: it has as many last versions.
LAST_OF_ITS_IDS = """{last} as version
        where version.business_id = %(business_id)s and version.account_id = any(%(account_ids)s)
            and version.record_key = landing.record_key
        order by version.observed_at desc"""
# What a late page's records were when it came. Rows of quarantined runs are no version.
LAST_OF_THEN = """{table} as version
        where version.business_id = %(business_id)s and version.account_id = %(account_id)s
            and version.record_key = landing.record_key and version.observed_at <= %(observed_at)s
            and not exists (
                select from ops.extract_runs as run where run.run_id = version.run_id and run.gate = 'quarantined'
            )
        order by version.observed_at desc"""

# An insert that is ready for a conflict costs more than one that is not, and for a new record there is none.
NEW = """fresh as (
    insert into {last} (business_id, account_id, record_key, observed_at, payload_hash)
    select %(business_id)s, %(account_id)s, record_key, observed_at, payload_hash
    from changed
    where is_new
),
"""
NEWER = """newer as (
    insert into {last} as known (business_id, account_id, record_key, observed_at, payload_hash)
    select %(business_id)s, %(account_id)s, record_key, observed_at, payload_hash
    from changed
    where {which}
    on conflict (business_id, account_id, record_key) do update set
        observed_at = excluded.observed_at, payload_hash = excluded.payload_hash
    where excluded.observed_at > known.observed_at
)"""


@cache
def insert_changed(stream: str, *, has_formers: bool, late: bool) -> bytes:
    """Return the statement that stores the changed records of a slice and notes them as last versions.

    `has_formers`: the account had other ids before; `late`: the page is one of then, behind what came since.
    """
    names = {"table": sql.Identifier("raw", stream), "last": sql.Identifier("last_versions", stream)}
    if late or has_formers:
        before, kept = LAST_OF_THEN if late else LAST_OF_ITS_IDS, NEWER.replace("{which}", "true")
    else:
        before, kept = LAST, NEW + NEWER.replace("{which}", "not is_new")
    parts = {"versions": sql.SQL(before).format(**names), "kept": sql.SQL(kept).format(**names)}
    return INSERT_CHANGED.format(table=names["table"], **parts).as_bytes()
