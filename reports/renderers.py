"""From rows to the bytes of a file, one function per format; only the CSV so far."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

Row = Sequence[object]
Renderer = Callable[[Sequence[str], Iterable[Row]], Iterator[bytes]]

BATCH_BYTES = 64 * 1024
# What spreadsheets take for the begin of a formula, with the full-width twins that some of them fold
# (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA_SIGNS = "=+@\\-\uff1d\uff0b\uff20\uff0d\ufe62\ufe63\ufe66\ufe6b\u2212"
# What a spreadsheet may skip in front of it: controls, white space, and characters that show nothing (BOM, joiners).
SKIPPED = (
    r"\x00-\x20\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0001-\U000e007f"
)
DANGEROUS = re.compile(f"'*(?:[{SKIPPED}]*[{FORMULA_SIGNS}]|[{SKIPPED}]*?[\t\r\n])")


def neutralise(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would run, and before one that already looks like that.

    Texts alone are touched: a number is written as a number. `restore` gives the text back, always.
    """
    return "'" + text if DANGEROUS.match(text) else text


def restore(cell: str) -> str:
    """Return the text that `neutralise` made into this cell."""
    return cell[1:] if cell.startswith("'") and DANGEROUS.match(cell[1:]) else cell


def csv_bytes(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    """Render RFC 4180: UTF-8 without a mark, CRLF, one header line; an unknown value is an empty cell."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if buffer.tell() >= BATCH_BYTES:
            yield _drain(buffer)
    yield _drain(buffer)


def cell(value: object) -> str:
    """Return one value as it stands in a CSV: numbers plain, instants in UTC, lists and objects as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list() | dict():
            return neutralise(json.dumps(value, ensure_ascii=False, default=str))
        case _:
            return neutralise(str(value))


def count_csv_rows(lines: Iterable[str]) -> int:
    """Count the records of a CSV below its header; a quoted cell may span lines."""
    records, inside = 0, False
    for line in lines:
        inside ^= line.count('"') % 2 == 1
        records += not inside
    return max(0, records - 1)


def _drain(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return data


RENDERERS: Mapping[str, Renderer] = MappingProxyType({"csv": csv_bytes})
