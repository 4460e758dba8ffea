"""Where the local stack keeps its state: everything under `.local/`, nothing elsewhere."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DATABASES = ("warehouse", "airflow")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one local stack."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.root / "postgres"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.root / "airflow"

    @property
    def logs(self) -> Path:
        """One log per process; Airflow's task logs are in `airflow/` below it."""
        return self.root / "logs"

    @property
    def exports(self) -> Path:
        """The reports."""
        return self.root / "exports"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' HTML."""
        return self.root / "data_docs"

    @property
    def dbt(self) -> Path:
        """Target and logs of dbt."""
        return self.root / "dbt"

    @property
    def processes(self) -> Path:
        """One file per running process."""
        return self.root / "processes"

    @property
    def accounts(self) -> Path:
        """The accounts.yml of the simulated world."""
        return self.root / "accounts.yml"

    def create(self) -> Layout:
        """Make the folders, readable by their owner alone where secrets live."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.airflow, self.logs, self.exports, self.data_docs, self.dbt, self.processes):
            folder.mkdir(exist_ok=True)
        self.airflow.chmod(0o700)
        self.processes.chmod(0o700)
        return self


def default() -> Layout:
    """Return the layout of this checkout."""
    return Layout(PROJECT / ".local")


def relative(path: Path) -> str:
    """Return the path as seen from the project, when it is below it."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


def read_json(path: Path) -> Any:
    """Return the file's value, or None when there is none or a crash left half of one."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone from the first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Keys:
    """The generated secrets of a stack."""

    fernet: str
    jwt: str
    api: str
    admin: str
    credentials: str


def keys(layout: Layout) -> Keys:
    """Return the stack's secrets, generating them once (mode 0600)."""
    path = layout.airflow / "keys.json"
    found = read_json(path)
    fresh = generate_keys()
    if not isinstance(found, dict) or set(found) != set(fresh):
        # What an older version generated stays: Airflow's metadata is sealed with it.
        found = fresh | ({name: found[name] for name in fresh if name in found} if isinstance(found, dict) else {})
        write_private(path, json.dumps(found))
    return Keys(**found)


def generate_keys() -> dict[str, str]:
    """Return fresh random secrets in the forms Airflow and the extractors want."""
    from cryptography.fernet import Fernet

    from extractors.sealing import new_key

    return {
        "fernet": Fernet.generate_key().decode(),
        "jwt": secrets.token_urlsafe(48),
        "api": secrets.token_urlsafe(32),
        "admin": secrets.token_urlsafe(12),
        "credentials": new_key(),
    }
