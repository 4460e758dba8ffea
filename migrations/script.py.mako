"""${message}

Revision: ${up_revision}, after ${down_revision | comma,n}.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say what the revision adds; later revisions only expand, a contraction waits for a release."""
    ${upgrades if upgrades else "op.execute('select 1')"}
