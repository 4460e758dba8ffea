"""The .env file that docker-compose.yml asks for: there are no default passwords, so each one is generated."""

from __future__ import annotations

import secrets

from local.layout import generate_keys

HEADER = """\
# Secrets of the compose stack. Generated; keep it out of version control.
# Passwords stand in addresses, so keep them URL-safe. The platforms' tokens go into credentials.env, one line each:
#   AIRFLOW_CONN_<CREDENTIAL>={"conn_type": "http", "password": "<token>"}
"""


def text() -> str:
    """Return a fresh .env."""
    generated = generate_keys()
    values = {
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "WAREHOUSE_PASSWORD": secrets.token_urlsafe(24),
        "AIRFLOW_DATABASE_PASSWORD": secrets.token_urlsafe(24),
        "AIRFLOW_FERNET_KEY": generated["fernet"],
        "AIRFLOW_JWT_SECRET": generated["jwt"],
        "AIRFLOW_API_SECRET": generated["api"],
        "AIRFLOW_ADMIN_PASSWORD": generated["admin"],
        "CREDENTIALS_KEY": generated["credentials"],
    }
    return HEADER + "".join(f"{name}={value}\n" for name, value in values.items())
