"""What records are compared with: each record's last version, in a table of its own beside raw (docs/adr/0040).

`last_versions.<stream>` holds of each record its newest row in raw, those of quarantined runs apart. The loader keeps
it in the transaction that stores a page; whatever else happens to raw or to a judgement settles it by triggers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from psycopg import sql

from extractors.binary import RawRows

# What follows a version comes after it, also where clocks disagree; told as the very bytes that its row will hold.
FOUND = """
select
    version.record_key, version.payload_hash,
    timestamptz_send(greatest(%(observed_at)s, version.observed_at + interval '1 microsecond'))
"""
# Sorted keys: one walk along the index finds them all.
LAST = """
from {last} as version
where version.business_id = %(business_id)s and version.account_id = %(account_id)s
    and version.record_key = any(%(keys)s)
"""
# Only of an account that has former ids: it has as many last versions, and the newest comes last.
LAST_OF_ITS_IDS = """
from {last} as version
where version.business_id = %(business_id)s and version.account_id = any(%(account_ids)s)
    and version.record_key = any(%(keys)s)
order by version.observed_at
"""
# What a late page's records were when it came. Rows of quarantined runs are no version.
LAST_OF_THEN = """
from unnest(%(keys)s) as landing (record_key)
cross join lateral (
    select version.record_key, version.payload_hash, version.observed_at
    from {raw} as version
    where version.business_id = %(business_id)s and version.account_id = %(account_id)s
        and version.record_key = landing.record_key and version.observed_at <= %(observed_at)s
        and not exists (
            select from ops.extract_runs as run where run.run_id = version.run_id and run.gate = 'quarantined'
        )
    order by version.observed_at desc
    limit 1
) as version
"""

COPY = "copy {raw} ({columns}) from stdin (format binary)"

NOTE_NEW = """
insert into {last} (business_id, account_id, record_key, observed_at, payload_hash)
select %(business_id)s, %(account_id)s, landed.record_key, %(observed_at)s, landed.payload_hash
from unnest(%(keys)s, %(hashes)s) as landed (record_key, payload_hash)
"""
# An insert that is ready for a conflict costs more than one that is not, and for a record without any there is none.
NOTE_NEWER = """
insert into {last} as known (business_id, account_id, record_key, observed_at, payload_hash)
select %(business_id)s, %(account_id)s, landed.record_key, landed.observed_at, landed.payload_hash
from unnest(%(keys)s, %(instants)s, %(hashes)s) as landed (record_key, observed_at, payload_hash)
on conflict (business_id, account_id, record_key) do update set
    observed_at = excluded.observed_at, payload_hash = excluded.payload_hash
where excluded.observed_at > known.observed_at
"""


@dataclass(frozen=True, slots=True)
class Statements:
    """What a page is stored by, in this order."""

    last: bytes
    copy: bytes
    note_new: bytes
    note_newer: bytes


@cache
def statements(stream: str, *, has_formers: bool, late: bool) -> Statements:
    """Return the statements of a stream that look for last versions, store what changed and note it.

    `has_formers`: the account had other ids before; `late`: the page is one of then, behind what came since. Then a
    record of which nothing was found may have a last version all the same.
    """
    names = {"raw": sql.Identifier("raw", stream), "last": sql.Identifier("last_versions", stream)}
    last = LAST_OF_THEN if late else LAST_OF_ITS_IDS if has_formers else LAST
    note_new = NOTE_NEWER if late or has_formers else NOTE_NEW
    return Statements(
        last=sql.SQL(FOUND + last).format(**names).as_bytes(),
        copy=sql.SQL(COPY).format(columns=sql.SQL(RawRows.COLUMNS), **names).as_bytes(),
        note_new=sql.SQL(note_new).format(**names).as_bytes(),
        note_newer=sql.SQL(NOTE_NEWER).format(**names).as_bytes(),
    )
