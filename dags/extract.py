"""One extraction DAG per platform of the registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from dags.airflow_settings import cron
from dags.steps import RETRIES, read_platform
from extractors.registry import PLATFORMS

DAILY = "0 3 * * *"
SCHEDULES = {"twitter": "0 * * * *"}

DOC = """
### Reads {platform} into raw

`plan` lists the accounts, `extract` reads each (mapped, in pool `api_{platform}`), `validate` lets Great Expectations
judge what landed, `verdict` says what is missing. Accounts that passed reach the Asset and `transform` all the same.

**Red means**
* `extract[account]`: this account alone failed. The last line of its log says who, what and what to do. It is not
  retried when only a person can help (a dead token, a lost permission, a changed format).
* up for reschedule: the platform named the next allowed time; nothing to do.
* `validate` or `verdict`: a gate held a run back, or accounts are missing; both are named. Nothing else is held up.
* `plan`: the warehouse cannot be reached.

**What to try**: fix what the line names, then clear the red task, or trigger `sync` for the one business.
`python -m extractors status` shows each account; docs/runbook.md has a section per error.
"""

for platform in PLATFORMS:
    with DAG(
        dag_id=f"extract_{platform}",
        schedule=cron(SCHEDULES.get(platform, DAILY)),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=6),
        default_args=RETRIES,
        tags=["extract", platform],
        doc_md=DOC.format(platform=platform),
    ) as dag:
        read_platform(platform)
    globals()[dag.dag_id] = dag
