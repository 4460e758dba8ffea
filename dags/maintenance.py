"""What has to be looked after every day, whether anything was extracted or not."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from dags.airflow_settings import cron, settings
from dags.policy import airflow_outcomes

DOC = """
### Looks after what ends by itself

`token_expiry` looks at every credential of an enabled account: 30 days before a refresh token ends, 14, 7 and 1 day
before any token does, and once it is over. Each threshold is told once. `retention` deletes what a platform lets others
keep for a short time only, such as what members wrote below a LinkedIn post; its log says how many rows. It makes the
partitions of `raw` three months ahead, and moves rows that came while their month had none.

**Red means**
* `retention`: rows came while their month had no partition; nothing is lost, the log says where they are by now.
* `token_expiry`: a token came nearer to its end since yesterday, or no run can use one. The log has one line for each:
  which credential, when, what to do. The extractions go on until that day.

**What to try**: log in again as the line says and replace the token in the connection, then clear the task: a threshold
that was told is not told again. `python -m extractors credentials list` shows all of them; docs/runbook.md#tokens.
"""
log = logging.getLogger(__name__)

with DAG(
    dag_id="maintenance",
    schedule=cron("0 6 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maintenance"],
    doc_md=DOC,
) as dag:

    @task
    def token_expiry() -> None:
        """Say which tokens end soon. Airflow can tell people of a failure only, so a warning is one."""
        from extractors.expiry import warn

        with airflow_outcomes():
            lines = warn(settings())
        for line in lines:
            log.warning(line)
        if lines:
            raise AirflowFailException("; ".join(lines))

    @task
    def retention() -> None:
        """Delete what may be kept no longer, and make the months to come."""
        from extractors.partitions import tend
        from extractors.retention import purge

        with airflow_outcomes():
            lines, strays = purge(settings()), tend(settings())
        for line in lines:
            log.info(line)
        if strays:
            raise AirflowFailException("; ".join(strays))

    token_expiry()
    retention()
