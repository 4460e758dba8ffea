"""A large synthetic warehouse, made set-based in SQL: four platforms, posts of two years, read at growing ages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

ANCHOR = datetime(2026, 11, 21, 2, tzinfo=UTC)
DAYS = 730
POSTS_PER_BUSINESS = 5_000
#: Young posts are read often, old ones seldom: ten readings in the first four weeks.
AGES = "1 hour, 3 hours, 6 hours, 12 hours, 1 day, 2 days, 4 days, 8 days, 16 days, 28 days"
READINGS = len(AGES.split(","))

TABLES = """
create schema bench;
-- `part` says where in its two years a post lies: scattered, and the same every time.
create function bench.published_at(number bigint) returns timestamptz language sql immutable as $$
    select timestamptz '{anchor}' - ((number * 2654435761) % 4294967296) / 4294967296.0 * interval '{days} days'
$$;
create function bench.run_id(business_id bigint, stream text, day date) returns uuid language sql immutable as $$
    select md5(concat_ws('|', business_id, stream, day))::uuid
$$;
-- What the posts of a business are seen by grows and comes to rest.
create function bench.shown(number bigint, age interval) returns bigint language sql immutable as $$
    select (200 + number % 9973) * (1 - exp(-extract(epoch from age) / 172800.0))::numeric * 10
$$;
create table bench.posts as
select
    number,
    1 + number % {businesses} as business_id,
    (array['linkedin', 'twitter', 'facebook', 'instagram'])[1 + number / {businesses} % 4] as platform,
    bench.published_at(number) as published_at
