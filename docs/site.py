"""`make docs`: the dbt project as one HTML page with its lineage, and its semantic definitions for BI tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "dbt_project"
SITE = ROOT / ".local" / "docs"
#: The page is made from the project alone; dbt wants these variables, and connects to nothing.
NO_WAREHOUSE = {"PGUSER": "nobody", "PGDATABASE": "nowhere"}


def run_dbt(target: Path, *command: str) -> None:
    """Run a dbt command that needs no warehouse. Raises CalledProcessError when the project does not parse."""
    where = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(target)]
    subprocess.run(
        [str(Path(sys.executable).parent / "dbt"), *command, *where, "--log-path", str(target)],
        env={**os.environ, **NO_WAREHOUSE},
        check=True,
        stdout=sys.stderr,
    )


def published(target: Path) -> dict[str, Any]:
    """Return the semantic definitions of a parsed project, whose models are read where they are published.

    dbt names the candidate of a mart, which no BI tool may read; the mart is the view of the same name in `marts`
    (macros/publish.sql), in whatever database the tool is connected to.
    """
    manifest: dict[str, Any] = json.loads((target / "semantic_manifest.json").read_text(encoding="utf-8"))
    for model in manifest["semantic_models"]:
        name = model["node_relation"]["alias"]
        model["node_relation"] = {
            "alias": name,
            "schema_name": "marts",
            "database": None,
            "relation_name": f'"marts"."{name}"',
        }
    return manifest


def main() -> int:
    """Write the page and the semantic definitions into .local/docs."""
    SITE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        run_dbt(target, "parse")
        run_dbt(target, "docs", "generate", "--static", "--no-compile", "--empty-catalog")
        shutil.copyfile(target / "static_index.html", SITE / "index.html")
        (SITE / "semantic_manifest.json").write_text(json.dumps(published(target), indent=1), encoding="utf-8")
    for page in ("index.html", "semantic_manifest.json"):
        print(f"wrote {(SITE / page).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
