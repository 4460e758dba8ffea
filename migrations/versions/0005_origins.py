"""What asked for a run, and which database session holds it, so that a repeat reads the rest and a crash frees at once.

Revision: 0005, after 0004.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

COLUMNS = """
alter table ops.extract_runs
    add column origin text,
    add column attempt integer not null default 0,
    add column holder_pid integer,
    add column holder_started_at timestamptz;
comment on column ops.extract_runs.origin is 'The DAG run that asked; a repeat of it reads only what is not settled.';
comment on column ops.extract_runs.attempt is 'How often a person cleared the task that asked.';
comment on column ops.extract_runs.holder_pid is
    'The database session of the process that writes; gone from pg_stat_activity, the lease is free. NULL: unknown.';
create index extract_runs_origin on ops.extract_runs (origin, business_id, account_id, stream, started_at desc)
    where origin is not null;

create table ops.extract_origins (
    origin text not null,
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    is_backfill boolean not null,
    planned_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (origin, platform)
);
comment on table ops.extract_origins is 'DAG runs that read a platform; a backfill waits while one is open.';
create index extract_origins_open on ops.extract_origins (platform) where ended_at is null;
"""


def upgrade() -> None:
    """Add the columns and the table."""
    op.get_bind().exec_driver_sql(COLUMNS, execution_options={"no_parameters": True})
