"""`python -m extractors erase`: the data of a business, of one platform of it, or of one post go (docs/adr/0039).

Accounts are disabled first, and that update waits for the page that is being written: behind it no run stores anything.
Tables are found in the catalog, so that one that is added later is not forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from extractors.errors import ConfigurationError
from extractors.patience import patiently
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Record, Unread

Connection = psycopg.Connection[Any]
SCHEMAS = ("raw", "ops", "core")
# Who the tenant is, who may log in, and what was erased; the accounts stay, disabled.
KEPT = frozenset({"ops.businesses", "ops.accounts", "ops.tenant_grants", "ops.erasures", "core.dim_businesses"})
# Streams whose records are posts, and the field by which a comment names the post it is below.
OF_POSTS = frozenset({"posts", "stories"})
PARENT = {"linkedin": "post", "twitter": "conversation_id", "facebook": "post_id", "instagram": "post_id"}
# Sums of several platforms are made anew from what is left.
OF_ALL = "all"

# A table of ours that says whose its rows are. A partition's rows are deleted through its parent.
TABLES = """
select space.nspname, relation.relname, relation.oid::bigint,
    array(select attname::text from pg_attribute where attrelid = relation.oid and attnum > 0 and not attisdropped)
from pg_class as relation
inner join pg_namespace as space on space.oid = relation.relnamespace
where relation.relkind in ('r', 'p') and not relation.relispartition and space.nspname = any(%s)
"""
REFERENCES = (
    "select conrelid::bigint, confrelid::bigint from pg_constraint where contype = 'f' and conrelid <> confrelid"
)

DISABLE = """
update ops.accounts set is_enabled = false, updated_at = now()
where business_id = %(business_id)s and platform = any(%(platforms)s)
"""
ACCOUNTS = """
select platform, account_id, credential from ops.accounts
where business_id = %(business_id)s and platform = any(%(platforms)s)
for no key update
"""
# Of a credential that a living account uses, the pair stays.
CREDENTIALS = """
delete from ops.{table} as held
where (held.platform, held.credential) in (
    select platform, credential from ops.accounts
    where business_id = %(business_id)s and platform = any(%(platforms)s)
) and not exists (
    select from ops.accounts as living
    where living.platform = held.platform and living.credential = held.credential and living.is_enabled
)
"""
CAPABILITIES = """
delete from ops.metric_capabilities as learned
where (learned.platform, learned.account_id) in (
    select platform, account_id from ops.accounts
    where business_id = %(business_id)s and platform = any(%(platforms)s)
) and not exists (
    select from ops.accounts as living
    where living.platform = learned.platform and living.account_id = learned.account_id and living.is_enabled
)
"""
PURGE = """
with gone as (
    delete from {table} where {where}
    returning run_id
),

counted as (
    select run_id, count(*) as rows_gone from gone group by run_id
)

update ops.extract_runs as run set purged = run.purged + counted.rows_gone
from counted
where run.run_id = counted.run_id
returning counted.rows_gone
"""
# What core calls a post, whichever of its versions is asked for; there is no such table before the first build.
POST_KEYS = """
select post_key from core.dim_posts
where business_id = %(business_id)s and post_id = %(post)s and platform = any(%(platforms)s)
"""
NOTE = """
insert into ops.erasures (business_id, platform, post_digest, rows_deleted)
values (%(business_id)s, %(platform)s, %(digest)s, %(rows)s)
"""
ERASED = """
select post_digest from ops.erasures
where business_id = %(business_id)s and (platform is null or platform = %(platform)s) and post_digest is not null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that holds rows of tenants."""

    schema: str
    name: str
    oid: int
    columns: frozenset[str]

    @property
    def full_name(self) -> str:
        """Its name with the schema."""
        return f"{self.schema}.{self.name}"

    @property
    def platform(self) -> str | None:
        """The platform that all rows of a raw table are of."""
        key = self.name.partition("__")[0]
        return key if self.schema == "raw" and key in PLATFORMS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many rows of which tables are gone, and how many accounts are disabled."""

    rows: dict[str, int]
    accounts: int

    def __str__(self) -> str:
        tables = ", ".join(f"{count} of {name}" for name, count in self.rows.items()) or "nothing was there"
        disabled = f"; {self.accounts} accounts are disabled" if self.accounts else ""
        return f"Erased {tables}{disabled}. Marts follow with the next publication (`dbt build`, the DAG transform)."


def erase(settings: Settings, business_id: int, platform: str | None = None, post_id: str | None = None) -> Erased:
    """Erase what is stored of a business, of one platform of it, or of one post; safe to repeat.

    Without a post the accounts are disabled. Raises ConfigurationError for a business nobody loaded, and RetryLater
    while another session goes on holding a lock.
    """
    values = {"business_id": business_id, "platforms": [platform] if platform else list(PLATFORMS), "post": post_id}
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        known = connection.execute("select 1 from ops.businesses where business_id = %s", (business_id,)).fetchone()
        if known is None:
            raise ConfigurationError(f"there is no business {business_id}", "look with `python -m extractors status`")
        return patiently(partial(_erase, connection, values, platform), f"the erasure of business {business_id}")


def digest_of(post_id: str) -> bytes:
    """Return what stands for an erased post."""
    return hashlib.sha256(post_id.encode("utf-8", "surrogatepass")).digest()


