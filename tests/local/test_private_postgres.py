"""The private server: found again, never by somebody else, and refused with a reason."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import psycopg
import pytest

from local import postgres


def databases(server: postgres.Server) -> set[str]:
    with psycopg.connect(server.url("postgres", "postgresql")) as connection:
        return {row[0] for row in connection.execute("select datname from pg_database")}


def test_a_stopped_server_is_found_again_with_its_data_and_password(tmp_path: Path):
    home = tmp_path / "pg"
    first = postgres.start(home, settings=postgres.EPHEMERAL)
    with psycopg.connect(first.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("create database kept")
    postgres.stop(home)
    again = postgres.start(home, settings=postgres.EPHEMERAL)
    try:
        assert again.password == first.password
        assert "kept" in databases(again)
        assert postgres.start(home) == again, "a running server is not started twice"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(again.url("postgres", "postgresql").replace(again.password, "wrong"))
    finally:
        postgres.remove(home)


def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(postgres.PostgresError, match=f"port {port} is in use"):
            postgres.start(tmp_path / "pg", port=port)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_a_new_checkout_at_an_old_path_does_not_inherit_its_data(tmp_path: Path):
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = private / "pg"
    first = postgres.start(home, settings=postgres.EPHEMERAL)
    postgres.stop(home)
    shutil.rmtree(home)
    second = postgres.start(home, settings=postgres.EPHEMERAL)
    try:
        assert second.home != first.home
        assert second.password != first.password
    finally:
        postgres.remove(home)
        shutil.rmtree(first.home)
