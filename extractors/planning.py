"""The accounts of a platform as chunks of plain data, for task mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from extractors.accounts import enabled_accounts
from extractors.chunks import chunks


def planned_chunks(
    connection: psycopg.Connection[Any], platform: str, business_ids: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Return the enabled accounts of a platform in chunks: a number from 1, and pairs of business and account id."""
    accounts = enabled_accounts(connection, [platform], business_ids)
    return [
        {"number": number, "accounts": [[each.business_id, each.account_id] for each in chunk]}
        for number, chunk in enumerate(chunks(accounts), 1)
    ]
