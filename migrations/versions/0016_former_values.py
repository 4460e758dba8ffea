"""What the ledger said before it said something else, so that the warehouse can be rebuilt as known at an instant.

Revision: 0016, after 0015.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLES = """
create table ops.former_values (
    former_id bigint generated always as identity primary key,
    relation text not null,
    business_id bigint,
    platform text not null default '',
    account_id text not null default '',
    record_key text not null default '',
    told jsonb,
    known_until timestamptz not null
);
comment on table ops.former_values is
    'What dbt reads of the ledger and does not stand there any more: the values before each change, and until when.';
comment on column ops.former_values.relation is 'The table of ops; `began`: what was before this instant nobody kept.';
comment on column ops.former_values.record_key is 'What tells rows of an account apart: a run, a post, an entry.';
comment on column ops.former_values.told is 'The columns that changed, as they were; NULL: there was no such row.';
comment on column ops.former_values.known_until is 'The instant of the commit that changed them.';
create index former_values_known_until on ops.former_values (known_until);
create index former_values_key on ops.former_values (business_id, record_key);
insert into ops.former_values (relation, known_until) values ('began', clock_timestamp());

create table ops.core_builds (
    invocation_id text primary key,
    known_at timestamptz not null default clock_timestamp()
);
create index core_builds_known_at on ops.core_builds (known_at);
comment on table ops.core_builds is 'From which instant on each dbt invocation read the ledger.';

create table ops.statistics_runs (
    computed_at timestamptz primary key default clock_timestamp(),
    known_at timestamptz
);
comment on table ops.statistics_runs is 'Each `insights run`, and the instant of the core it was computed from.';

create table ops.former_findings (
    table_name text not null,
    run_id uuid not null,
    business_id bigint not null,
    platform text not null,
    finding jsonb not null,
    replaced_at timestamptz not null default clock_timestamp()
);
create index former_findings_run on ops.former_findings (run_id);
comment on table ops.former_findings is
    'Audits of runs (core.fct_run_audits, core.fct_run_totals) that gave way to later ones: findings of their moment.';

alter table ops.publications
    add column as_of timestamptz,
    add column known_at timestamptz,
    add column changes_meanwhile bigint,
    add column statistics_known_at timestamptz;
comment on column ops.publications.as_of is 'The instant its windows, ages and "today" count from.';
comment on column ops.publications.known_at is 'The instant core read the ledger: the one to look back to.';
comment on column ops.publications.changes_meanwhile is
    'Changes of the ledger while core was built: 0, and a rebuild as of known_at is this publication, row for row.';
comment on column ops.publications.statistics_known_at is
    'The known_at of the core that its statistics were computed from; another than its own after `dbt build` alone.';
"""

# Called at the end of the transaction: its instant is then the one from which on others see the change.
KEEP = """
create function ops.keep_former() returns trigger
language plpgsql as $$
declare
    watched text[] := string_to_array(tg_argv[0], ' ');
    present jsonb := to_jsonb(new);
    before jsonb;
begin
    if tg_op = 'UPDATE' then
        select jsonb_object_agg(held.key, held.value)
        into before
        from jsonb_each(to_jsonb(old)) as held
        where held.key = any(watched) and (tg_argv[2] = 'whole' or held.value is distinct from present -> held.key);
        if before is null then
            return null;
        end if;
    end if;
    insert into ops.former_values (relation, business_id, platform, account_id, record_key, told, known_until)
    values (
        tg_table_name, new.business_id, coalesce(present ->> 'platform', ''), coalesce(present ->> 'account_id', ''),
        coalesce(present ->> tg_argv[1], ''), before, clock_timestamp()
    );
    return null;
end
$$;
comment on function ops.keep_former is
    'Arguments: the columns to keep, the column that tells rows of one account apart, and `whole` to keep all of them.';
"""

FINDINGS = """
create function ops.keep_findings() returns trigger
language plpgsql as $$
begin
    insert into ops.former_findings (table_name, run_id, business_id, platform, finding)
    select tg_table_name, gone.run_id, gone.business_id, gone.platform, to_jsonb(gone)
    from gone;
    return null;
end
$$;

