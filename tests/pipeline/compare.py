"""Two frames of one grain: the same keys, and every value equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

#: The columns of each relation that were compared with an oracle in this session.
COMPARED: dict[str, set[str]] = defaultdict(set)


def assert_same(
    actual: pd.DataFrame, expected: pd.DataFrame, keys: Sequence[str], values: Sequence[str], *, within: float = 1e-12
) -> None:
    """Same keys, and every value equal (`within` so much); NULL equals only NULL. What was compared is written down."""
    left = _comparable(actual, keys, values)
    right = _comparable(expected, keys, values)
    missing, extra = right.index.difference(left.index), left.index.difference(right.index)
    assert missing.empty, f"{len(missing)} rows missing, such as {list(missing[:3])}"
    assert extra.empty, f"{len(extra)} rows too many, such as {list(extra[:3])}"
    for name in values:
        ours, theirs = left[name].to_numpy(), right.loc[left.index, name].to_numpy()
        if ours.dtype.kind == "f" or theirs.dtype.kind == "f":
            same = np.isclose(ours.astype(float), theirs.astype(float), rtol=1e-12, atol=within, equal_nan=True)
        else:
            same = np.array([_same(a, b) for a, b in zip(ours, theirs, strict=True)])
        wrong = left.index[~same]
        detail = f"{name}: {len(wrong)} of {len(left)} differ"
        assert same.all(), f"{detail}, first {wrong[0]}: {left.loc[wrong[0], name]!r} != {right.loc[wrong[0], name]!r}"
    if "relation" in actual.attrs:
        COMPARED[actual.attrs["relation"]].update((*keys, *values))


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return sorted(ours) == sorted(theirs)
    return bool(pd.isna(ours) and pd.isna(theirs)) or bool(ours == theirs)


def _comparable(frame: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    chosen = frame[[*keys, *values]].copy()
    for name in values:
        kept = chosen[name].dropna()
        if len(kept) and all(isinstance(value, Decimal) for value in kept):
            chosen[name] = chosen[name].astype("float64")
        elif not len(kept):
            chosen[name] = np.full(len(chosen), np.nan)
    assert not chosen.duplicated(list(keys)).any(), f"{list(keys)} is no key"
    return chosen.set_index(list(keys)).sort_index()
