"""Run in the peers' environment: merges the same records twice with dlt and prints the seconds of each.

dlt is given its leanest form: rows of a key and a JSON column, nothing to unnest, csv files for COPY. The clock starts
with the records in memory, as it does for our loader.
"""

import json
import os
import sys
import time
from pathlib import Path

import dlt
from dlt.destinations import postgres


def main() -> None:
    """Print `{"new": seconds, "unchanged": seconds}`."""
    path, strategy = sys.argv[1:]
    with Path(path).open(encoding="utf-8") as file:
        rows = [{"record_key": key, "payload": payload} for key, payload in map(json.loads, file)]
    login = {name: os.environ[f"PG{name.upper()}"] for name in ("host", "port", "user", "password", "database")}
    address = "postgresql://{user}:{password}@{host}:{port}/{database}".format(**login)
    posts = dlt.resource(
        rows,
        name="posts",
        primary_key="record_key",
        write_disposition={"disposition": "merge", "strategy": strategy},
        columns={"record_key": {"data_type": "text"}, "payload": {"data_type": "json"}},
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline("bench", destination=postgres(address), dataset_name=f"dlt_{os.getpid()}", progress=None)
    seconds = {}
    for case in ("new", "unchanged"):
        started = time.perf_counter()
        pipeline.run(posts, loader_file_format="csv").raise_on_failed_jobs()
        seconds[case] = time.perf_counter() - started
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
