"""When tokens end, and who must be told: 30 days before for a refresh token, then 14, 7 and 1, and once it is over.

Every credential is looked at by the database's clock; nothing of a secret is in what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from extractors.credentials import Stored, stored
from extractors.errors import ConfigurationError
from extractors.registry import PLATFORMS
from extractors.sealing import NotOpened
from extractors.settings import Credential, Settings

THRESHOLDS = {"access": (14, 7, 1, 0), "refresh": (30, 14, 7, 1, 0)}
"""Days before the end of an access token that nothing renews, and of a refresh token."""

# A credential that is asked for by one of its platforms is shown, and told, with all of them.
USED = """
select credential, array_agg(distinct platform order by platform), clock_timestamp()
from ops.accounts
where is_enabled
group by credential
having bool_or(
    (%(platforms)s::text[] is null or platform = any (%(platforms)s))
    and (%(business_ids)s::bigint[] is null or business_id = any (%(business_ids)s))
)
order by credential
"""
ENDS = "select expires_at, refresh_expires_at from ops.credentials where platform = %s and credential = %s"
TELL = """
insert into ops.credential_warnings (platform, credential, what, expires_at, days, told_by)
values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning days
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a credential stands. `state`: current, ended, needs_reauth, missing or locked (the keys do not open it).

    `what` ends at `ends_at`: the access token, or the refresh token where the pipeline renews the access token itself.
    """

    platforms: tuple[str, ...]
    credential: str
    state: str
    source: str = "connection"
    what: str = "access"
    expires_at: datetime | None = None
    ends_at: datetime | None = None
    left: timedelta | None = None
    problem: str | None = None

    @property
    def days_left(self) -> int | None:
        """Whole days until `ends_at`, rounded down; negative once it is over."""
        return None if self.left is None else self.left // timedelta(days=1)

    def as_dict(self) -> dict[str, Any]:
        """Return the standing as plain data."""
        names = ("credential", "state", "source", "what", "expires_at", "ends_at", "days_left", "problem")
        return {"platforms": list(self.platforms), **{name: getattr(self, name) for name in names}}

    def advice(self) -> str:
        """Return one line for a person: what ends when, and what to do."""
        name = f"{' and '.join(self.platforms)} credential {self.credential}"
        if self.state in ("needs_reauth", "missing", "locked"):
            return f"{name}: {self.problem}"
        token = "refresh token" if self.what == "refresh" else "token"
        ends = f"{self.ends_at:%Y-%m-%d %H:%M} UTC" if self.ends_at else "at a time nobody told"
        days = self.days_left or 0
        when = f"ended {ends}" if self.state == "ended" else f"ends {ends}, in {days} day{'' if days == 1 else 's'}"
        return f"{name}: its {token} {when}; log in again and replace it in the connection"


def standings(
    connection: psycopg.Connection[Any],
    settings: Settings,
    platforms: Sequence[str] | None = None,
    business_ids: Sequence[int] | None = None,
) -> list[Standing]:
    """Return one standing per credential of the enabled accounts, in order of names."""
    asked = {"platforms": list(platforms or ()) or None, "business_ids": list(business_ids or ()) or None}
    rows = connection.execute(USED, asked).fetchall()
    return [_standing(connection, settings, name, tuple(used), now) for name, used, now in rows]


def _standing(
    connection: psycopg.Connection[Any], settings: Settings, name: str, platforms: tuple[str, ...], now: datetime
) -> Standing:
    try:
        credential = settings.credential(name)
        known = stored(connection, settings, platforms[0], credential)
        if known is not None and known.state == "needs_reauth":
            problem = f"{known.problem}; log in again and put the new token and refresh token into the connection"
            return Standing(
                platforms=platforms, credential=name, state="needs_reauth", source="refresh", problem=problem
            )
        return _by_dates(connection, credential, known, platforms, now)
    except ConfigurationError as error:
        state = "locked" if isinstance(error, NotOpened) or "CREDENTIALS_KEY" in str(error) else "missing"
        return Standing(platforms=platforms, credential=name, state=state, problem=str(error))


def _by_dates(
    connection: psycopg.Connection[Any],
    credential: Credential,
    known: Stored | None,
    platforms: tuple[str, ...],
    now: datetime,
) -> Standing:
    access, refresh = credential.ends("expires_at"), credential.ends("refresh_expires_at")
    if known is not None:
        row = connection.execute(ENDS, (platforms[0], credential.connection_id)).fetchone()
        access, refresh = row if row else (None, None)
    renews_itself = PLATFORMS[platforms[0]].refresh is not None and bool(known or credential.refresh_token)
    ends = refresh if renews_itself else access
    left = ends - now if ends else None
    return Standing(
        platforms=platforms,
        credential=credential.connection_id,
        state="ended" if left is not None and left <= timedelta(0) else "current",
        source="refresh" if known else "connection",
        what="refresh" if renews_itself else "access",
        expires_at=access,
        ends_at=ends,
        left=left,
    )


def crossed(standing: Standing) -> list[int]:
    """Return the thresholds (days) that the token's end has come within, the nearest last; none for one without end."""
    left = standing.left
    return [] if left is None else [days for days in THRESHOLDS[standing.what] if left <= timedelta(days=days)]


def new_warnings(connection: psycopg.Connection[Any], found: Iterable[Standing], told_by: str) -> list[str]:
    """Return a line per credential that came within a threshold which `told_by` has not told, and note it as told.

    `told_by` is `run` or `maintenance`: what one of them said the other one still says. Two thresholds at once are one
    line. A new token has another end, and so thresholds of its own.
    """
    lines = []
    for standing in found:
        keys = (standing.platforms[0], standing.credential, standing.what, standing.ends_at)
        told = [connection.execute(TELL, (*keys, days, told_by)).fetchone() for days in crossed(standing)]
        if any(told):
            lines.append(standing.advice())
    return lines


def concerns(found: Iterable[Standing]) -> list[str]:
    """Return a line per token that a person should renew now, told before or not."""
    return [each.advice() for each in found if each.state == "needs_reauth" or crossed(each)]


def unusable(found: Iterable[Standing]) -> list[str]:
    """Return a line per credential that no run can use: missing, or sealed with a key that is not there."""
    return [each.advice() for each in found if each.state in ("missing", "locked")]


def warn(settings: Settings) -> list[str]:
    """Return what the daily maintenance has to say: what is unusable or lost each day, each threshold once."""
    with closing(settings.warehouse.connect()) as connection:
        found = standings(connection, settings)
        lost = [each for each in found if each.state == "needs_reauth"]
        lines = [*unusable(found), *(each.advice() for each in lost), *new_warnings(connection, found, "maintenance")]
        connection.commit()
    return lines


def table(found: Sequence[Standing]) -> str:
    """Return the standings as a table for people; no secret is in it."""
    if not found:
        return "No account is loaded; `python -m extractors accounts load accounts.yml` does that."
    heads = ("platform", "credential", "state", "from", "token until", "login until", "days left")
    rows = [heads, *(_cells(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([*lines, *unusable(found), *concerns(found)])


def _cells(each: Standing) -> tuple[str, ...]:
    access, login = (f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (each.expires_at, each.ends_at))
    days = "" if each.days_left is None else str(each.days_left)
    return ("+".join(each.platforms), each.credential, each.state, each.source, access, login, days)
