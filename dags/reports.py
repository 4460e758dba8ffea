"""One DAG per report of the catalog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from dags.airflow_settings import cron, exports_directory, settings
from dags.policy import airflow_outcomes
from extractors.registry import PLATFORMS
from reports.catalog import REPORTS

DOC = """
### Writes the report `{name}`

For each business one folder `exports/{name}/<business>/<period>/` with the files and, last of all, the manifest. A file
under its final name is whole. The schedule takes the period that has just ended; a manual run may name another one.

**Red means** `render[business]`: this business's report was not written, the others were; an older one stays as it was.
The last line of the log says why. `businesses`: the warehouse cannot be reached.

**What to try**: `python -m reports render {name} --business <id> --period <period>` shows the same error at once;
`python -m reports verify <folder>` checks files against their manifest. Then clear the red task.
"""


def write_report(name: str) -> None:
    """Wire businesses → render, mapped over them."""

    @task
    def businesses() -> list[int]:
        from extractors.extract import due_accounts

        with airflow_outcomes():
            accounts = [each for platform in PLATFORMS for each in due_accounts(settings(), platform)]
        return sorted({each["business_id"] for each in accounts})

    @task(map_index_template="business {{ task.op_kwargs['business_id'] }}")
    def render(business_id: int) -> dict[str, Any]:
        from reports.render import render

        period = get_current_context()["params"]["period"]
        with airflow_outcomes():
            written = render(settings(), name, business_id, period, exports_directory())
        return {"directory": str(written.directory), "rows": written.rows}

    render.expand(business_id=businesses())


for name, report in REPORTS.items():
    with DAG(
        dag_id=f"report_{name}",
        schedule=cron(report.cron),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=2),
        default_args={"retries": 1, "retry_delay": timedelta(minutes=2)},
        params={
            "period": Param(None, type=["null", "string"], description="YYYY-MM-DD, YYYY-Www or YYYY-MM; null: last")
        },
        tags=["report"],
        doc_md=DOC.format(name=name),
    ) as dag:
        write_report(name)
    globals()[dag.dag_id] = dag
