"""The manual refresh of one business: some of its platforms, now."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, Param, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from dags.airflow_settings import settings
from dags.policy import airflow_outcomes
from dags.schedules import LONGEST_WAIT, LONGEST_WORK
from dags.steps import RETRIES, read_platform
from extractors.registry import PLATFORMS

DOC = """
### Reads one business now

Trigger it with `{"business_id": 1, "platforms": ["linkedin", "twitter"], "since": null}`, in the UI or over REST.
`since` (YYYY-MM-DD) reads further back than usual. What lands passes the same gates, and `transform` follows.

**Red means**
* `check`: a parameter is wrong or unknown, or the business has no enabled account there; nothing was read.
* anything else: as in the `extract_<platform>` DAGs, whose notes apply.

**What to try**: `python -m extractors status` lists businesses and accounts; correct the parameters and trigger again.
"""
PARAMS = {
    "business_id": Param(1, type="integer", minimum=1, description="The tenant to refresh"),
    "platforms": Param(
        list(PLATFORMS), type="array", items={"enum": list(PLATFORMS)}, minItems=1, uniqueItems=True
    ),
    "since": Param(None, type=["null", "string"], format="date", description="Read from this day on, or null"),
}  # fmt: skip

with DAG(
    dag_id="sync",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=LONGEST_WAIT + LONGEST_WORK,
    default_args=RETRIES,
    params=PARAMS,
    tags=["extract", "manual"],
    doc_md=DOC,
) as dag:

    @task
    def check() -> None:
        """Refuse what the JSON schema cannot: keys nobody knows, and a business with nothing to read."""
        from extractors.extract import due_accounts

        context = get_current_context()
        if unknown := sorted(set(context["dag_run"].conf or {}) - set(PARAMS)):
            raise AirflowFailException(f"unknown parameters: {', '.join(unknown)}; known are {', '.join(PARAMS)}")
        business, platforms = context["params"]["business_id"], context["params"]["platforms"]
        with airflow_outcomes():
            if not any(due_accounts(settings(), platform, [business]) for platform in platforms):
                raise AirflowFailException(
                    f"business {business} has no enabled account on {', '.join(platforms)}; "
                    "`python -m extractors accounts load accounts.yml` adds them"
                )

    checked = check()
    for platform in PLATFORMS:
        with TaskGroup(platform):
            checked >> read_platform(platform)
