"""Accounts that have another id by now, and what was erased on request.

Revision: 0011, after 0010.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
create table ops.account_aliases (
    business_id bigint not null references ops.businesses,
    platform text not null check (platform in ('linkedin', 'twitter', 'facebook', 'instagram')),
    former_id text not null,
    account_id text not null,
    told_by text not null check (told_by in ('accounts.yml', 'platform')),
    noted_at timestamptz not null default clock_timestamp(),
    primary key (business_id, platform, former_id),
    check (former_id <> account_id)
);
comment on table ops.account_aliases is 'Ids that an account had before: after a merge, or under another login.';
comment on column ops.account_aliases.account_id is 'The id in its place; may have a successor itself.';
comment on column ops.account_aliases.told_by is 'accounts.yml outranks what a platform says.';
create index account_aliases_current on ops.account_aliases (business_id, platform, account_id);

create table ops.erasures (
    erasure_id bigint generated always as identity primary key,
    business_id bigint not null,
    platform text,
    account_id text,
    post_digest bytea check (octet_length(post_digest) = 32),
    rows_deleted jsonb not null,
    erased_at timestamptz not null default clock_timestamp()
);
comment on table ops.erasures is 'What was erased, and how many rows of which table; nothing of the data itself.';
comment on column ops.erasures.platform is 'NULL: every platform.';
comment on column ops.erasures.post_digest is
    'sha-256 of a single post; it is never stored again, though the platform may go on listing it.';
create index erasures_posts on ops.erasures (business_id, platform, post_digest) where post_digest is not null;
"""


def upgrade() -> None:
    """Create the tables."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
