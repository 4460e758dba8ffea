"""`make bench`: every figure beside a peer or a physical limit measured in the same run; nothing is asserted."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import end_to_end, load, memory, readers, scale, transform
from benchmarks.measure import Figure, measured_server
from local import postgres

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Run the benchmarks, print the table, and write it to benchmarks/results/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="records to load (default 100000)")
    parser.add_argument(
        "--posts", type=int, default=100_000, help="posts to transform (default 100000; 0 leaves it out)"
    )
    parser.add_argument(
        "--history",
        type=int,
        default=1_000_000,
        help="posts of the long history, ten readings each (default 1000000, which takes hours; 0 leaves it out)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="size of the world read over HTTP (default 1.0)")
    parser.add_argument(
        "--publications", type=int, default=1000, help="beside 50 readers (default 1000; 0 leaves it out)"
    )
    options = parser.parse_args()
    with measured_server() as server:
        figures = list(_measure(server, options))
    table = _table(figures)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    facts = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()},
        "figures": [asdict(figure) for figure in figures],
    }
    (RESULTS / "latest.json").write_text(json.dumps(facts, indent=1) + "\n")
    (RESULTS / "latest.md").write_text(table + "\n")


def _measure(server: postgres.Server, options: argparse.Namespace) -> Iterator[Figure]:
    """Yield the figures of one part after the other, and say each as soon as it is known."""
    parts: list[Callable[[], Iterable[Figure]]] = [
        lambda: load.measure(server, options.rows),
        lambda: memory.measure(server, options.rows),
        lambda: end_to_end.measure(server, options.scale),
    ]
    if options.posts:
        parts.append(lambda: transform.measure(server, options.posts))
    if options.publications:
        parts.append(lambda: readers.measure(server, options.publications))
    if options.history:
        parts.append(lambda: scale.measure_apart(options.history))
    for part in parts:
        for figure in part():
            print("  ".join(filter(None, figure.cells())), file=sys.stderr, flush=True)
            yield figure


def _table(figures: list[Figure]) -> str:
    heads = ("what", "value", "unit", "ratio", "against")
    rows = [heads, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


if __name__ == "__main__":
    main()
