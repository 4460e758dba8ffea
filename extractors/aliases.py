"""One account under several ids: what a tenant writes into accounts.yml, and what a platform says of itself.

Rows stay under the id they were read by; what is listed again under the new id just as it was is not stored again.
docs/adr/0038-accounts-with-another-id.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from extractors.errors import AccountMoved
from extractors.spec import Account, Record, Unread

# What a person wrote outranks what a platform says.
NOTE = """
insert into ops.account_aliases as known (business_id, platform, former_id, account_id, told_by)
values (%(business_id)s, %(platform)s, %(former_id)s, %(account_id)s, %(told_by)s)
on conflict (business_id, platform, former_id) do update set
    account_id = excluded.account_id, told_by = excluded.told_by, noted_at = clock_timestamp()
where (known.account_id, known.told_by) is distinct from (excluded.account_id, excluded.told_by)
    and (known.told_by = 'platform' or excluded.told_by = 'accounts.yml')
"""

# An id that is in use again is nobody's former one.
CURRENT = """
delete from ops.account_aliases
where business_id = %(business_id)s and platform = %(platform)s and former_id = %(account_id)s
"""

# Once the new id is loaded, the old one has nothing more to tell.
RETIRE = """
update ops.accounts as account set is_enabled = false, updated_at = now()
from ops.account_aliases as alias
where alias.business_id = %(business_id)s and alias.platform = %(platform)s and alias.account_id = %(account_id)s
    and account.business_id = alias.business_id and account.platform = alias.platform
    and account.account_id = alias.former_id and account.is_enabled
"""

# `union` ends the walk also where ids lead in a circle.
FORMERS = """
with recursive known as (
    select former_id from ops.account_aliases
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    union
    select earlier.former_id from ops.account_aliases as earlier
    inner join known on earlier.account_id = known.former_id
    where earlier.business_id = %(business_id)s and earlier.platform = %(platform)s
)

select former_id from known where former_id <> %(account_id)s order by former_id
"""


def note(connection: psycopg.Connection[Any], account: Account, new_id: str) -> None:
    """Note what a platform said: the account is `new_id` by now. A person's word about it stays."""
    values = {**account.identity(), "former_id": account.account_id, "account_id": new_id, "told_by": "platform"}
    connection.execute(NOTE, values)


def load(
    connection: psycopg.Connection[Any], business_id: int, platform: str, account_id: str, formers: Iterable[str]
) -> None:
    """Note the former ids that accounts.yml gives an account, and retire them: the account is read by its new id."""
    values = {"business_id": business_id, "platform": platform, "account_id": account_id, "told_by": "accounts.yml"}
    connection.execute(CURRENT, values)
    for former in formers:
        connection.execute(NOTE, {**values, "former_id": former})
    connection.execute(RETIRE, values)


def formers(connection: psycopg.Connection[Any], account: Account) -> tuple[str, ...]:
    """Return every id that the account had before, also those of its former ids."""
    return tuple(row[0] for row in connection.execute(FORMERS, account.identity()))


def check_id(account: Account, records: Iterable[Record | Unread]) -> None:
    """Raise AccountMoved when the account's own node answers under another id than it was asked by."""
    for record in records:
        said = record.payload.get("id") if isinstance(record, Record) else None
        if isinstance(said, int | str) and not isinstance(said, bool) and str(said) != account.account_id:
            raise moved(account, str(said), f"{account}: the platform answers as account {said}")


def moved(account: Account, new_id: str, what: str) -> AccountMoved:
    """The error of an account that has another id by now, with what to write."""
    return AccountMoved(
        what, f'write account_id: "{new_id}" and formerly: ["{account.account_id}"] in accounts.yml and load it', new_id
    )