do $tables$
begin
    if to_regclass('core.fct_run_audits') is not null then
        create trigger keep_findings after delete on core.fct_run_audits
        referencing old table as gone for each statement execute function ops.keep_findings();
    end if;
    if to_regclass('core.fct_run_totals') is not null then
        create trigger keep_findings after delete on core.fct_run_totals
        referencing old table as gone for each statement execute function ops.keep_findings();
    end if;
end
$tables$;
"""

RUN = (
    "state gate kind listed stored unchanged quarantined window_since window_until lease_epoch finished_at error_class "
    "error_message"
)
#: Table, when, on what condition, and the trigger's arguments. A run tells nothing while it runs: its pages change
#: nothing here. What it had told before it was taken up again is kept whole, since it goes on counting.
TRIGGERS = (
    ("businesses", "insert", "true", ("name timezone", "")),
    ("businesses", "update", "(old.name, old.timezone) <> (new.name, new.timezone)", ("name timezone", "")),
    ("accounts", "insert", "true", ("is_enabled", "")),
    ("accounts", "update", "old.is_enabled <> new.is_enabled", ("is_enabled", "")),
    ("extract_runs", "insert", "new.state <> 'running'", (RUN, "run_id")),
    ("extract_runs", "update", "new.state <> 'running'", (RUN, "run_id")),
    ("extract_runs", "update", "old.state <> 'running' and new.state = 'running'", (RUN, "run_id", "whole")),
    ("known_posts", "insert", "new.missed_runs <> '{}'", ("missed_at missed_runs", "record_key")),
    (
        "known_posts",
        "update",
        "(old.missed_at, old.missed_runs) is distinct from (new.missed_at, new.missed_runs)",
        ("missed_at missed_runs", "record_key"),
    ),
    (
        "quarantine",
        "update",
        "new.reason = 'SetAside' and old.last_run_id <> new.last_run_id",
        ("last_run_id", "quarantine_id"),
    ),
)

#: How a row finds what it said before.
KEYS = {
    "businesses": "later.business_id = present.business_id",
    "accounts": "(later.business_id, later.platform, later.account_id)"
    " = (present.business_id, present.platform, present.account_id)",
    "extract_runs": "later.record_key = present.run_id::text",
    "known_posts": "(later.business_id, later.platform, later.account_id, later.record_key)"
    " = (present.business_id, present.platform, present.account_id, present.record_key)",
    "quarantine": "later.record_key = present.quarantine_id::text",
}

# Of several changes since the instant, what stood before the first counts: jsonb keeps the last of equal keys.
AT = """
create function ops.{table}_at(instant timestamptz) returns setof ops.{table}
language sql stable as $$
with later as (
    select
        entries.business_id,
        entries.platform,
        entries.account_id,
        entries.record_key,
        bool_or(entries.told is null) as was_absent,
        jsonb_object_agg(held.key, held.value order by entries.former_id desc)
        filter (where held.key is not null) as told
    from ops.former_values as entries
    left join lateral jsonb_each(entries.told) as held on true
    where entries.relation = '{table}' and entries.known_until > instant
    group by entries.business_id, entries.platform, entries.account_id, entries.record_key
)

select present.*
from ops.{table} as present
where not exists (select from later where {key})
union all
select former.*
from ops.{table} as present
inner join later on {key}
cross join lateral jsonb_populate_record(present, later.told) as former
where not later.was_absent
$$;
comment on function ops.{table}_at is 'The table as it stood at an instant; what dbt does not read is as it is now.';
"""


def upgrade() -> None:
    """Create the tables, the triggers that keep what changes, and the functions that give it back."""
    statements = [TABLES, KEEP, FINDINGS, *map(_trigger, range(len(TRIGGERS)))]
    statements += [AT.format(table=table, key=key) for table, key in KEYS.items()]
    for statement in statements:
        # The bodies hold percent signs, which are no parameters.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _trigger(number: int) -> str:
    table, event, condition, arguments = TRIGGERS[number]
    listed = ", ".join(f"'{argument}'" for argument in arguments)
    # An erasure disables accounts and then forgets all that was kept of them, in one transaction.
    when = "immediate" if table == "accounts" else "deferred"
    return (
        f"create constraint trigger keep_former_{number} after {event} on ops.{table} deferrable initially {when} "
        f"for each row when ({condition}) execute function ops.keep_former({listed})"
    )
