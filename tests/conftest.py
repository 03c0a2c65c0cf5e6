"""Databases for tests: a server for each process of a run, one template, a fresh database for each test that asks."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from tests import panel
from tests.cli.json_page import long_runs
from tests.stepped_worker import SteppedWorker, open_fake_provider, open_worker

from opensmm.store import postgres_install, schema
from opensmm.store.embedded import APP, OWNER, EmbeddedPostgres

# Nothing of a test outlives it, so nothing needs to survive a power cut. Never for kill tests and benchmarks.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "scram_iterations": "1",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "min_wal_size": "64MB",
}
PREFIX = "opensmm-test-"
ROOM_NEEDED_BYTES = 2 * postgres_install.GIB
TEMPLATE = "template_opensmm"

# A machine may be busy with other things: how long an example takes is no property of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    app_url: str
    owner_url: str


def _place() -> Path:
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= ROOM_NEEDED_BYTES
    return memory if roomy and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _clear_leftovers(place: Path) -> None:
    """Removes the servers and folders of test runs that were killed."""
    for folder in place.glob(f"{PREFIX}*"):
        run = folder.name.removeprefix(PREFIX).split("-")[0]
        # Runs that start together clear up together.
        with suppress(FileNotFoundError, ProcessLookupError):
            if folder.stat().st_uid != os.geteuid() or Path(f"/proc/{run}").exists():
                continue
            if (left := EmbeddedPostgres(folder).pid()) is not None:
                os.kill(left, signal.SIGQUIT)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this run's own, with the migrated template in it."""
    place = _place()
    _clear_leftovers(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    folder.chmod(0o711)
    embedded = EmbeddedPostgres(folder, FAST)
    try:
        embedded.start()
        _make_database(embedded, TEMPLATE, "template0")
        schema.migrate(embedded.url(OWNER, TEMPLATE), APP)
        yield embedded
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _make_database(embedded: EmbeddedPostgres, name: str, template: str) -> None:
    with psycopg.connect(embedded.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as conn:
        conn.execute(f"create database {name} owner {OWNER} template {template} strategy file_copy")


_numbers = itertools.count(1)


@pytest.fixture
def database(server: EmbeddedPostgres) -> Iterator[Database]:
    """A migrated database for one test alone."""
    with _fresh(server) as database:
        yield database


@pytest.fixture
def other_database(server: EmbeddedPostgres) -> Iterator[Database]:
    """One more, for a second panel."""
    with _fresh(server) as database:
        yield database


@contextmanager
def _fresh(server: EmbeddedPostgres) -> Iterator[Database]:
    name = f"test_{next(_numbers)}"
    _make_database(server, name, TEMPLATE)
    try:
        yield Database(name, app_url=server.url(APP, name), owner_url=server.url(OWNER, name))
    finally:
        with psycopg.connect(server.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as conn:
            conn.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection in the app's role, each statement a transaction of its own unless one is opened."""
    async with await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class RunningPanel:
    """A whole demo in processes of its own: ``url`` without a slash at its end, and the key of a funded customer."""

    url: str
    key: str
    other_key: str


@pytest.fixture(scope="session")
def running_panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    """``opensmm demo``, its sandbox ten times as fast, for as long as the run lasts."""
    data = tmp_path_factory.mktemp("demo")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "opensmm", "demo", "--json", "--speed", "10", "--port", str(port)]
    environ = {**os.environ, "OPENSMM_TRUSTED_PROXIES": "127.0.0.1"}  # as behind a proxy of this machine
    with subprocess.Popen([*command, "--data", str(data)], stdout=subprocess.PIPE, env=environ) as process:
        try:
            assert process.stdout is not None
            answer = json.loads(process.stdout.readline())
            assert long_runs()["demo"] == set(answer)
            yield RunningPanel(answer["url"], answer["key"], answer["other_key"])
        finally:
            process.terminate()
            process.wait(timeout=panel.HANG_S)


@pytest.fixture
async def stocked(conn: psycopg.AsyncConnection) -> psycopg.AsyncConnection:
    """A connection to a panel with the price list of ``tests.panel`` in it."""
    await panel.stock(conn)
    return conn


@pytest.fixture
async def ann(stocked: psycopg.AsyncConnection) -> panel.Buyer:
    """A customer with 100.00."""
    return await panel.buyer(stocked)


@pytest.fixture
def clock() -> panel.Clock:
    return panel.Clock()


@pytest.fixture
async def api(stocked: psycopg.AsyncConnection, database: Database, clock: panel.Clock) -> AsyncIterator[panel.Api]:
    """The API over the stocked panel."""
    async with panel.open_api(database.app_url, clock) as opened:
        yield opened


@pytest.fixture
async def worker(
    stocked: psycopg.AsyncConnection, database: Database, clock: panel.Clock
) -> AsyncIterator[SteppedWorker]:
    """A worker before the sandbox, stepped by hand, in the same time as the API."""
    async with open_worker(database.app_url, clock) as opened:
        yield opened


@pytest.fixture
async def lied_to(stocked, database, clock):
    async with open_fake_provider(database.app_url, clock) as (worker, fake):
        yield worker, fake
