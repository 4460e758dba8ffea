"""One extraction DAG per platform of the registry."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from dags.airflow_settings import cron
from dags.schedules import run_timeout, schedule
from dags.steps import RETRIES, read_platform
from extractors.registry import PLATFORMS

DOC = """
### Reads {platform} into raw

`plan` deals the accounts into chunks, `extract` reads each chunk (mapped, in pool `api_{platform}`; a line per account
in its log), `validate` lets Great Expectations judge what landed and announces it, `problems` logs a line per account
that was not read, `verdict` is mapped over those. Accounts that passed reach the Asset and `transform` all the same.
Who must wait for a limit is read `later` in the same run, without a slot meanwhile; nobody else waits for it. A limit
that ends after the next scheduled run begins is left to that run.

**Red means**
* `verdict[renew the token: …]`: this account alone was not read; the name says which of four things it needs: wait,
  renew, fix the permission, look at the contract. The last line of its log says who, what and what to do.
* `extract[chunk …]`: some of its accounts were not read, `verdict` says which; the others landed. It is retried while
  another try could help, and not for what only a person can mend.
* `later[wait until …]` up for reschedule: a limit ends then, or a backfill gives way; nothing to do.
* `validate`: a gate could not judge, or held everything back. `plan`: the warehouse cannot be reached.

**What to try**: fix what the line names, then clear `extract` with its downstream tasks: it reads only what is missing.
Or trigger `sync` for the one business. `airflow backfill create` reads days of the past, and lets other runs go first.
`python -m extractors status` shows each account; docs/runbook.md has a section per error.
"""

for platform in PLATFORMS:
    with DAG(
        dag_id=f"extract_{platform}",
        schedule=cron(schedule(platform)),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=run_timeout(platform),
        default_args=RETRIES,
        tags=["extract", platform],
        doc_md=DOC.format(platform=platform),
    ) as dag:
        read_platform(platform)
    globals()[dag.dag_id] = dag
