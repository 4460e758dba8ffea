"""Every attempt to publish the marts and how it ended, and how many rows each business had.

Revision: 0013, after 0012.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
create table ops.publications (
    publication_id bigint generated always as identity primary key,
    invocation_id text not null,
    outcome text not null default 'started' check (outcome in ('started', 'published', 'refused')),
    businesses bigint[],
    reason text,
    server_process integer not null default pg_backend_pid(),
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check ((outcome = 'refused') = (reason is not null)),
    check ((outcome = 'started') = (ended_at is null))
);
comment on table ops.publications is 'One row per attempt to publish the marts; a refused one says why.';
comment on column ops.publications.outcome is 'started, and its process gone: it was killed.';
comment on column ops.publications.businesses is 'Which businesses were published; NULL: all of them.';
create index publications_ended on ops.publications (outcome, publication_id desc);

create table ops.mart_measures (
    publication_id bigint not null references ops.publications on delete cascade,
    mart_name text not null,
    business_id bigint not null,
    platform text not null,
    number_of_rows bigint not null,
    measured_at timestamptz not null default clock_timestamp(),
    is_accepted boolean not null default false,
    primary key (mart_name, business_id, platform, publication_id)
);
comment on table ops.mart_measures is 'Rows of each business and platform in a mart, once a day; what is usual.';
-- Seeds are refilled and never dropped, since marts rest on them: an older warehouse gets the new columns here.
alter table if exists core.metric_definitions
    add column if not exists version integer,
    add column if not exists valid_from date,
    add column if not exists valid_to date;
comment on column ops.mart_measures.is_accepted is 'A person took this size for right; what was before counts no more.';
"""


def upgrade() -> None:
    """Create both tables."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
