"""What a DAG run says in the end: one line per account that was not read, and which of four things it needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from dags.airflow_settings import settings
from dags.asked import origin
from dags.later import clock, is_later, waiting
from dags.schedules import waits_until
from extractors.origins import conclude, notable, refused
from extractors.status import Line, problems, warnings, worst

log = logging.getLogger(__name__)
MOST_RUNS = 100


def found(
    platform: str, chunks: Sequence[Mapping[str, Any]], held: Sequence[str], context: Mapping[str, Any], *, most: int
) -> list[dict[str, Any]]:
    """Log every problem and warning of the run's accounts, and return the ids of at most so many with a problem.

    Who only waits for a limit, and is read later in this run, has none. `held`: runs that the gate refused, which
    another may have asked for.
    """
    accounts = [
        {"business_id": business, "account_id": name} for chunk in chunks for business, name in chunk["accounts"]
    ]
    with closing(settings().warehouse.connect()) as connection, connection:
        lines = notable(connection, origin(context), platform, accounts)
        later = waiting(lines, now=datetime.now(UTC), until=waits_until(platform, context))
        lines = [line for line in lines if not is_later(line, later)] + refused(connection, held)
        conclude(connection, origin(context), platform)
    for text in warnings(lines):
        log.warning(text)
    for text in problems(lines):
        log.error(text)
    gravest = worst(lines)
    trouble = len({line.account for line in gravest})
    log.info("%s of %s accounts have a problem, %s are read later", trouble, len(accounts), len(later))
    shown = [_problem(line, held) for line in gravest[:most]]
    if len(gravest) > most:
        shown.append({"label": f"and {len(gravest) - most} more, in the log of `problems`"})
    return shown


def line_of(platform: str, problem: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Return the line of one account of `found`."""
    if "account_id" not in problem:
        return str(problem["label"])
    with closing(settings().warehouse.connect()) as connection:
        about = notable(connection, origin(context), platform, [problem])
        about += refused(connection, problem["runs"])
    mine = [
        line for line in about if (line.business_id, line.account_id) == (problem["business_id"], problem["account_id"])
    ]
    lines = problems(mine)
    return lines[0] if lines else f"{problem['label']}: read meanwhile"


def unread(platform: str, group: Mapping[str, Any], context: dict[str, Any]) -> list[str]:
    """Return a line for each account of a group of `later` that was not read, and a warning or an error in the log.

    `context["outcome"]` is what the task is called in Airflow's UI afterwards.
    """
    identities = [{"business_id": business, "account_id": name} for business, name in group["accounts"]]
    with closing(settings().warehouse.connect()) as connection:
        lines = notable(connection, origin(context), platform, identities)
    for text in warnings(lines):
        log.warning(text)
    found, gravest = problems(lines), worst(lines)
    more = f" (and {len(gravest) - 1} more)" if len(gravest) > 1 else ""
    context["outcome"] = f"{_problem(gravest[0], [])['label']}{more}" if gravest else f"{group['who']}: read"
    for text in found:
        log.error(text)
    return found


def _problem(line: Line, held: Sequence[str]) -> dict[str, Any]:
    until = f" until {clock(line.next_allowed_at)}" if line.action == "wait" and line.next_allowed_at else ""
    label = f"{line.action or 'look'}{until}: {line.platform} {line.account_id} of business {line.business_id}"
    runs = list(held)[:MOST_RUNS] if line.state == "refused" else []
    return {"business_id": line.business_id, "account_id": line.account_id, "label": label[:200], "runs": runs}
