"""Which fields the platforms send: learned from the rows of runs, so that what is new, of another type or gone shows.

A field's path is written like `public_metrics.like_count`, list elements as `[]`, those of a list of metrics by the
metric's name, a record of a stream with several lists under the list's name. Values are never kept.
docs/adr/0019-learned-fields.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from extractors.spec import Stream

Connection = psycopg.Connection[Any]

# A key that is no name, such as an id or a place, stands for data: it is written `*`.
NAME = "^[$A-Za-z_][$A-Za-z0-9_]{0,62}$"
DEEPEST = 12
SEPARATOR = "\x1f"

# Keys are put together as they come and judged once per path, not once per record; \x1f cannot stand in a name.
LEARN = sql.SQL(
    """
with recursive landed as materialized (
    select row_number() over () as number, payload_hash, record_key, payload
    from {table}
    where run_id = %(run_id)s and business_id = %(business_id)s and account_id = %(account_id)s
),

walked as (
    select
        number,
        case when split_part(record_key, ':', 2) = any (%(lists)s) then split_part(record_key, ':', 2) else '' end
            as path,
        payload as value, 'object' as json_type, 0 as depth
    from landed
    union all
    select
        walked.number, walked.path || member.name, member.value, jsonb_typeof(member.value), walked.depth + 1
    from walked
    cross join lateral (
        select E'\\x1f' || each.key as name, each.value
        from jsonb_each(case when walked.json_type = 'object' then walked.value else '{{}}' end) as each
        union all
        select
            case when walked.path = any (%(named)s) then E'\\x1f[' || coalesce(each.value ->> 'name', '') || ']'
                else E'\\x1f[]' end,
            each.value
        from jsonb_array_elements(case when walked.json_type = 'array' then walked.value else '[]' end) as each
    ) as member
    where walked.json_type in ('object', 'array') and walked.depth < %(deepest)s
),

grouped as (
    select path as raw_path, json_type, count(*) as occurrences, min(number) as number
    from walked
    where depth > 0
    group by path, json_type
),

spelled as (
    select grouped.*, parts.path
    from grouped
    cross join lateral (
        select
            string_agg(
                case
                    when part.key = '[]' then '[]'
                    when part.key ~ '^[[].*]$' and btrim(part.key, '[]') ~ %(name)s then part.key
                    when regexp_replace(
                        array_to_string(keys.all[2:part.place - 1], E'\\x1f'), '[[][^]]*[]]', '[]', 'g'
                    ) = any (%(maps)s) then '.*'
                    when part.key ~ %(name)s then '.' || part.key
                    else '.*'
                end, '' order by part.place
            ) as path
        from (select string_to_array(grouped.raw_path, E'\\x1f') as all) as keys
        cross join unnest(keys.all) with ordinality as part (key, place)
        where part.key <> ''
    ) as parts
),

found as (
    select ltrim(spelled.path, '.') as path, json_type, sum(occurrences) as occurrences, min(number) as number
    from spelled
    where json_type <> 'null'
    group by 1, json_type
),

seeding as (
    select
        not exists (select from ops.schema_paths where stream = %(stream)s)
        or not exists (
            select from ops.extract_runs as earlier
            where earlier.business_id = %(business_id)s and earlier.platform = %(platform)s
                and earlier.account_id = %(account_id)s and earlier.stream = %(stream)s
                and earlier.state = 'complete' and earlier.gate = 'passed' and earlier.run_id <> %(run_id)s
        ) as is_first
)

insert into ops.schema_paths as known
    (stream, path, json_type, drift, occurrences, example_hash, first_seen_at, last_seen_at)
select
    %(stream)s, found.path, found.json_type,
    case
        when seeding.is_first then null
        when exists (select from ops.schema_paths as same where same.stream = %(stream)s and same.path = found.path)
            then 'new type'
        else 'new field'
    end,
    found.occurrences, landed.payload_hash, clock_timestamp(), clock_timestamp()
