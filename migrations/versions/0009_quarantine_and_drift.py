"""What a quarantined answer had been asked for, what a run is for, and which fields the platforms send.

Revision: 0009, after 0008.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
alter table ops.extract_runs
    add column kind text not null default 'scheduled' check (kind in ('scheduled', 'asked', 'replay')),
    add column coverage numeric generated always as (
        round(100.0 * (listed - quarantined) / nullif(listed, 0), 2)
    ) stored;
comment on column ops.extract_runs.kind is 'asked: of named days; replay: from the quarantine, moves no watermark.';
comment on column ops.extract_runs.coverage is 'Per cent of the listed records that could be read and passed the gate.';

alter table ops.quarantine
    add column read text,
    add column step text,
    add column ids text[],
    add column metrics text[],
    add column window_since timestamptz,
    add column window_until timestamptz,
    add column times integer not null default 1,
    add column last_run_id uuid references ops.extract_runs,
    add column last_seen_at timestamptz;
update ops.quarantine set last_run_id = run_id, last_seen_at = observed_at;
alter table ops.quarantine alter column last_run_id set not null, alter column last_seen_at set not null;
comment on column ops.quarantine.read is 'The list that brought it; the next columns are what was asked.';
comment on column ops.quarantine.times is 'How often the very same came while this was open.';
-- What stays broken is one entry, however often it is read again. A long id would not fit an index row; an answer as a
-- whole is another one for each list and step.
create unique index quarantine_open on ops.quarantine (
    business_id, platform, account_id, stream, reason,
    hashtextextended(coalesce(record_key, coalesce(read, '') || ' ' || coalesce(step, '')), 0), sha256(body)
) where resolved_at is null;
create index quarantine_last_run on ops.quarantine (last_run_id) where resolved_at is null;

create table ops.schema_paths (
    stream text not null,
    path text not null,
    json_type text not null check (json_type in ('object', 'array', 'string', 'number', 'boolean')),
    drift text check (drift in ('new field', 'new type')),
    occurrences bigint not null,
    example_hash bytea not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (stream, path, json_type)
);
comment on table ops.schema_paths is 'The fields a platform sends, with their types, learned from rows; never a value.';
comment on column ops.schema_paths.drift is 'NULL: there since an account was first read whole.';
comment on column ops.schema_paths.occurrences is 'How often it stood in stored rows; for what is no drift, at least.';
comment on column ops.schema_paths.example_hash is 'payload_hash of a row of the raw table that has it.';
comment on column ops.schema_paths.last_seen_at is 'To six hours for what is no drift, so that few rows change.';

create view ops.schema_drift as
select stream, path, json_type, drift, first_seen_at, last_seen_at, occurrences, example_hash
from ops.schema_paths
where drift is not null;
comment on view ops.schema_drift is 'Fields that came later, and known fields of another type.';
"""


def upgrade() -> None:
    """Add the columns and create the table and its view."""
    op.get_bind().exec_driver_sql(TABLES, execution_options={"no_parameters": True})
