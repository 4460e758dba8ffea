"""Great Expectations itself, kept in one module: importing it takes seconds, so it comes in with the first row."""

from __future__ import annotations

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent.pandas_datasource import PandasDatasource

from expectations.suites import suite_for
from extractors.spec import Stream

RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["run_id", "record_key"],
    "return_unexpected_index_query": False,
}


def datasource() -> PandasDatasource:
    """Return a source of data frames in a context of its own: nothing on disk, nothing sent, nothing shared."""
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    source: PandasDatasource = context.data_sources.add_pandas("raw")
    return source


def validate(stream: Stream, rows: pd.DataFrame) -> ExpectationSuiteValidationResult:
    """Return what the stream's suite says of the projected rows."""
    batch = datasource().add_dataframe_asset(stream.full_name).add_batch_definition_whole_dataframe("pending runs")
    return batch.get_batch({"dataframe": rows}).validate(suite_for(stream), result_format=RESULT_FORMAT)
