"""Casts of foreign text that answer NULL instead of an error, on every supported PostgreSQL.

Revision: 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

# An offset is required: without one the same text would mean another instant in another session.
FUNCTIONS = r"""
create function ops.instant_of(value text) returns timestamptz
language plpgsql immutable strict parallel safe as $$
begin
    if value !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$' then
        return null;
    end if;
    return value::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
    return null;
end
$$;
comment on function ops.instant_of is 'An ISO 8601 instant with an offset; NULL for any other text.';

create function ops.day_of(value text) returns date
language plpgsql immutable strict parallel safe as $$
begin
    if value !~ '^\d{4}-\d\d-\d\d$' then
        return null;
    end if;
    return value::date;
exception when datetime_field_overflow or invalid_datetime_format then
    return null;
end
$$;
comment on function ops.day_of is 'A calendar day written YYYY-MM-DD; NULL for any other text.';
"""


def upgrade() -> None:
    """Create the functions in `ops`."""
    op.get_bind().exec_driver_sql(FUNCTIONS, execution_options={"no_parameters": True})
