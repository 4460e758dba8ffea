"""`python -m local demo`: the whole way of the data, once, in front of your eyes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from extractors.registry import PLATFORMS
from local import stack, summary, world
from local.airflow_api import AirflowApi
from local.layout import Layout
from local.processes import StackError
from local.runs import Follower

REPORT = "report_weekly_overview"
STAGE_LIMIT = 300.0
KNOWN_LIMIT = 60.0


@dataclass(slots=True)
class Clock:
    """Says lines with the elapsed time, and keeps the time of each stage."""

    began: float = field(default_factory=time.monotonic)
    stages: dict[str, float] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """Print a progress line; plain text, for terminals and logs alike."""
        print(f"[{time.monotonic() - self.began:5.0f} s] {line}", flush=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        before = time.monotonic()
        try:
            yield
        finally:
            self.stages[name] = time.monotonic() - before


def run(layout: Layout) -> None:
    """Start the stack, run every DAG once, print the summary, stop the stack. Raises StackError."""
    clock = Clock()
    try:
        with clock.stage("start the stack"):
            running = stack.start(layout, world.frozen(layout), clock.say)
        story = summary.before(running.server, running.now)
        pipeline(running, clock)
        text = summary.text(running, story, clock.stages)
    finally:
        with clock.stage("stop the stack"):
            stack.stop(layout)
    print(text, flush=True)
    print(f"\nAll of it took {time.monotonic() - clock.began:.0f} s.", flush=True)


def pipeline(running: stack.Stack, clock: Clock) -> None:
    """Trigger the extract DAGs, let the Assets start `transform`, then make the report."""
    api = AirflowApi(running.base_url, running.keys.admin)
    follower = Follower(api, running.layout, clock.say)
    extracts = [f"extract_{platform}" for platform in PLATFORMS]
    with clock.stage("wait for Airflow to know the DAGs"):
        wait_until_known(api, {*extracts, "transform", REPORT})
    for dag_id in (*extracts, "transform", REPORT):
        api.unpause(dag_id)
    api.end_unfinished()
    since = datetime.now(UTC).isoformat()
    with clock.stage("extract, validate"):
        follower.wait({dag_id: api.trigger(dag_id) for dag_id in extracts}, STAGE_LIMIT)
    with clock.stage("transform, publish"):
        follower.wait_for_assets("transform", since, STAGE_LIMIT)
    with clock.stage("report"):
        follower.wait({REPORT: api.trigger(REPORT)}, STAGE_LIMIT)


def wait_until_known(api: AirflowApi, wanted: set[str]) -> None:
    """Wait until the DAG processor has read the files. Raises StackError with the import errors."""
    deadline = time.monotonic() + KNOWN_LIMIT
    while missing := wanted - api.dag_ids():
        if errors := api.import_errors():
            raise StackError(f"a DAG file cannot be imported: {errors[0]}")
        if time.monotonic() > deadline:
            raise StackError(f"Airflow does not know {', '.join(sorted(missing))} after {KNOWN_LIMIT:.0f} s")
        time.sleep(0.5)
