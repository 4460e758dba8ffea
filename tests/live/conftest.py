"""One live Airflow for all tests that look at one: it takes a minute to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import folder_for_servers
from tests.live.airflow import Live, running


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Airflow's four components over a warehouse with two hundred accounts on X, and a dozen elsewhere."""
    with running(folder_for_servers() or tmp_path_factory.mktemp("live")) as started:
        yield started
