"""Casts of foreign text that answer NULL instead of an error, on every supported PostgreSQL.

Revision: 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

# An offset is required: without one the same text would mean another instant in another session. The pattern leaves the
# casts nothing to refuse, since catching an error opens a subtransaction, which no parallel worker may do.
FUNCTIONS = r"""
create function ops.day_of(value text) returns date
language plpgsql immutable strict parallel safe as $$
begin
    if value !~ '^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$' then
        return null;
    end if;
    if right(value, 2)::int > 28 and right(value, 2)::int > extract(
        day from (left(value, 7) || '-01')::date + interval '1 month' - interval '1 day'
    ) then
        return null;
    end if;
    return value::date;
end
$$;
comment on function ops.day_of is 'A calendar day written YYYY-MM-DD; NULL for any other text.';

create function ops.instant_of(value text) returns timestamptz
language plpgsql immutable strict parallel safe as $$
begin
    if value !~ ('^.{10}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?'
        || '(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)$') or ops.day_of(left(value, 10)) is null then
        return null;
    end if;
    return value::timestamptz;
end
$$;
comment on function ops.instant_of is 'An ISO 8601 instant with an offset; NULL for any other text.';
"""


def upgrade() -> None:
    """Create the functions in `ops`."""
    op.get_bind().exec_driver_sql(FUNCTIONS, execution_options={"no_parameters": True})
