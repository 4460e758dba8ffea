"""The `ops` schema: who is extracted, what each run did, what limits apply, who may read what.

Revision: 0001, the first.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table ops.businesses (
    business_id bigint primary key,
    name text not null,
    timezone text not null,
    updated_at timestamptz not null default now()
);
comment on table ops.businesses is 'One row per tenant, written by `accounts load` or by an application.';
comment on column ops.businesses.timezone is 'IANA name; days, weekdays and hours of the marts are in it.';

create table ops.accounts (
    business_id bigint not null references ops.businesses,
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    account_id text not null,
    credential text not null,
    is_enabled boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (business_id, platform, account_id)
);
comment on column ops.accounts.credential is 'Airflow connection id; the token itself is never stored here.';

create table ops.competitors (
    business_id bigint not null references ops.businesses,
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    handle text not null,
    created_at timestamptz not null default now(),
    primary key (business_id, platform, handle)
);

create table ops.extract_runs (
    run_id uuid primary key,
    business_id bigint not null,
    platform text not null,
    account_id text not null,
    stream text not null,
    state text not null default 'running' check (state in ('running', 'complete', 'failed')),
    gate text not null default 'pending' check (gate in ('pending', 'passed', 'quarantined')),
    gate_report jsonb,
    as_of timestamptz not null,
    window_since timestamptz,
    window_until timestamptz not null,
    page_cursor jsonb,
    lease_epoch integer not null default 1,
    lease_expires_at timestamptz not null,
    pages integer not null default 0,
    calls integer not null default 0,
    retries integer not null default 0,
    listed bigint not null default 0,
    stored bigint not null default 0,
    unchanged bigint not null default 0,
    quarantined bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    error_class text,
    error_message text,
    next_allowed_at timestamptz,
    check (listed = stored + unchanged + quarantined),
    check (state <> 'complete' or (finished_at is not null and error_class is null)),
    check (state <> 'failed' or error_class is not null),
    foreign key (business_id, platform, account_id) references ops.accounts
);
comment on table ops.extract_runs is 'The run ledger: one row per run, account and stream; the ledger is the state.';
comment on column ops.extract_runs.stream is 'Full name, as in the raw table: linkedin__posts.';
comment on column ops.extract_runs.gate is 'What Great Expectations said of the rows; staging sees passed runs alone.';
comment on column ops.extract_runs.as_of is 'The instant that decided windows and "today": PIPELINE_NOW, or the start.';
comment on column ops.extract_runs.page_cursor is 'Where a resumed run goes on; NULL before the first page.';
comment on column ops.extract_runs.lease_epoch is 'A writer with an older epoch is a zombie and is refused.';
create unique index extract_runs_one_running on ops.extract_runs (business_id, platform, account_id, stream)
    where state = 'running';
create index extract_runs_latest on ops.extract_runs (business_id, platform, account_id, stream, started_at desc);
create index extract_runs_gate on ops.extract_runs (gate, platform) where gate <> 'passed';

create table ops.cursors (
    business_id bigint not null,
    platform text not null,
    account_id text not null,
    stream text not null,
    watermark timestamptz not null,
    run_id uuid not null references ops.extract_runs,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (business_id, platform, account_id, stream)
);
comment on column ops.cursors.watermark is 'Everything up to here was read and passed the gate.';

create table ops.rate_budgets (
    budget text primary key,
    next_free_at timestamptz not null default clock_timestamp(),
    window_limit integer,
    window_used integer not null default 0,
    window_resets_at timestamptz,
    blocked_until timestamptz,
    blocked_reason text,
    updated_at timestamptz not null default clock_timestamp()
);
comment on table ops.rate_budgets is 'One row per limit of a platform, shared by every process and host.';
comment on column ops.rate_budgets.next_free_at is 'The next instant not yet promised to a caller (reservation).';

create table ops.quarantine (
    quarantine_id bigint generated always as identity primary key,
    run_id uuid not null references ops.extract_runs,
    business_id bigint not null,
    platform text not null,
    account_id text not null,
    stream text not null,
    record_key text,
    reason text not null,
    detail text not null,
    body bytea not null,
    observed_at timestamptz not null,
    resolved_at timestamptz,
    resolved_by text
);
comment on table ops.quarantine is 'What could not land, with its original bytes and the reason; nothing is dropped.';

create table ops.dbt_results (
    invocation_id text not null,
    unique_id text not null,
    resource_type text not null,
    status text not null,
    failures bigint,
    execution_seconds double precision not null,
    message text,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (invocation_id, unique_id)
);
comment on table ops.dbt_results is 'What every dbt node did in every invocation.';

create table ops.tenant_grants (
    role_name text not null,
    business_id bigint,
    granted_at timestamptz not null default now(),
    unique nulls not distinct (role_name, business_id)
);
comment on table ops.tenant_grants is 'Which login reads which business in marts; business_id NULL means every one.';
comment on column ops.tenant_grants.role_name is 'Compared with current_user, which no session setting can spoof.';
insert into ops.tenant_grants (role_name) values (current_user);
"""


def upgrade() -> None:
    """Create the tables of `ops`."""
    op.execute(TABLES)
