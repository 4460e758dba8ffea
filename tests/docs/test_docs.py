"""The documents are true: commands exist, links lead somewhere, samples load, generated pages have not drifted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from extractors.accounts import parse
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_generated_pages_are_as_the_generator_writes_them():
    done = subprocess.run(
        [sys.executable, "-m", "docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make docs` and commit: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_named_in_the_documents_exist(page: Path):
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= rules


def test_the_readme_s_accounts_file_loads(tmp_path: Path):
    sample = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert sample
    path = tmp_path / "accounts.yml"
    path.write_text(re.sub(r"^   ", "", sample[1], flags=re.MULTILINE), encoding="utf-8")
    (business,) = parse(path)
    assert len(business.accounts) == 4


@pytest.mark.parametrize("module", ["extractors", "reports", "expectations", "simulator", "local", "benchmarks"])
def test_every_program_explains_itself(module: str):
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m extractors (\w+)", README))))
def test_the_readme_s_commands_exist(command: str):
    arguments = [sys.executable, "-m", "extractors", command, "--help"]
    assert subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_the_lock_names_no_address():
    for name in ("requirements.txt", "requirements-uv.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|index-url|find-links", text)


def test_the_lock_holds_what_was_asked_for():
    asked = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    locked = set(re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(asked) <= locked
    for package in (
        "apache-airflow",
        "dbt-core",
        "dbt-postgres",
        "pandas",
        "requests",
        "sqlalchemy",
        "great-expectations",
    ):
        assert package in locked
