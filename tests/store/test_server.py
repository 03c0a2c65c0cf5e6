"""A server, or a pooler before it, that is not what the panel needs is refused in words before anything is sold."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from tests.faults.processes import environ, free_port
from tests.faults.standby import pair
from tests.panel import until

from opensmm.actions import starting
from opensmm.base.errors import Unavailable
from opensmm.domain.codes import FindingCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.server import LIMITS_MS, DatabaseServer, find_faults
from opensmm.store import django_settings, os_users, postgres_install, schema, server
from opensmm.store.connection import connect
from opensmm.store.embedded import APP
from opensmm.texts.speech import ENGLISH

PGBOUNCER = os.environ.get("OPENSMM_TEST_PGBOUNCER") or shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin:/bin")
KNOWS_PREPARED = (1, 21)


async def test_the_server_of_the_tests_is_as_needed(conn, database):
    await starting.check(database.app_url)
    connection = await connect(database.app_url)
    assert "on" == (await server.read_server(connection)).synchronous_commit
    await connection.close()


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (DatabaseServer(version=15), FindingCode.SERVER_TOO_OLD),
        (DatabaseServer(synchronous_commit="off"), FindingCode.COMMITS_NOT_WAITED_FOR),
        (DatabaseServer(synchronous_commit="local"), FindingCode.COMMITS_NOT_WAITED_FOR),
        (DatabaseServer(limits_ms={**LIMITS_MS, "lock_timeout": 0}), FindingCode.SESSION_LIMITS_MISSING),
    ],
)
def test_what_is_not_as_needed_is_found(seen, code):
    assert [code] == [found for found, _ in find_faults(seen)]
    assert all(ENGLISH.finding(*one) for one in find_faults(seen))


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("lock_timeout=0", RefusalCode.SESSION_LIMITS_MISSING),
        ("idle_in_transaction_session_timeout=0", RefusalCode.SESSION_LIMITS_MISSING),
        ("synchronous_commit=off", RefusalCode.COMMITS_NOT_WAITED_FOR),
    ],
)
async def test_the_panel_does_not_start_where_its_sessions_are_not_as_it_needs_them(database, setting, code):
    with pytest.raises(OperatorRefusal) as refused:
        await starting.check(f"{database.app_url}&options=-c%20{setting.replace('=', '%3D')}")
    assert code == refused.value.code
    assert setting.partition("=")[0] in ENGLISH.refusal(refused.value)


async def test_waiting_for_a_primary_says_why_once_and_goes_on_when_it_is_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    faults: list[Unavailable] = []
    url = f"postgresql://nobody@127.0.0.1:{port}/none"
    with pytest.raises(Unavailable):
        await starting.wait_for_primary(url, faults.append, lambda: len(faults) > 0)
    assert 1 == len(faults)


async def test_what_no_waiting_mends_is_told_at_once(database):
    faults: list[Unavailable] = []
    for wrong in (database.app_url.replace(database.name, "none"), database.app_url.replace(f"{APP}:", "nobody:")):
        with pytest.raises(Unavailable):
            await starting.wait_for_primary(wrong, faults.append, lambda: False)
    assert [] == faults


def test_an_api_waits_for_a_primary_and_begins_when_there_is_one(tmp_path):
    """The standby alone is no server to work with: only once it takes over."""
    with pair() as two:
        two.lose_the_primary()
        url = two.standby_url(APP)
        log = tmp_path / "errors"
        verb = ["opensmm", "api", "--port", str(free_port()), "--data", str(tmp_path), "--json"]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *verb],
                env=environ(url), stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        try:
            asyncio.run(until(lambda: _has(log, "waiting for the database")))
            assert process.poll() is None
            two.promote(running=True)
            assert process.stdout is not None
            assert b'"port"' in process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=300)
        assert 1 == log.read_text().count("waiting for the database")


async def _has(log, words_):
    return words_ in log.read_text()


def test_a_migration_waits_for_another_one_only_so_long(database, monkeypatch):
    monkeypatch.setattr(schema, "TURN_WITHIN_S", 1)
    with psycopg.connect(database.owner_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [schema.LOCK])
        with pytest.raises(OperatorRefusal) as refused:
            schema.migrate(database.owner_url, APP)
        assert RefusalCode.MIGRATION_UNDER_WAY == refused.value.code
        assert "Another migration" in ENGLISH.refusal(refused.value)
    assert [] == schema.migrate(database.owner_url, APP)


def test_tables_that_are_up_to_date_are_found_so_without_loading_django(database):
    program = (
        "import sys; from opensmm.store import schema; print(schema.migrate(sys.argv[1]), 'django.db' in sys.modules)"
    )
    command = [sys.executable, "-c", program, database.owner_url]
    assert "[] False\n" == subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_migrations_that_are_looked_for_are_those_of_every_installed_app(database):
    assert list(schema.MIGRATED) == django_settings.INSTALLED_APPS
    with psycopg.connect(database.owner_url) as conn:
        assert set(schema._list_migrations()) == set(conn.execute("select app, name from django_migrations").fetchall())


@pytest.mark.parametrize("app", ["store", "auth", "contenttypes"])
def test_a_migration_that_is_missing_is_seen(database, app):
    with psycopg.connect(database.owner_url) as conn:
        assert not schema._is_behind(conn)
        last = "select max(name) from django_migrations where app = %s"
        conn.execute(f"delete from django_migrations where app = %s and name = ({last})", [app, app])
        assert schema._is_behind(conn)
        conn.rollback()


def test_a_migration_leaves_no_lock_behind(database):
    schema.migrate(database.owner_url, APP)
    with psycopg.connect(database.owner_url) as conn:
        assert [(0,)] == conn.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchall()


@contextmanager
def pooled(database, folder, **settings):
    """A PgBouncer that pools transactions; yields what turns a URL into one that leads through it."""
    if PGBOUNCER is None:
        pytest.skip(
            "SKIPPED: there is no pgbouncer here, so nothing was tested against one (apt-get install pgbouncer)"
        )
    parts = urlsplit(database.app_url)
    parameters = parse_qs(parts.query)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    users = folder / "users"
    roles = (urlsplit(url) for url in (database.app_url, database.owner_url))
    users.write_text("".join(f'"{role.username}" "{role.password}"\n' for role in roles))
    fields = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "plain",
        "auth_file": users, "pool_mode": "transaction", "ignore_startup_parameters": "options,extra_float_digits",
    } | settings  # fmt: skip
    lines = "".join(f"{name} = {value}\n" for name, value in fields.items())
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={parameters['host'][0]} port={parameters['port'][0]}\n[pgbouncer]\n{lines}"
    )
    user = os_users.server_user(Path("/nonexistent"))
    folder.chmod(0o755)
    process = os_users.spawn([PGBOUNCER, "-q", str(config)], user, Path("/"), subprocess.DEVNULL)
    try:
        asyncio.run(until(lambda: _listens(port)))
        yield lambda url: f"postgresql://{urlsplit(url).netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def _listens(port):
    with socket.socket() as talk:
        return talk.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def limited(server_of_tests, database):
    """The role with the settings that a pooler drops, as docs/operating.md has them."""
    with psycopg.connect(server_of_tests.url(postgres_install.SUPERUSER), autocommit=True) as conn:
        for name, value in {**LIMITS_MS, "synchronous_commit": "on"}.items():
            conn.execute(f"alter role {APP} in database {database.name} set {name} = '{value}'")


@pytest.fixture
def server_of_tests(request):
    return request.getfixturevalue("server")


@pytest.fixture
def place(tmp_path_factory):
    """A folder that the server's user may pass."""
    folder = Path("/dev/shm") / f"opensmm-test-{os.getpid()}-pgbouncer"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def test_a_pooler_that_refuses_our_options_is_told_of(database, place):
    with pooled(database, place, ignore_startup_parameters="extra_float_digits") as through:
        with pytest.raises(OperatorRefusal) as refused:
            asyncio.run(starting.wait_for_primary(through(database.app_url), print, lambda: False))
        assert RefusalCode.POOLER_REFUSES_OPTIONS == refused.value.code


