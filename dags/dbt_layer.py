"""One layer of the dbt project as one call: a task per model would cost seconds per model (docs/adr)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from extractors.settings import Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

FAILED = ("error", "fail", "runtime error", "partial success")
PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"


def build(settings: Settings, *selectors: str, publish: bool = True) -> dict[str, int]:
    """Build and test the selected layers; return how many nodes ended in which state.

    Raises AirflowFailException with one line naming the nodes that failed.
    """
    # Unit tests judge the code on made-up rows: `make test` runs them, here they would only cost time.
    asked = ["--select", *selectors, "--exclude-resource-type", "unit_test", "--vars", json.dumps({"publish": publish})]
    done = _invoked(settings, "build", *asked)
    results = getattr(done.result, "results", [])
    states = Counter(str(result.status) for result in results)
    if not done.success:
        failed = [f"{each.node.unique_id}: {one_line(each.message)}" for each in results if each.status in FAILED]
        raise AirflowFailException(f"dbt: {len(failed)} nodes failed: {'; '.join(failed[:5])}")
    return dict(states)


def publish(settings: Settings) -> None:
    """Publish what was built, in one transaction. Raises AirflowFailException with the reason if it came to nothing."""
    from expectations.marts import last_refusal

    done = _invoked(settings, "run-operation", "publish")
    if not done.success:
        raise AirflowFailException(one_line(last_refusal(settings)))


def _invoked(settings: Settings, command: str, *arguments: str) -> dbtRunnerResult:
    from dbt.cli.main import dbtRunner  # takes seconds to import, so not at parse time

    where = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    with _environment(settings.warehouse.environment()):
        done = dbtRunner().invoke([command, *where, *arguments])
    if done.exception is not None:
        raise AirflowFailException(f"dbt could not start: {one_line(done.exception)}")
    return done


def one_line(message: object) -> str:
    """Return a message of dbt as one line of bearable length."""
    return " ".join(str(message).split())[:400]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Lend libpq's variables to dbt, which reads its profile from the environment."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