from found
inner join landed using (number)
cross join seeding
where %(passed)s or not seeding.is_first
-- One order for all gates keeps them out of deadlocks.
order by found.path, found.json_type
on conflict (stream, path, json_type) do update set
    occurrences = known.occurrences + excluded.occurrences, last_seen_at = excluded.last_seen_at
where known.drift is not null or known.last_seen_at < excluded.last_seen_at - interval '6 hours'
"""
)

DRIFT = """
with drifted as (
    select
        stream, path, json_type, drift, first_seen_at, last_seen_at, occurrences,
        encode(example_hash, 'hex') as example
    from ops.schema_drift as found
    -- A new object is one line, not one for each of its members.
    where drift = 'new type' or not exists (
        select from ops.schema_drift as above
        where above.stream = found.stream and above.drift = 'new field'
            and (starts_with(found.path, above.path || '.') or starts_with(found.path, above.path || '['))
    )
),

-- A metric that records of the stream had, while newer ones do not.
gone as (
    select stream, path, json_type, 'gone', first_seen_at, last_seen_at, occurrences, encode(example_hash, 'hex')
    from (
        select *, max(last_seen_at) over (partition by stream) as newest_at
        from ops.schema_paths
    ) as paths
    where json_type = 'number' and last_seen_at < newest_at - interval '3 days'
)

select * from (select * from drifted union all select * from gone) as lines
where %(platforms)s::text[] is null or split_part(stream, '__', 1) = any (%(platforms)s)
order by stream, path, json_type
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One field that is `new field`, `new type` (a known one) or `gone`; `example` is a payload_hash in raw, as hex."""

    stream: str
    path: str
    json_type: str
    drift: str
    first_seen_at: datetime
    last_seen_at: datetime
    occurrences: int
    example: str

    def as_dict(self) -> dict[str, Any]:
        """Return the field as plain data."""
        names = ("stream", "path", "json_type", "drift", "occurrences", "example")
        facts: dict[str, Any] = {name: getattr(self, name) for name in names}
        return facts | {"first_seen_at": self.first_seen_at.isoformat(), "last_seen_at": self.last_seen_at.isoformat()}

    def __str__(self) -> str:
        seen = f"{self.first_seen_at:%Y-%m-%d %H:%M} to {self.last_seen_at:%Y-%m-%d %H:%M}"
        where = f"{self.stream}  {self.path}  {self.drift}: {self.json_type}"
        return f"{where}  {seen}  {self.occurrences} times, such as in payload_hash {self.example[:12]}…"


def learn(
    connection: Connection,
    stream: Stream,
    run_id: str,
    *,
    business_id: int,
    account_id: str,
    passed: bool,
    maps: Collection[tuple[str, ...]] = (),
    named: Collection[tuple[str, ...]] = (),
    lists: Collection[str] = (),
) -> None:
    """Take note of every field in a run's rows, in one statement over those rows alone.

    `maps`: objects whose keys are data (`value` of followers by country); `named`: lists of metrics with a `name`, both
    as keys from the top, `[]` for an element; `lists`: names in the middle of a record key under which its fields
    stand. An account's runs up to its first complete one that passed only teach what is normal; what others find
    besides is drift. What did not pass teaches nothing.
    """
    values = {
        "stream": stream.full_name,
        "platform": stream.platform,
        "run_id": run_id,
        "business_id": business_id,
        "account_id": account_id,
        "passed": passed,
        "maps": [SEPARATOR.join(keys) for keys in maps],
        "named": [SEPARATOR.join(("", *keys)) for keys in named],
        "lists": list(lists),
        "name": NAME,
        "deepest": DEEPEST,
    }
    connection.execute(LEARN.format(table=sql.Identifier("raw", stream.full_name)), values)


def drifted(connection: Connection, platforms: Sequence[str] | None = None) -> list[Drift]:
    """Return what is new, of another type, or gone since three days while its stream still brings records."""
    with connection.cursor(row_factory=class_row(Drift)) as cursor:
        return cursor.execute(DRIFT, {"platforms": list(platforms) if platforms else None}).fetchall()
