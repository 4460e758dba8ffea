"""The steps of reading one platform, shared by the scheduled DAGs and the manual refresh."""

from __future__ import annotations

import logging
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.airflow_settings import settings
from dags.assets import RAW
from dags.policy import airflow_outcomes

log = logging.getLogger(__name__)

# The DAGs' default arguments: what Airflow repeats by itself. policy.py says what it must not repeat.
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
# More than this many red squares help nobody; `python -m extractors status --problems` has them all.
MOST_VERDICTS = 25
CHUNK_LABEL = "{{ outcome | default('chunk ' ~ task.op_kwargs['chunk']['number']) }}"
LATER_LABEL = "{{ outcome | default(task.op_kwargs['group']['label']) }}"
PROBLEM_LABEL = "{{ task.op_kwargs['problem']['label'] }}"


def read_platform(platform: str) -> Any:
    """Wire plan, extract (mapped over chunks), validate, problems and verdict (mapped over accounts), and return plan.

    Beside them `waits`, and over its groups `later`, reads accounts whose limits end within the run's time, so that
    nobody else waits for them. XComs hold ids and counts.
    """

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

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[RAW[platform]])
    def validate(chunks: Any) -> dict[str, Any]:
        if not chunks:
            raise AirflowSkipException("there was nothing to read, so there is nothing to validate")
        return announced(platform, get_current_context())

    @task(map_index_template=PROBLEM_LABEL, retries=0)
    def verdict(problem: dict[str, Any]) -> None:
        from dags.verdicts import line_of

        with airflow_outcomes():
            raise AirflowFailException(line_of(platform, problem, get_current_context()))

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def waits(chunks: Any) -> list[dict[str, Any]]:
        from dags.later import waits

        with airflow_outcomes():
            return waits(platform, chunks or [], get_current_context())

    chunks = plan()
    judged = validate(chunks)
    waiting = waits(chunks)
    extract.expand(chunk=chunks) >> [judged, waiting]
    verdict.expand(problem=problems(chunks, judged))
    read_later(platform, waiting)
    return chunks


def read_later(platform: str, groups: Any) -> None:
    """Wire later and later_verdict, both mapped over `waits`: accounts are read when their limits have ended.

    They stand beside the rest of the run: nobody waits for them, and each group announces by itself what it read.
    """

    @task(pool=f"api_{platform}", outlets=[RAW[platform]], map_index_template=LATER_LABEL)
    def later(group: dict[str, Any]) -> dict[str, Any]:
        from dags import chunk

        context = get_current_context()
        # At first nothing is called: the ledger knows that these wait, and until when. Whom only a person can help is
        # told by `later_verdict`, so that the others are announced.
        with airflow_outcomes(), suppress(AirflowFailException):
            chunk.read(platform, group, cast(dict[str, Any], context), comes_again=True)
        return announced(platform, context)

    @task(trigger_rule=TriggerRule.ALL_DONE, map_index_template=LATER_LABEL, retries=0)
    def later_verdict(group: dict[str, Any]) -> None:
        from dags.verdicts import unread

        with airflow_outcomes():
            if lines := unread(platform, group, cast(dict[str, Any], get_current_context())):
                raise AirflowFailException("; ".join(lines[:MOST_VERDICTS]))

    later.expand(group=groups) >> later_verdict.expand(group=groups)


def announced(platform: str, context: Any) -> dict[str, Any]:
    """Let the gate judge, and tell with the Asset how much passed."""
    from dags.gate import judge

    with airflow_outcomes():
        found = judge(platform, context)
    context["outlet_events"][RAW[platform]].extra = {name: found[name] for name in ("runs", "rows")}
    return found
