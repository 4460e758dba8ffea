"""The steps of reading one platform, shared by the scheduled DAGs and the manual refresh."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.airflow_settings import data_docs_directory, settings
from dags.assets import RAW
from dags.policy import airflow_outcomes, outcome

log = logging.getLogger(__name__)

# The DAGs' default arguments: what Airflow repeats by itself. policy.py says what it must not repeat.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
COUNTS = ("listed", "stored", "unchanged", "quarantined", "calls")


def read_platform(platform: str) -> Any:
    """Wire plan, extract (mapped over accounts), validate and verdict; return the first. XComs hold ids and counts."""
    asset = RAW[platform]

    @task
    def plan() -> list[dict[str, Any]]:
        from extractors.extract import due_accounts

        params = get_current_context()["params"]
        if platform not in params.get("platforms", [platform]):
            return []
        businesses = [params["business_id"]] if "business_id" in params else None
        with airflow_outcomes():
            return due_accounts(settings(), platform, businesses)

    @task(pool=f"api_{platform}", map_index_template="{{ task.op_kwargs['account']['account_id'] }}")
    def extract(account: dict[str, Any]) -> dict[str, Any]:
        from extractors.extract import extract_account

        since = get_current_context()["params"].get("since")
        with airflow_outcomes():
            results = extract_account(settings(), account, since=date.fromisoformat(since) if since else None)
        if errors := [result.error for result in results if result.error is not None]:
            raise outcome(errors)
        return {"account": account} | {name: sum(getattr(each, name) for each in results) for name in COUNTS}

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[asset])
    def validate(accounts: Any, landed: Any) -> dict[str, Any]:
        from expectations.gate import validate_pending

        if not accounts:
            raise AirflowSkipException("there was nothing to read, so there is nothing to validate")
        with airflow_outcomes():
            gates = validate_pending(settings(), [platform], docs_dir=data_docs_directory())
        for line in (line for gate in gates for line in gate.lines()):
            log.error(line)
        held = [f"{gate.stream} of account {gate.account_id}" for gate in gates if not gate.passed]
        passed = [gate for gate in gates if gate.passed]
        if not passed or not (landed or any(gate.rows for gate in passed)):
            raise AirflowFailException(quarantined(held)) if held else AirflowSkipException("nothing landed")
        extra: dict[str, Any] = {"runs": len(passed), "rows": sum(gate.rows for gate in passed)}
        get_current_context()["outlet_events"][asset].extra = extra
        return {"quarantined": held, **extra}

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def verdict(accounts: Any, landed: Any, gates: Any) -> None:
        if accounts is None:
            raise AirflowFailException("nothing was planned; the first red task says why")
        missing = unread(accounts, landed or [])
        problems = [f"{len(missing)} of {len(accounts)} accounts not read: {', '.join(missing)}"] if missing else []
        if gates and gates["quarantined"]:
            problems.append(quarantined(gates["quarantined"]))
        if problems:
            raise AirflowFailException("; ".join(problems))

    accounts = plan()
    landed = extract.expand(account=accounts)
    verdict(accounts, landed, validate(accounts, landed))
    return accounts


def unread(accounts: Iterable[dict[str, Any]], landed: Iterable[dict[str, Any] | None]) -> list[str]:
    """Return the planned accounts that were not read completely."""
    complete = [result["account"] for result in landed if result]
    return [f"{each['account_id']} of business {each['business_id']}" for each in accounts if each not in complete]


def quarantined(runs: list[str]) -> str:
    """Return the line that names the runs a gate held back."""
    return f"the gate held back {len(runs)} runs: {', '.join(runs)}; the log of `validate` says which rows and why"
