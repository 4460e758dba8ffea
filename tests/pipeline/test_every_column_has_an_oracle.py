"""No column of a mart goes without an independent computation: what this folder compared is the whole contract."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.pipeline.compare import COMPARED

FOLDER = Path(__file__).parent
MARTS = ROOT / "dbt_project" / "models" / "publish"
#: What no oracle can know.
APART = {
    # No reader sees them: what a row rests on.
    "post_performance": {"post_key"},
    "post_velocity": {"post_key"},
    "reconciliation": {"audited_at"},  # when the build judged the run
    "reconciliation_totals": {"audited_at"},
    # Names that the warehouse gives its rows; that they are unique is looked at.
    "post_analytics": {"id"},
    "audience_insights": {"id"},
    "restatements": {"restatement_id"},
}


def test_every_column_of_every_mart_was_compared_with_an_oracle(request: pytest.FixtureRequest) -> None:
    asked = {getattr(item, "originalname", "") for item in request.session.items if item.path.parent == FOLDER}
    if asked != every_test():
        pytest.skip("only some tests of this folder were asked for")
    unproven = {mart: missing for mart, columns in promised().items() if (missing := columns - proven(mart))}
    assert unproven == {}
    assert {"post_key", "business_id"} - COMPARED["core.fct_post_daily"] == {"post_key"}


def promised() -> dict[str, set[str]]:
    """The columns of every mart, as its contract enforces them."""
    pages = [yaml.safe_load(page.read_text()) for page in sorted(MARTS.glob("_*__models.yml"))]
    return {
        model["name"]: {column["name"] for column in model["columns"]} for page in pages for model in page["models"]
    }


def proven(mart: str) -> set[str]:
    """The columns that were compared, and those that cannot be."""
    return COMPARED[f"marts.{mart}"] | APART.get(mart, set())


def every_test() -> set[str]:
    """The names of all tests of this folder."""
    pages = [ast.parse(page.read_text()) for page in FOLDER.glob("test_*.py")]
    return {
        node.name
        for page in pages
        for node in page.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
