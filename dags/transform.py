"""From raw to marts, whenever a platform's raw data moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, AssetAny, task

from dags import dbt_layer
from dags.airflow_settings import data_docs_directory, settings
from dags.assets import MARTS, RAW
from dags.dbt_layer import build
from dags.policy import airflow_outcomes

DOC = """
### Builds core, computes the statistics, then publishes the marts

`core` runs dbt for staging, intermediate and core with their tests; `insights` computes best times and hashtag lifts
from core into core; `publish` audits the marts (dbt tests; Great Expectations: filled, of a usual size, reconciled) and
refreshes them in one transaction, so that readers see the last build or this one, never a mix.
One run at a time: what arrives meanwhile is done together by the next run.

**Red means** a model or a test failed; the last line of the log names it. Nothing was published: the marts hold the
last good build, and `marts.data_freshness` says since when and why (`publish_error`).

**What to try**: read the failing node's compiled SQL in dbt's target folder, run
`dbt build --project-dir dbt_project --profiles-dir dbt_project --select <node>` with the PG* variables; clear the task.
"""

with DAG(
    dag_id="transform",
    schedule=AssetAny(*RAW.values()),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args={"retries": 1, "retry_delay": timedelta(minutes=2)},
    tags=["transform"],
    doc_md=DOC,
) as dag:

    @task
    def core() -> dict[str, int]:
        """Build and test everything up to the facts."""
        with airflow_outcomes():
            return build(settings(), "staging", "intermediate", "core")

    @task
    def insights() -> dict[str, int]:
        """Recompute what SQL cannot say well."""
        from insights.run import run

        with airflow_outcomes():
            return run(settings()).rows

    @task(outlets=[MARTS])
    def publish() -> dict[str, int]:
        """Audit with dbt and Great Expectations, then refresh what BI tools read."""
        from expectations.marts import audit

        with airflow_outcomes():
            states = build(settings(), "publish", "audit", publish=False)
            audit(settings(), docs_dir=data_docs_directory())
            dbt_layer.publish(settings())
        return states

    core() >> insights() >> publish()
