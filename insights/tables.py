"""The tables of docs/statistics.md: the advice measured on simulated accounts, in Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from insights.calibration import EFFECTS, SIZES, TRUE_TAGS, measure, measure_hashtags

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TIMES = {
    "posts": "posts",
    "recommend": "accounts with a `recommend` %",
    "gain": "true gain %",
    "worse": "worse than usual %",
    "plain gain": "plain: gain %",
    "plain worse": "plain: worse %",
    "plain n>=3 gain": "plain, n ≥ 3: gain %",
    "plain n>=3 worse": "plain, n ≥ 3: worse %",
    "oracle gain": "oracle gain %",
    "covered 80": "80 % interval covers %",
    "covered 95": "95 % interval covers %",
}
TAGS = {
    "posts": "posts",
    "false": "flagged by mistake per account",
    "found": "true ones found %",
    "plain false": "plain: by mistake",
    "plain found": "plain: found %",
}


def tables(accounts: int, seed: int) -> str:
    """Return all tables, measured on `accounts` simulated accounts per row; progress goes to stderr."""
    parts = [f"{accounts:,} accounts per row, seed {seed}."]
    for pool, how in ((True, "accounts of one platform, learning from each other"), (False, "each account alone")):
        for effect, (hour, weekday) in EFFECTS.items():
            parts.append(f"\n**Best times, {_named(effect, hour, weekday)}; {how}**\n")
            parts.append(_table(TIMES, _rows(effect, accounts, seed, pool=pool)))
    for true_tags in (0, TRUE_TAGS):
        parts.append(f"\n**Hashtags: 40 tags, {true_tags} of them with a true effect of +42 %**\n")
        parts.append(_table(TAGS, _tag_rows(accounts, true_tags, seed)))
    return "\n".join(parts)


def _named(effect: str, hour: float, weekday: float) -> str:
    return "no effect" if not hour else f"{effect} effect (hour sd {hour:.0%}, weekday sd {weekday:.0%})"


def _rows(effect: str, accounts: int, seed: int, *, pool: bool) -> Iterable[Mapping[str, float]]:
    return (_noted(measure(effect, posts, accounts, pool=pool, seed=seed)) for posts in SIZES)


def _tag_rows(accounts: int, true_tags: int, seed: int) -> Iterable[Mapping[str, float]]:
    return (_noted(measure_hashtags(posts, accounts, true_tags, seed=seed)) for posts in SIZES)


def _noted(row: Mapping[str, float]) -> Mapping[str, float]:
    print(".", end="", file=sys.stderr, flush=True)
    return row


def _table(columns: Mapping[str, str], rows: Iterable[Mapping[str, float]]) -> str:
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_cell(name, row[name]) for name in columns)} |" for row in rows]
    return "\n".join(lines)


def _cell(name: str, value: float) -> str:
    if value != value:
        return "–"
    return f"{value:.0f}" if name == "posts" else f"{value:.2f}" if name.endswith("false") else f"{value:.1f}"


def written_into(page: str, found: str) -> str:
    """Return the page with the measured part replaced. Raises ValueError when the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{found}\n{END}{after}"
