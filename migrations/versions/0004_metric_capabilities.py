"""Which metrics a platform rejects, so that later runs do not ask for them; and what a run has to say besides errors.

Revision: 0004, after 0003.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
create table ops.metric_capabilities (
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    account_id text,
    stream text not null,
    read text not null,
    metric text not null,
    api_version text not null,
    state text not null check (state in ('rejected', 'restored')),
    error text not null,
    first_rejected_at timestamptz not null,
    last_rejected_at timestamptz not null,
    retry_after timestamptz not null,
    unique nulls not distinct (platform, account_id, stream, read, metric, api_version),
    check (first_rejected_at <= last_rejected_at and last_rejected_at < retry_after)
);
comment on table ops.metric_capabilities is 'Metrics that fail the whole call they are asked in, found by bisecting.';
comment on column ops.metric_capabilities.account_id is 'NULL: the platform does not know the name, for any account.';
comment on column ops.metric_capabilities.stream is 'Full name, as in the raw table: facebook__posts.';
comment on column ops.metric_capabilities.retry_after is 'From then on the metric is asked for again.';

alter table ops.extract_runs add column warnings text[] not null default '{}';
comment on column ops.extract_runs.warnings is 'What a person should know of a run that went on, one line each.';
"""


def upgrade() -> None:
    """Create the table and the column."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
