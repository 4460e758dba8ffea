"""Refreshed tokens, sealed, with the intent of every refresh; and which expiry was told already.

Revision: 0006, after 0005.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
create table ops.credentials (
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    credential text not null,
    state text not null check (state in ('current', 'refreshing', 'needs_reauth')),
    sealed bytea not null,
    expires_at timestamptz,
    refresh_expires_at timestamptz,
    intent uuid,
    intent_at timestamptz,
    refreshes integer not null default 0,
    refreshed_at timestamptz,
    problem text,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (platform, credential),
    check (state <> 'needs_reauth' or problem is not null),
    check (state <> 'refreshing' or intent is not null)
);
comment on table ops.credentials is 'Tokens that the pipeline refreshed itself; they outrank those of the connection.';
comment on column ops.credentials.credential is 'Airflow connection id; the accounts that share it share this row.';
comment on column ops.credentials.state is
    'refreshing: written before the platform is called. Found so by the next one to hold the lock, it means that a '
    'process died between the answer and its storing.';
comment on column ops.credentials.sealed is
    'AES-256-GCM over the pair and a digest of the connection it began with; bound to platform and credential.';
comment on column ops.credentials.intent is 'The refresh that may still write its answer here.';

create table ops.credential_warnings (
    platform text not null,
    credential text not null,
    what text not null check (what in ('access', 'refresh')),
    expires_at timestamptz not null,
    days integer not null,
    told_by text not null check (told_by in ('run', 'maintenance')),
    told_at timestamptz not null default clock_timestamp(),
    primary key (platform, credential, what, expires_at, days, told_by)
);
comment on table ops.credential_warnings is 'Thresholds before an expiry that were told; each is told once.';
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