def erased_posts(connection: Connection, account: Account, stream: str) -> frozenset[bytes]:
    """Return what stands for the posts of a business that must not be stored again; of other streams nothing."""
    if stream not in OF_POSTS:
        return frozenset()
    return frozenset(bytes(row[0]) for row in connection.execute(ERASED, account.identity()))


def without(records: Sequence[Record | Unread], erased: frozenset[bytes]) -> Sequence[Record | Unread]:
    """Leave out what was erased, though the platform goes on listing it."""
    return [each for each in records if digest_of(each.key) not in erased] if erased else records


def _erase(connection: Connection, values: dict[str, Any], platform: str | None) -> Erased:
    """Erase in one transaction."""
    post_id = values["post"]
    with connection.transaction():
        # The rows of the accounts are locked: a page that is being written comes first, and behind us there is none.
        accounts = connection.execute(ACCOUNTS, values).fetchall()
        rows = _post_rows(connection, values) if post_id is not None else _all_rows(connection, values)
        found = {name: count for name, count in rows.items() if count}
        digest = digest_of(post_id) if post_id is not None else None
        noted = {"business_id": values["business_id"], "platform": platform, "digest": digest, "rows": Jsonb(found)}
        connection.execute(NOTE, noted)
    return Erased(rows=found, accounts=0 if post_id is not None else len(accounts))


def _all_rows(connection: Connection, values: dict[str, Any]) -> dict[str, int]:
    connection.execute(DISABLE, values)
    rows = {"ops.metric_capabilities": connection.execute(CAPABILITIES, values).rowcount}
    for name in ("credentials", "credential_warnings"):
        statement = sql.SQL(CREDENTIALS).format(table=sql.Identifier(name))
        rows[f"ops.{name}"] = connection.execute(statement, values).rowcount
    for table in _tables(connection):
        if table.platform is not None and table.platform not in values["platforms"]:
            continue
        where = "business_id = %(business_id)s"
        if "platform" in table.columns:
            where += " and (platform = any(%(platforms)s) or platform = %(of_all)s)"
        rows[table.full_name] = _delete(connection, table, where, {**values, "of_all": OF_ALL})
    return rows


def _post_rows(connection: Connection, values: dict[str, Any]) -> dict[str, int]:
    """Delete what has the post's id for a key, what stands below it, and kept answers that hold it."""
    rows: dict[str, int] = {}
    tables = _tables(connection)
    values = values | {"keys": _post_keys(connection, values) if _has_core(tables) else []}
    for table in tables:
        if table.platform is not None and table.platform not in values["platforms"]:
            continue
        named = [f"{name} = %(post)s" for name in ("record_key", "post_id") if name in table.columns]
        if "post_key" in table.columns and values["keys"]:
            named.append("post_key = any(%(keys)s)")
        if "payload" in table.columns and table.platform and table.name.endswith("__comments"):
            named.append(f"payload ->> '{PARENT[table.platform]}' = %(post)s")
        if table.full_name == "ops.quarantine":
            named.append("position(convert_to(%(post)s, 'UTF8') in body) > 0")
        if named:
            where = f"business_id = %(business_id)s and ({' or '.join(named)})"
            where += " and platform = any(%(platforms)s)" if "platform" in table.columns else ""
            delete = _delete_counted if table.schema == "raw" else _delete
            rows[table.full_name] = delete(connection, table, where, values)
    return rows


def _has_core(tables: Iterable[Table]) -> bool:
    return any(table.full_name == "core.dim_posts" for table in tables)


def _post_keys(connection: Connection, values: dict[str, Any]) -> list[Any]:
    return [row[0] for row in connection.execute(POST_KEYS, values)]


def _delete_counted(connection: Connection, table: Table, where: str, values: dict[str, Any]) -> int:
    """Delete rows of runs that stay: each knows how many of its rows went, so that ledger and table add up."""
    statement = sql.SQL(PURGE).format(table=sql.Identifier(table.schema, table.name), where=sql.SQL(where))
    return sum(row[0] for row in connection.execute(statement, values))


def _delete(connection: Connection, table: Table, where: str, values: dict[str, Any]) -> int:
    statement = sql.SQL("delete from {} where " + where).format(sql.Identifier(table.schema, table.name))
    return connection.execute(statement, values).rowcount


def _tables(connection: Connection) -> list[Table]:
    """Return the tables that hold rows of tenants, those that refer to others before the others.

    Raw comes before the ledger, as in the gate, whose transaction would else be met from the other side.
    """
    rows = connection.execute(TABLES, (list(SCHEMAS),)).fetchall()
    found = [Table(schema=row[0], name=row[1], oid=row[2], columns=frozenset(row[3])) for row in rows]
    held = {each.oid: each for each in found if "business_id" in each.columns and each.full_name not in KEPT}
    ordered = [held[oid] for oid in _referring_first(held, connection.execute(REFERENCES).fetchall())]
    return sorted(ordered, key=lambda table: table.schema == "ops")


def _referring_first(tables: Iterable[int], references: Sequence[tuple[int, int]]) -> list[int]:
    known = set(tables)
    order: TopologicalSorter[int] = TopologicalSorter({each: set() for each in sorted(known)})
    for referring, referred in references:
        if referring in known and referred in known:
            order.add(referred, referring)
    return list(order.static_order())