from generate_series(1, {posts}::bigint) as numbers (number);
create index on bench.posts (published_at);
insert into ops.businesses
select number, 'Business ' || number, (array['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + number % 3]
from generate_series(1, {businesses}) as numbers (number);
insert into ops.accounts (business_id, platform, account_id, credential)
select business_id, platform, 'a' || business_id, 'none'
from ops.businesses, unnest(array['linkedin', 'twitter', 'facebook', 'instagram']) as platforms (platform);
"""

RUNS = """
insert into ops.extract_runs (
    run_id, business_id, platform, account_id, stream, state, gate, as_of, window_until, lease_expires_at,
    started_at, finished_at
)
select
    bench.run_id(business_id, stream, day::date), business_id, split_part(stream, '__', 1), 'a' || business_id, stream,
    'complete', 'passed', day, day, day, day, day
from ops.businesses
cross join unnest(array[
    'linkedin__posts', 'linkedin__post_metrics', 'linkedin__profile', 'twitter__posts', 'twitter__profile',
    'facebook__posts', 'facebook__profile', 'instagram__posts', 'instagram__profile'
]) as streams (stream)
cross join generate_series(%(since)s::timestamptz, %(until)s::timestamptz, interval '1 day') as days (day)
where business_id <= %(businesses)s
"""

# What the ledger says of runs: everything listed was new. Reconciliation compares it with what came to the marts.
COUNTED = """
update ops.extract_runs as runs
set listed = counted.records, stored = counted.records
from (
    select run_id, count(*) as records from raw.{stream}
    where observed_at >= %(since)s - interval '1 day' group by run_id
) as counted
where runs.run_id = counted.run_id and runs.started_at >= %(since)s
"""

# As many rows as `readings` has; sorted by time, as they would have come.
ROWS = """
insert into raw.{stream}
select
    bench.run_id(business_id, '{stream}', (observed_at at time zone 'UTC')::date),
    business_id,
    'a' || business_id,
    {key},
    observed_at,
    sha256(convert_to(concat_ws(':', number, observed_at), 'UTF8')),
    {payload}
from (
    select *, bench.shown(number, observed_at - published_at) as shown
    from ({readings}) as chosen
    where platform = '{platform}'
    order by observed_at
) as readings
"""
ALL_READINGS = f"""
select posts.*, posts.published_at + age.age as observed_at
from bench.posts cross join (select unnest(string_to_array('{AGES}', ', ')::interval[])) as age (age)
where posts.published_at + age.age < timestamptz '{ANCHOR.isoformat()}'
"""
FIRST_READINGS = f"""
select posts.*, posts.published_at + interval '1 hour' as observed_at from bench.posts
where posts.published_at + interval '1 hour' < timestamptz '{ANCHOR.isoformat()}'
"""

TEXT = (
    "'Post ' || number || ': ' || repeat('what we learned this week ', 6) || '#data #team' || number % 50"
    " || case when number % 7 = 0 then ' #Launch' else '' end"
)
STAMP = "to_char(published_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"+0000\"')"
METRIC = (
    "jsonb_build_object('name', '{}', 'period', 'lifetime', 'values',"
    " jsonb_build_array(jsonb_build_object('value', {})))"
)


def _insights(**values: str) -> str:
    listed = ", ".join(METRIC.format(name, value) for name, value in values.items())
    return f"jsonb_build_object('data', jsonb_build_array({listed}))"


#: Stream, the SQL of its record key and of its payload.
PAYLOADS = {
    "linkedin__posts": (
        "'urn:li:share:' || number",
        "jsonb_build_object('author', 'urn:li:organization:1', 'lifecycleState', 'PUBLISHED', 'publishedAt',"
        " (extract(epoch from published_at) * 1000)::bigint, 'createdAt',"
        " (extract(epoch from published_at) * 1000)::bigint, 'distribution',"
        f" jsonb_build_object('feedDistribution', 'MAIN_FEED'), 'commentary', {TEXT})",
    ),
    "linkedin__post_metrics": (
        "'urn:li:share:' || number",
        "jsonb_build_object('totalShareStatistics', jsonb_build_object('impressionCount', shown,"
        " 'uniqueImpressionsCount', shown * 7 / 10, 'clickCount', shown / 50, 'likeCount', shown / 30, 'commentCount',"
        " shown / 200, 'shareCount', shown / 300))",
    ),
    "twitter__posts": (
        "number::text",
        "jsonb_build_object('id', number::text, 'edit_history_tweet_ids', jsonb_build_array(number::text), 'text',"
        f" {TEXT}, 'created_at', {STAMP}, 'public_metrics', jsonb_build_object('impression_count', shown, 'like_count',"
        " shown / 30, 'reply_count', shown / 200, 'retweet_count', shown / 300, 'quote_count', 0, 'bookmark_count',"
        " shown / 400), 'includes', jsonb_build_object('users', jsonb_build_array(jsonb_build_object('username',"
        " 'b' || business_id))))",
    ),
    "facebook__posts": (
        "business_id || '_' || number",
        f"jsonb_build_object('created_time', {STAMP}, 'message', {TEXT}, 'is_published', true, 'shares',"
        " jsonb_build_object('count', shown / 300), 'reactions', jsonb_build_object('summary',"
        " jsonb_build_object('total_count', shown / 30)), 'comments', jsonb_build_object('summary',"
        " jsonb_build_object('total_count', shown / 200)), 'insights', "
        + _insights(post_media_view="shown", post_total_media_view_unique="shown * 7 / 10", post_clicks="shown / 50")
        + ")",
    ),
    "instagram__posts": (
        "'17' || number",
        f"jsonb_build_object('timestamp', {STAMP}, 'caption', {TEXT}, 'media_type', 'IMAGE', 'media_product_type',"
        " 'FEED', 'like_count', shown / 30, 'comments_count', shown / 200, 'insights', "
        + _insights(views="shown", reach="shown * 7 / 10", saved="shown / 400", shares="shown / 300")
        + ")",
    ),
}
PROFILES = """
insert into raw.{platform}__profile
select
    bench.run_id(business_id, '{platform}__profile', day::date), business_id, 'a' || business_id,
    concat_ws(':', 'a' || business_id, '{what}', to_char(day, 'YYYY-MM-DD')), day,
    sha256(convert_to(concat(business_id, day), 'UTF8')),
    {payload}
from ops.businesses
cross join generate_series(%(since)s::timestamptz, %(until)s::timestamptz, interval '1 day') as days (day)
where business_id <= %(businesses)s
order by day
"""
FOLLOWERS = "5000 + business_id * 13 %% 7000 + (day::date - date '2024-01-01')"
PROFILE_PAYLOADS = {
    "linkedin": ("network_size", f"jsonb_build_object('firstDegreeSize', {FOLLOWERS})"),
    "twitter": (
        "user",
        f"jsonb_build_object('username', 'b', 'public_metrics', jsonb_build_object('followers_count', {FOLLOWERS}))",
    ),
    "facebook": ("page", f"jsonb_build_object('name', 'b', 'followers_count', {FOLLOWERS})"),
    "instagram": ("account", f"jsonb_build_object('username', 'b', 'followers_count', {FOLLOWERS})"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What one more day brings: new readings of known posts, the youngest first, and new posts."""

    number: int
    readings: int
    new_posts: int
    businesses: int

    @property
    def at(self) -> datetime:
        """When its runs began."""
        return ANCHOR + timedelta(days=self.number)


def businesses_of(posts: int) -> int:
    """How many businesses share so many posts."""
    return max(posts // POSTS_PER_BUSINESS, 1)


def fill(connection: psycopg.Connection, posts: int) -> None:
    """Make the businesses, the ledger and the raw rows up to ANCHOR."""
    count = businesses_of(posts)
    values = {"anchor": ANCHOR.isoformat(), "days": DAYS, "businesses": count, "posts": posts}
    connection.execute(TABLES.format(**values).encode())
    span = {"since": ANCHOR - timedelta(days=DAYS), "until": ANCHOR - timedelta(days=1), "businesses": count}
    # A reading in the last hours before ANCHOR belongs to the day after.
    connection.execute(RUNS.encode(), span | {"until": ANCHOR})
    for statement in _rows(ALL_READINGS, FIRST_READINGS):
        connection.execute(statement.encode())
    _profiles(connection, span)
    _count(connection, span)
    connection.execute("vacuum analyze")


def add_day(connection: psycopg.Connection, day: Day) -> None:
    """Land what one day brings, and let its runs pass."""
    span = {"since": day.at, "until": day.at, "businesses": day.businesses}
    connection.execute(RUNS.encode(), span)
    connection.execute(
        "insert into bench.posts select top + n, 1 + n %% %(businesses)s, (array['linkedin', 'twitter', 'facebook',"
        " 'instagram'])[1 + n %% 4], %(at)s - interval '1 hour' - n * interval '1 second'"
        " from generate_series(1, %(new)s) as numbers (n), (select max(number) as top from bench.posts) as tops",
        {"businesses": day.businesses, "at": day.at, "new": day.new_posts},
    )
    at = f"timestamptz '{day.at.isoformat()}'"
    new = f"select posts.*, {at} as observed_at from bench.posts order by number desc limit {day.new_posts}"
    known = (
        f"select posts.*, {at} as observed_at from bench.posts where business_id <= {day.businesses}"
        f" order by published_at desc limit {day.readings}"
    )
    for statement in _rows(known, new):
        connection.execute(statement.encode())
    _profiles(connection, span)
    _count(connection, span)


def _rows(readings: str, first: str) -> Iterator[str]:
    for stream, (key, payload) in PAYLOADS.items():
        platform = stream.split("__")[0]
        chosen = first if stream == "linkedin__posts" else readings
        yield ROWS.format(stream=stream, platform=platform, key=key, payload=payload, readings=chosen)


def _profiles(connection: psycopg.Connection, span: dict[str, object]) -> None:
    for platform, (what, payload) in PROFILE_PAYLOADS.items():
        connection.execute(PROFILES.format(platform=platform, what=what, payload=payload).encode(), span)


def _count(connection: psycopg.Connection, span: dict[str, object]) -> None:
    for stream in (*PAYLOADS, *(f"{platform}__profile" for platform in PROFILE_PAYLOADS)):
        connection.execute(COUNTED.format(stream=stream).encode(), {"since": span["since"]})
