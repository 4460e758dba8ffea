"""How many of a run's rows went since, by a retention or an erasure.

Revision: 0014, after 0013.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

COLUMN = """
alter table ops.extract_runs add column purged bigint not null default 0 check (purged <= stored);
comment on column ops.extract_runs.purged is 'Stored rows that were deleted since, by a retention or an erasure.';
"""


def upgrade() -> None:
    """Add the column."""
    op.get_bind().exec_driver_sql(COLUMN, execution_options={"no_parameters": True})
