"""What `migrate` built is still there: what was dropped by hand is named before its absence does harm.

`migrate` writes down every constraint, index and trigger of `raw` and `ops`; the next `migrate` and every run compare
with that. Partitions come and go and are left out; what they must have stands at their parent.
"""

from __future__ import annotations

from typing import Any

import psycopg

from extractors.errors import WarehouseUnavailable

# Names alone: a definition's text may change with the server's version.
PRESENT = """
select format('%I.%I', space.nspname, relation.relname) as relation, condition.conname::text as name
from pg_constraint as condition
inner join pg_class as relation on relation.oid = condition.conrelid
inner join pg_namespace as space on space.oid = relation.relnamespace
where space.nspname in ('raw', 'ops') and not relation.relispartition and condition.contype <> 'n'
union
select format('%I.%I', space.nspname, relation.relname), held.relname::text
from pg_index as one
inner join pg_class as relation on relation.oid = one.indrelid
inner join pg_class as held on held.oid = one.indexrelid
inner join pg_namespace as space on space.oid = relation.relnamespace
where space.nspname in ('raw', 'ops') and not relation.relispartition and one.indisvalid
union
select format('%I.%I', space.nspname, relation.relname), fires.tgname::text
from pg_trigger as fires
inner join pg_class as relation on relation.oid = fires.tgrelid
inner join pg_namespace as space on space.oid = relation.relnamespace
where space.nspname in ('raw', 'ops') and not relation.relispartition and not fires.tgisinternal
    and fires.tgenabled = 'O'
"""

MISSING = f"""
select expected.relation, expected.name from ops.expected_objects as expected
except
select present.relation, present.name from ({PRESENT}) as present
order by 1, 2
"""

RECORD = f"insert into ops.expected_objects (relation, name) {PRESENT}"


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise WarehouseUnavailable, naming what is missing; silent before the first `migrate`."""
    row = connection.execute("select to_regclass('ops.expected_objects') is not null").fetchone()
    if row is None or not row[0]:
        return
    missing = [f"{name} of {relation}" for relation, name in connection.execute(MISSING)]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise WarehouseUnavailable(
            f"the warehouse lacks {', '.join(missing[:3])}{more}, which `migrate` had made",
            "restore it as docs/runbook.md#lost-constraint says; nothing was written",
        )


def record(connection: psycopg.Connection[Any]) -> None:
    """Write down what is there now, as what must be there from now on."""
    connection.execute("delete from ops.expected_objects")
    connection.execute(RECORD)
