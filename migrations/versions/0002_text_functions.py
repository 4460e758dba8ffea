"""Functions that read post texts: hashtags and their folding, LinkedIn's little text, X's texts.

Revision: 0002, after 0001.
"""

from alembic import op

from migrations.text_functions import create_statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the functions in `ops`."""
    for statement in create_statements():
        # The bodies hold colons and percent signs, which are no parameters.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
