"""docker-compose.yml without a Docker engine: it is valid, pinned, secret-free, and runs what the local stack runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_viz.spec.compose_spec import ComposeSpecification
from pydantic import ValidationError

from local import compose_env
from local.services import AIRFLOW, INITIALISE, SERVICES

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def environment_of(compose: dict[str, Any], name: str) -> dict[str, str]:
    found: dict[str, str] = compose["services"][name]["environment"]
    return found


def test_the_file_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    parsed = ComposeSpecification.model_validate(without_extensions(compose))
    assert set(parsed.services or {}) == {"postgres", "init", "cli", *(service.name for service in SERVICES)}


@pytest.mark.parametrize("mistake", [{"healthchek": {}}, {"depends_on": {"postgres": {"condition": "soon"}}}])
def test_the_specification_refuses_a_mistake(compose: dict[str, Any], mistake: dict[str, Any]) -> None:
    wrong = without_extensions(compose)
    wrong["services"] = {**wrong["services"], "scheduler": {**wrong["services"]["scheduler"], **mistake}}
    with pytest.raises(ValidationError):
        ComposeSpecification.model_validate(wrong)


def without_extensions(compose: dict[str, Any]) -> dict[str, Any]:
    """The specification allows `x-` keys at the top, its generated model does not."""
    return {name: value for name, value in compose.items() if not name.startswith("x-")}


def test_each_service_runs_the_very_command_of_the_local_stack(compose: dict[str, Any]) -> None:
    for service in SERVICES:
        assert tuple(compose["services"][service.name]["command"]) == service.command
    assert tuple(compose["services"]["init"]["command"]) == INITIALISE


def test_each_service_has_the_very_settings_of_the_local_stack(compose: dict[str, Any]) -> None:
    for service in SERVICES:
        found = environment_of(compose, service.name)
        assert {name: found.get(name) for name in AIRFLOW} == dict(AIRFLOW)


@pytest.mark.fault("G07")
def test_no_secret_has_a_value_or_a_default(compose: dict[str, Any]) -> None:
    suspicious = re.compile(r"PASSWORD$|SECRET|_KEY$|CONN|TOKEN")
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if suspicious.search(variable):
                assert re.search(r"\$\{[A-Z_]+:\?set it in \.env\}", value), f"{name}: {variable}"
    assert ":-" not in (ROOT / "docker-compose.yml").read_text()


def test_the_generated_env_file_answers_every_question_with_a_fresh_secret(compose: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    first, second = ({k: v for k, _, v in map(split, lines())} for _ in range(2))
    assert set(first) == asked
    assert all(len(value) >= 16 for value in first.values())
    assert all(first[name] != second[name] for name in asked)
    assert all(re.fullmatch(r"[\w=-]+", value) for value in first.values()), "they stand in addresses"


def split(line: str) -> tuple[str, str, str]:
    return line.partition("=")


def lines() -> list[str]:
    return [line for line in compose_env.text().splitlines() if not line.startswith("#")]


def test_every_image_is_pinned_to_an_exact_version(compose: dict[str, Any]) -> None:
    ours = "social-analytics:local"
    images = {service["image"] for service in compose["services"].values()} - {ours}
    base = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert all(re.search(r":\d+\.\d+(\.\d+)?-\w+", image) for image in [*images, *base]), images
    built = [service for service in compose["services"].values() if service["image"] == ours]
    assert all(service["build"] == "." for service in built)


def test_every_long_running_service_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name not in ("init", "cli"):
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_nothing_starts_before_what_it_needs_is_ready(compose: dict[str, Any]) -> None:
    for service in SERVICES:
        needs = compose["services"][service.name]["depends_on"]
        assert needs["postgres"]["condition"] == "service_healthy"
        assert needs["init"]["condition"] == "service_completed_successfully"


def test_ports_are_published_on_loopback_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_runs_without_root_and_installs_only_what_is_locked() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--no-deps --require-hashes" in text, "pip refuses the file's extras otherwise"
    assert re.search(r"^USER (?!root)\w+", text, re.MULTILINE)


def test_what_the_image_copies_is_let_in_and_secrets_are_not() -> None:
    copied = re.findall(r"^COPY (\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_holds_every_package_that_its_code_imports() -> None:
    copied = set(re.findall(r"^COPY (\S+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    needed = {
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in copied & ours
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path) & ours - copied
    }
    assert not needed


def imported(path: Path) -> set[str]:
    """The top-level names of everything a file imports, also inside functions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in names}
