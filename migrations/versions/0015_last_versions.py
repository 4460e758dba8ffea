"""The last version of every record, apart; and a raw table that had no partitions becomes one of its own.

Revision: 0015, after 0014.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

SCHEMAS = """
create schema if not exists raw_months;
create schema if not exists last_versions;
comment on schema raw_months is 'The partitions of the tables in raw.';
comment on schema last_versions is
    'Of each record its newest row in raw, those of quarantined runs apart: what comes next is compared with it.';
"""

# The loader writes the tables of `last_versions` itself; what else happens to raw or to a judgement calls these.
FUNCTIONS = """
create function ops.settle_versions(of_stream text, businesses bigint[], accounts text[], keys text[]) returns void
language plpgsql as $$
begin
    -- A page holds its account, shared: it is waited for, what it stored is seen below, and no other begins meanwhile.
    perform
    from ops.accounts as account
    where account.platform = split_part(of_stream, '__', 1)
        and (account.business_id, account.account_id) in (select * from unnest(businesses, accounts))
    order by account.business_id, account.account_id
    for no key update;

    execute format($settle$
        with settled as materialized (
            select record.*, version.observed_at, version.payload_hash
            from (
                select distinct * from unnest($1, $2, $3) as record (business_id, account_id, record_key)
            ) as record
            left join lateral (
                select version.observed_at, version.payload_hash
                from raw.%1$I as version
                where version.business_id = record.business_id and version.account_id = record.account_id
                    and version.record_key = record.record_key
                    and not exists (
                        select from ops.extract_runs as run
                        where run.run_id = version.run_id and run.gate = 'quarantined'
                    )
                order by version.observed_at desc
                limit 1
            ) as version on true
        ),

        forgotten as (
            delete from last_versions.%1$I as known
            using settled
            where settled.observed_at is null and known.business_id = settled.business_id
                and known.account_id = settled.account_id and known.record_key = settled.record_key
        )

        insert into last_versions.%1$I as known (business_id, account_id, record_key, observed_at, payload_hash)
        select business_id, account_id, record_key, observed_at, payload_hash
        from settled
        where observed_at is not null
        on conflict (business_id, account_id, record_key) do update set
            observed_at = excluded.observed_at, payload_hash = excluded.payload_hash
        where known.observed_at <> excluded.observed_at
    $settle$, of_stream) using businesses, accounts, keys;
end
$$;
comment on function ops.settle_versions is 'Finds the last versions of records anew, after anything but a page.';

create function ops.versions_went() returns trigger language plpgsql as $$
begin
    perform ops.settle_versions(tg_table_name, array_agg(business_id), array_agg(account_id), array_agg(record_key))
    from (select distinct business_id, account_id, record_key from went) as record
    having count(*) > 0;
    return null;
end
$$;

create function ops.versions_moved() returns trigger language plpgsql as $$
begin
    perform ops.settle_versions(tg_table_name, array_agg(business_id), array_agg(account_id), array_agg(record_key))
    from (
        select business_id, account_id, record_key from went
        union
        select business_id, account_id, record_key from came
    ) as record
    having count(*) > 0;
    return null;
end
$$;

create function ops.versions_emptied() returns trigger language plpgsql as $$
begin
    execute format('truncate last_versions.%I', tg_table_name);
    return null;
end
$$;

create function ops.versions_judged() returns trigger language plpgsql as $$
begin
    if to_regclass(format('last_versions.%I', new.stream)) is not null then
        execute format($judged$
            select ops.settle_versions($1, array_agg(business_id), array_agg(account_id), array_agg(record_key))
            from (select distinct business_id, account_id, record_key from raw.%I where run_id = $2) as record
            having count(*) > 0
        $judged$, new.stream) using new.stream, new.run_id;
    end if;
    return null;
end
$$;

create trigger versions_judged after update of gate on ops.extract_runs
for each row when ((old.gate = 'quarantined') <> (new.gate = 'quarantined'))
execute function ops.versions_judged();
"""

# No row is copied, but for those that seem to come from later months: the table as it was becomes the partition of all
# that is older than the month to come. Views of it are made anew, else they would go on reading that partition alone.
PARTITION = """
do $$
declare
    stream text;
    month_to_come timestamptz := date_trunc('month', now(), 'UTC') + interval '1 month';
    views text[];
    definition text;
begin
    for stream in
        select relation.relname from pg_class as relation
        where relation.relnamespace = 'raw'::regnamespace and relation.relkind = 'r' and not relation.relispartition
        order by 1
    loop
        execute format('lock table raw.%I in access exclusive mode', stream);
        execute format($fill$
            create table last_versions.%1$I (
                business_id bigint not null,
                observed_at timestamptz not null,
                account_id text not null,
                record_key text not null,
                payload_hash bytea not null
            ) with (fillfactor = 50);

            insert into last_versions.%1$I (business_id, account_id, record_key, observed_at, payload_hash)
            select distinct on (version.business_id, version.account_id, version.record_key)
                version.business_id, version.account_id, version.record_key, version.observed_at,
                version.payload_hash
            from raw.%1$I as version
            where not exists (
                select from ops.extract_runs as run where run.run_id = version.run_id and run.gate = 'quarantined'
            )
            order by version.business_id, version.account_id, version.record_key, version.observed_at desc;

            alter table last_versions.%1$I add primary key (business_id, account_id, record_key)
        $fill$, stream);
        select array_agg(format('create or replace view %s as %s', known.view, pg_get_viewdef(known.view)))
        into views
        from (
            select distinct rule.ev_class::regclass as view
            from pg_depend as dependency
            inner join pg_rewrite as rule on rule.oid = dependency.objid
            where dependency.classid = 'pg_rewrite'::regclass and dependency.refclassid = 'pg_class'::regclass
                and dependency.refobjid = format('raw.%I', stream)::regclass
        ) as known;
        execute format('alter table raw.%I rename to %I', stream, stream || '_older');
        execute format('alter table raw.%I set schema raw_months', stream || '_older');
        execute format(
            'create table raw.%I (like raw_months.%I including constraints) partition by range (observed_at)',
            stream, stream || '_older'
        );
        execute format(
            'alter table raw.%I add constraint %I primary key (business_id, account_id, record_key, observed_at)',
            stream, stream || '_pkey'
        );
        execute format('create index %I on raw.%I (run_id)', stream || '_run_id', stream);
        execute format(
            'create table raw_months.%I partition of raw.%I default', stream || '_default', stream
        );
        execute format($late$
            with late as (delete from raw_months.%I where observed_at >= $1 returning *)
            insert into raw_months.%I select * from late
        $late$, stream || '_older', stream || '_default') using month_to_come;
        execute format(
            'alter table raw.%I attach partition raw_months.%I for values from (minvalue) to (%L)',
            stream, stream || '_older', month_to_come
        );
        foreach definition in array coalesce(views, '{}') loop
            execute definition;
        end loop;
    end loop;
end
$$
"""


def upgrade() -> None:
    """Create the schemas and functions, and attach what is there."""
    for statement in (SCHEMAS, FUNCTIONS, PARTITION):
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
