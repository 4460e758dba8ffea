"""Data docs: one HTML page per stream with its last validation, and an index."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

SHOWN_ROWS = 20
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data docs: the raw border</title>
<style>body{font:16px system-ui;margin:2rem}td,th{padding:.3rem 1rem;text-align:left}.bad{color:#b00}</style></head>
<body><h1>The raw border</h1><p>The last validation of every stream by Great Expectations.</p>
<table><tr><th>stream</th><th>validated at (UTC)</th><th>result</th></tr>
"""
MARK = re.compile(r"<!-- gate: (?P<at>\S+) (?P<result>.+?) -->")


def write(docs_dir: Path, shown: Mapping[str, ExpectationSuiteValidationResult], at: datetime) -> None:
    """Write a page for each validated stream, then the index over all pages there are; each file appears whole."""
    docs_dir.mkdir(parents=True, exist_ok=True)
    view = DefaultJinjaPageView()  # one for all pages, for it compiles its templates once
    for stream, result in shown.items():
        text = "passed" if result.success else f"{result.statistics['unsuccessful_expectations']} expectations failed"
        place(docs_dir / f"{stream}.html", f"{page(view, result)}\n<!-- gate: {at:%Y-%m-%dT%H:%M:%S} {text} -->\n")
    place(docs_dir / "index.html", index(docs_dir))


def page(view: DefaultJinjaPageView, result: ExpectationSuiteValidationResult) -> str:
    """Return one validation as a page, with the first rows of each failure."""
    for single in result.results:
        for name in ("unexpected_list", "unexpected_index_list"):
            if single.result.get(name):
                single.result[name] = single.result[name][:SHOWN_ROWS]
        single.result = harmless(single.result)
    return str(view.render(ValidationResultsPageRenderer().render(result)))


def harmless(value: Any) -> Any:
    """Return a result with its texts escaped, for the templates put values of the rows into the page as they are."""
    match value:
        case str():
            return html.escape(value)
        case dict():
            return {name: harmless(item) for name, item in value.items()}
        case list() | tuple():
            return type(value)(harmless(item) for item in value)
        case _:
            return value


def index(docs_dir: Path) -> str:
    """Return the table of contents, read from the marks at the end of the pages."""
    lines = [HEAD]
    for path in sorted(docs_dir.glob("*__*.html")):
        mark = MARK.search(path.read_text(encoding="utf-8")[-300:])
        if mark:
            bad = "" if mark["result"] == "passed" else ' class="bad"'
            cells = f"<td>{mark['at'].replace('T', ' ')}</td><td{bad}>{html.escape(mark['result'])}</td>"
            lines.append(f'<tr><td><a href="{path.name}">{path.stem}</a></td>{cells}</tr>\n')
    return "".join([*lines, "</table></body></html>\n"])


def place(path: Path, text: str) -> None:
    """Write a file under its name only when it is whole, for two gates may write at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
