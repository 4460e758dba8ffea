"""Which constraints and indexes must be there, so that one dropped by hand is missed.

Revision: 0008, after 0007.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLE = """
create table ops.expected_objects (
    relation text not null,
    name text not null,
    primary key (relation, name)
);
comment on table ops.expected_objects is 'Constraints and indexes that `migrate` made; runs compare before they write.';
"""


def upgrade() -> None:
    """Create the table; `migrate` fills it."""
    op.get_bind().exec_driver_sql(TABLE, execution_options={"no_parameters": True})
