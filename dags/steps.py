"""The steps of reading one platform, shared by the scheduled DAGs and the manual refresh."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.airflow_settings import data_docs_directory, settings
from dags.assets import RAW
from dags.policy import airflow_outcomes

log = logging.getLogger(__name__)

# The DAGs' default arguments: what Airflow repeats by itself. policy.py says what it must not repeat.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
# More than this many red squares help nobody; `python -m extractors status --problems` has them all.
MOST_VERDICTS = 25
CHUNK_LABEL = "{{ outcome | default('chunk ' ~ task.op_kwargs['chunk']['number']) }}"
PROBLEM_LABEL = "{{ task.op_kwargs['problem']['label'] }}"


def read_platform(platform: str) -> Any:
    """Wire plan, extract (mapped over chunks), validate, problems and verdict (mapped over accounts); return the first.

    XComs hold ids and counts.
    """
    asset = RAW[platform]

    @task
    def plan() -> list[dict[str, Any]]:
        from dags.asked import is_backfill, origin
        from extractors.origins import announce
        from extractors.planning import planned_chunks

        context = get_current_context()
        params = context["params"]
        if platform not in params.get("platforms", [platform]):
            return []
        businesses = [params["business_id"]] if "business_id" in params else None
        with airflow_outcomes(), closing(settings().warehouse.connect()) as connection, connection:
            found = planned_chunks(connection, platform, businesses)
            announce(connection, origin(context), platform, is_backfill=is_backfill(context))
        return found

    @task(pool=f"api_{platform}", map_index_template=CHUNK_LABEL)
    def extract(chunk: dict[str, Any]) -> dict[str, int]:
        from dags.chunk import read

        with airflow_outcomes():
            return read(platform, chunk, cast(dict[str, Any], get_current_context()))

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def problems(chunks: Any, gates: Any) -> list[dict[str, Any]]:
        if chunks is None:
            raise AirflowFailException("nothing was planned; the first red task says why")
        from dags.verdicts import found

        with airflow_outcomes():
            held = gates["quarantined"] if gates else []
            return found(platform, chunks, held, get_current_context(), most=MOST_VERDICTS)

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[asset])
    def validate(chunks: Any) -> dict[str, Any]:
        from dags.asked import origin
        from expectations.gate import validate_pending
        from extractors.origins import is_anything_read

        if not chunks:
            raise AirflowSkipException("there was nothing to read, so there is nothing to validate")
        context, configured = get_current_context(), settings()
        with airflow_outcomes(), closing(configured.warehouse.connect()) as connection:
            gates = validate_pending(configured, [platform], docs_dir=data_docs_directory())
            is_read = is_anything_read(connection, origin(context), platform)
        for line in (line for gate in gates for line in gate.lines()):
            log.error(line)
        passed, rows = [gate for gate in gates if gate.passed], sum(gate.rows for gate in gates if gate.passed)
        counts: dict[str, Any] = {"runs": len(passed), "rows": rows}
        held = [gate.run_id for gate in gates if not gate.passed]
        if not passed or not (is_read or rows):
            raise (
                AirflowFailException(f"the gate held back {len(held)} runs, named above")
                if held
                else AirflowSkipException("no news")
            )
        context["outlet_events"][asset].extra = counts
        return {"quarantined": held, **counts}

    @task(map_index_template=PROBLEM_LABEL, retries=0)
    def verdict(problem: dict[str, Any]) -> None:
        from dags.verdicts import line_of

        with airflow_outcomes():
            raise AirflowFailException(line_of(platform, problem, get_current_context()))

    chunks = plan()
    judged = validate(chunks)
    extract.expand(chunk=chunks) >> judged
    verdict.expand(problem=problems(chunks, judged))
    return chunks
