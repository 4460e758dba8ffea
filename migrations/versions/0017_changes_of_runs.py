"""Which transaction last changed what core asks of a run, so that a build looks at new runs and not at all of them.

Revision: 0017, after 0016.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

CHANGES = """
alter table ops.extract_runs add column changed_in xid8 not null default pg_current_xact_id();
comment on column ops.extract_runs.changed_in is 'The transaction that last changed its gate, state or lease epoch.';
create function ops.note_change_of_run() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    new.changed_in := pg_current_xact_id();
    return new;
end
$$;
create trigger note_change before update on ops.extract_runs for each row
    when ((old.gate, old.state, old.lease_epoch) is distinct from (new.gate, new.state, new.lease_epoch))
    execute function ops.note_change_of_run();
create index extract_runs_changed_in on ops.extract_runs (changed_in) where gate = 'passed';
"""


def upgrade() -> None:
    """Add the column, its trigger and its index."""
    op.get_bind().exec_driver_sql(CHANGES, execution_options={"no_parameters": True})
