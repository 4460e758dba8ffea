"""Which posts an account is known to have, and which complete runs missed them; backfills that give way.

Revision: 0010, after 0009.
"""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
create table ops.known_posts (
    business_id bigint not null,
    platform text not null,
    account_id text not null,
    record_key text not null,
    published_at timestamptz not null,
    missed_at timestamptz,
    missed_runs uuid[] not null default '{}',
    changed_at timestamptz not null default clock_timestamp(),
    primary key (business_id, platform, account_id, record_key),
    foreign key (business_id, platform, account_id) references ops.accounts,
    check ((missed_at is null) = (missed_runs = '{}'))
);
comment on table ops.known_posts is 'Every post that was ever listed; what a complete read misses is marked here.';
comment on column ops.known_posts.missed_at is 'The instant (as_of) of the first run that missed it since it was seen.';
comment on column ops.known_posts.missed_runs is 'Complete runs that should have shown it and did not, two at most.';
create index known_posts_published on ops.known_posts (business_id, platform, account_id, published_at);
create index known_posts_missed on ops.known_posts (business_id, platform, account_id, record_key)
    where missed_runs <> '{}';

alter table ops.extract_runs add column wanted_at timestamptz;
comment on column ops.extract_runs.wanted_at is 'When another run found this backfill in its way; it steps aside.';
"""


def upgrade() -> None:
    """Create the table and the columns."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