def test_a_pooler_that_drops_our_limits_is_told_of(database, place):
    with pooled(database, place) as through:
        with pytest.raises(OperatorRefusal) as refused:
            asyncio.run(starting.check(through(database.app_url)))
        assert refused.value.code in (RefusalCode.SESSION_LIMITS_MISSING, RefusalCode.COMMITS_NOT_WAITED_FOR)


@pytest.mark.parametrize("size", [1, 2, 20])
def test_a_pooler_that_mixes_prepared_statements_up_is_told_of(database, place, limited, size):
    with pooled(database, place, default_pool_size=size) as through:
        if _knows_prepared():
            pytest.skip("SKIPPED: this pgbouncer knows prepared statements")
        with pytest.raises(OperatorRefusal) as refused:
            asyncio.run(starting.check(through(database.app_url)))
        assert RefusalCode.PREPARED_STATEMENTS_MIXED == refused.value.code


def _knows_prepared():
    result = subprocess.run([str(PGBOUNCER), "--version"], capture_output=True, text=True).stdout.split()
    return tuple(int(part) for part in result[1].split(".")[:2]) >= KNOWS_PREPARED


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_the_settings_of_the_documentation_work(database, place, limited, mode):
    with pooled(database, place, pool_mode=mode) as through:
        if mode == "transaction" and not _knows_prepared():
            pytest.skip("SKIPPED: this pgbouncer knows no prepared statements")
        asyncio.run(starting.check(through(database.app_url)))


def test_migrating_through_a_pooler_leaves_no_lock_behind(database, place):
    with pooled(database, place) as through:
        for _ in range(2):
            assert [] == schema.migrate(through(database.owner_url), APP)
        with psycopg.connect(database.owner_url) as conn:
            assert [(0,)] == conn.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchall()
