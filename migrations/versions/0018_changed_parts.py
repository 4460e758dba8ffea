"""Which posts changed in core since the marts were last published, so that a publication writes their rows alone.

Revision: 0018, after 0017.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

CHANGES = """
create table ops.changed_parts (
    kind text not null,
    part text
);
comment on table ops.changed_parts is
    'What changed in core since those who go on from it looked; several rows may say the same.';
comment on column ops.changed_parts.kind is
    '`post` and `period` for publications; `day` and `activity` for core.fct_engagement_daily.';
comment on column ops.changed_parts.part is
    'A post''s key, or a business and a day (1|2026-11-20); NULL: everything, so that whoever goes on begins anew.';

-- Rows are only ever added here, and whoever goes on from them deletes those that he saw: what a transaction notes that
-- is still open then is left for the next time.
create function ops.note_changed_parts() returns trigger language plpgsql as $$
declare
    is_much boolean := tg_op = 'TRUNCATE';
    is_noted boolean;
begin
    if not is_much then
        select count(*) > greatest(10000, (select reltuples / 4 from pg_class where oid = tg_relid))
        into is_much
        from written;
    end if;
    for each in 0 .. tg_nargs / 2 - 1 loop
        select exists (
            select from ops.changed_parts as noted where noted.kind = tg_argv[each * 2] and noted.part is null
        )
        into is_noted;
        if is_much or is_noted then
            insert into ops.changed_parts (kind) values (tg_argv[each * 2]);
        else
            execute format(
                'insert into ops.changed_parts (kind, part) select distinct %L, %s from written where %2$s is not null',
                tg_argv[each * 2], tg_argv[each * 2 + 1]
            );
        end if;
    end loop;
    return null;
end
$$;
comment on function ops.note_changed_parts is
    'Arguments: kinds of parts, each followed by the expression that names the part of a row; `written` are the rows.';

-- What is erased must not stay behind below the rows that readers see.
create function ops.note_erasure() returns trigger language plpgsql as $$
begin
    insert into ops.changed_parts (kind) values ('post'), ('period');
    return null;
end
$$;
create trigger note_erasure after insert on ops.erasures for each statement execute function ops.note_erasure();
"""


def upgrade() -> None:
    """Create the table, and the functions of the triggers that dbt puts on the tables of core."""
    op.get_bind().exec_driver_sql(CHANGES, execution_options={"no_parameters": True})
