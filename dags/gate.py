"""What the gate says of a platform's rows, and whether there is news to announce."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.airflow_settings import data_docs_directory, settings
from dags.asked import origin
from extractors.origins import is_anything_read

log = logging.getLogger(__name__)


def judge(platform: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Judge what waits for the gate; return counts of what passed, and the runs that were held back.

    Raises AirflowFailException when everything was, and AirflowSkipException when there is no news.
    """
    from expectations.gate import validate_pending  # takes seconds to import, and Airflow reads this file for DAGs

    configured = settings()
    with closing(configured.warehouse.connect()) as connection:
        gates = validate_pending(configured, [platform], docs_dir=data_docs_directory())
        is_read = is_anything_read(connection, origin(context), platform)
    for line in (line for gate in gates for line in gate.lines()):
        log.error(line)
    passed, held = [gate for gate in gates if gate.passed], [gate.run_id for gate in gates if not gate.passed]
    rows = sum(gate.rows for gate in passed)
    if not passed or not (is_read or rows):
        if held:
            raise AirflowFailException(f"the gate held back {len(held)} runs, named above")
        raise AirflowSkipException("no news")
    return {"quarantined": held, "runs": len(passed), "rows": rows}
