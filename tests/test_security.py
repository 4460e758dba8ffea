"""What must not be in the repository, the lock or the code: keys, weak passwords, old versions, unsafe loading."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

# https://github.com/gitleaks/gitleaks keeps hundreds of these; ours are of the vendors this project talks to.
KEYS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abp]-[A-Za-z0-9-]{20,}"
    rb"|\bEAA[A-Za-z0-9]{40,}|\bAQ[VWX][A-Za-z0-9_-]{60,}|\bWPL_AP\d\.[A-Za-z0-9.]{10,}"
    rb"|\bAAAAAAAAAAAAAAAAAAAAA[A-Za-z0-9%]{30,}"
)
ASSIGNED = re.compile(rb"(?i)(?:password|secret|token|api_key)[\"']?\s*[=:]\s*[\"']([A-Za-z0-9+/_=-]{24,})[\"']")


def repository() -> list[Path]:
    """What git knows, and nothing that is generated."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def keys_in(content: bytes) -> list[bytes]:
    """What looks like a key: a vendor's pattern, or a random text that is assigned to a telling name."""
    assigned = [value for value in ASSIGNED.findall(content) if entropy(value) > 4.0]
    return [*KEYS.findall(content), *assigned]


def entropy(text: bytes) -> float:
    """Bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


@pytest.mark.fault("G08")
def test_no_file_of_the_repository_holds_a_key():
    found = {str(path.relative_to(ROOT)): keys for path in repository() if (keys := keys_in(path.read_bytes()))}
    assert found == {}


@pytest.mark.fault("G08")
@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN RSA PRIVATE KEY-" + b"----\n",
        b"token = '" + b"q8Zr2LxW9vTn4KpYb7HsDfGj1McXa0Ue" + b"'",
        b"EAA" + b"Gm0PX4ZCps" * 5,
        b"AK" + b"IAIOSFODNN7EXAMPLE",
    ],
)
def test_the_scan_finds_a_planted_key(content: bytes):
    assert keys_in(content)


@pytest.mark.fault("G08")
def test_git_ignores_what_holds_secrets_and_the_image_leaves_it_out():
    for name in (".env", "credentials.env", ".local/airflow/keys.json", "exports/x.csv"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0, name
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert {".env", "credentials.env", ".local"} <= {name.strip("/") for name in left_out} or "*" in left_out
    assert not re.search(r"(?i)^(?:ENV|ARG)\s+\S*(?:PASSWORD|SECRET|TOKEN|KEY)", image, re.MULTILINE)


@pytest.mark.fault("G08")
def test_the_command_line_closes_what_it_writes_to_others(tmp_path: Path):
    program = (
        "import sys; from extractors.__main__ import main; main(['credentials', 'new-key']); open(sys.argv[1], 'w')"
    )
    path = tmp_path / "written"
    environment = {"PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.fault("G07")
def test_compose_starts_without_no_password_and_has_no_default_one():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD$|SECRET|_KEY$|CONN", variable):
                assert re.search(r"\$\{[A-Z_]+:\?", str(value)), f"{name}: {variable} could be empty"
    assert not re.search(r"airflow:airflow|postgres:postgres|:-", text)


MINIMUM = {"urllib3": (2, 7), "requests": (2, 32, 4), "cryptography": (42,), "pyyaml": (5, 4), "jinja2": (3, 1, 6)}


@pytest.mark.fault("G09")
@pytest.mark.parametrize(("package", "least"), MINIMUM.items())
def test_the_lock_holds_no_version_with_a_known_hole(package: str, least: tuple[int, ...]):
    """An advisory database is not at hand here; these are the floors that the fault list and advisories name."""
    locked = re.search(rf"(?m)^{package}==([0-9.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert locked
    assert tuple(int(part) for part in locked[1].split(".")) >= least


@pytest.mark.fault("G09")
def test_every_locked_package_has_a_hash():
    for name in ("requirements.txt", "requirements-uv.txt"):
        entries = re.split(r"(?m)^(?=\S+==)", (ROOT / name).read_text(encoding="utf-8"))
        unhashed = [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
        assert unhashed == []
    assert "--require-hashes" in (ROOT / "Makefile").read_text(encoding="utf-8")


UNSAFE = {
    "S301": "import pickle\n\npickle.loads(b'')\n",
    "S506": "import yaml\n\nyaml.load('a', Loader=yaml.Loader)\n",
    "S302": "import marshal\n\nmarshal.loads(b'')\n",
    "S307": "eval('1')\n",
    "S501": "import requests\n\nrequests.get('https://x', verify=False, timeout=1)\n",
}


@pytest.mark.fault("G16")
@pytest.mark.parametrize(("rule", "code"), UNSAFE.items())
@pytest.mark.parametrize("folder", ["extractors", "dags", "reports", "expectations", "local", "simulator"])
def test_unsafe_loading_planted_anywhere_fails_the_lint(rule: str, code: str, folder: str):
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ruff"), "check", "--stdin-filename", f"{folder}/planted.py", "-"],
        cwd=ROOT, input=code, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert rule in done.stdout


@pytest.mark.fault("G16")
def test_nobody_silences_those_rules():
    pattern = re.compile(rb"noqa:[^\n]*(?:S301|S302|S307|S501|S506)")
    quiet = [path for path in repository() if path.suffix == ".py" and pattern.search(path.read_bytes())]
    assert [path.name for path in quiet if path != Path(__file__)] == []
