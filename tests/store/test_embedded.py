"""The panel's own PostgreSQL: started, shared, killed, restarted and stopped, as root and as a plain user."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.data_folders import SMALL, as_root, ask, in_a_process_of, mode
from tests.panel import HANG_S

from opensmm import config
from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.store import os_users, postgres_install, schema
from opensmm.store.embedded import EmbeddedPostgres, run_database
from opensmm.texts.speech import ENGLISH


def make(data: Path) -> None:
    """Leaves a data folder behind whose server has run once."""
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    embedded.stop()


def wait_until(holds) -> None:
    limit = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < limit, "it hangs"
        time.sleep(0.02)


def test_a_first_start_makes_a_server_with_two_plain_roles_and_checksums(data):
    embedded = EmbeddedPostgres(data, SMALL)
    urls = embedded.start()
    assert ("opensmm_app", "opensmm", False, False) == ask(
        urls.app,
        "select current_user::text, current_database()::text, rolsuper, rolcreatedb from pg_roles where rolname = user",
    )
    assert ("opensmm_owner", False, False) == ask(
        urls.owner, "select current_user::text, rolsuper, rolcreaterole from pg_roles where rolname = user"
    )
    assert ("on", "scram-sha-256", "", "UTC", "UTF8") == ask(
        urls.app,
        "select current_setting('data_checksums'), current_setting('password_encryption'), "
        "current_setting('listen_addresses'), current_setting('timezone'), current_setting('server_encoding')",
    )
    embedded.stop()
    assert (None, False) == (embedded.pid(), embedded.alive())


def test_nobody_gets_in_without_the_password(data):
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    try:
        url = embedded.url(postgres_install.SUPERUSER, "postgres")
        right = url.split(":")[2].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(right, "wrong"))
        private = [data / "passwords", data / "lock", data / "users", data / "postgres.log"]
        assert [0o600] * len(private) == [mode(path) for path in private]
        assert 0o700 == mode(data / "postgres")
        assert right not in Path(f"/proc/{embedded.pid()}/cmdline").read_text()
    finally:
        embedded.stop()


def test_a_second_start_continues_where_the_first_stopped(data):
    with run_database(config.read(data, {})) as urls, psycopg.connect(urls.owner) as conn:
        conn.execute("create table kept as select 42 as value")
    with run_database(config.read(data, {})) as urls:
        assert (42,) == ask(urls.owner, "select value from kept")


def test_the_last_user_stops_the_server_and_no_one_before(data):
    first, second = EmbeddedPostgres(data, SMALL), EmbeddedPostgres(data, SMALL)
    assert first.start() == second.start()
    pid = first.pid()
    first.stop()
    assert (pid, True) == (second.pid(), second.alive())
    first.start()
    second.stop()
    assert (pid, True) == (first.pid(), first.alive())
    first.stop()
    assert first.pid() is None


def test_starting_and_stopping_twice_is_the_same_as_once(data):
    embedded = EmbeddedPostgres(data, SMALL)
    assert embedded.start() == embedded.start()
    embedded.stop()
    embedded.stop()
    assert embedded.pid() is None


USER_OF_A_SERVER = """
import sys, time
from pathlib import Path
from opensmm.store.embedded import EmbeddedPostgres
embedded = EmbeddedPostgres(Path(sys.argv[1]), {"shared_buffers": "16MB", "fsync": "off"})
embedded.start()
print(embedded.pid(), flush=True)
time.sleep(60)
"""


def start_user(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", USER_OF_A_SERVER, str(data)], stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_of_two_starters_at_once_one_starts_and_one_joins(data):
    starters = [start_user(data) for _ in range(3)]
    pids = [first_line(starter) for starter in starters]
    for starter in starters:
        end(starter)
    assert {str(EmbeddedPostgres(data).pid())} == set(pids)


def test_a_killed_user_lets_go_and_leaves_the_server_to_the_next(data):
    user = start_user(data)
    pid = int(first_line(user))
    end(user)
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    assert pid == embedded.pid()
    embedded.stop()
    assert embedded.pid() is None


def test_a_killed_server_is_started_again_with_all_it_had_committed(data):
    embedded = EmbeddedPostgres(data, SMALL)
    urls = embedded.start()
    with psycopg.connect(urls.owner) as conn:
        conn.execute("create table kept as select generate_series(1, 1000) as value")
    killed = embedded.pid()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: embedded.pid() is None)
    assert (False, True, False) == (embedded.alive(), embedded.restart_if_dead(), embedded.restart_if_dead())
    assert (1000,) == ask(urls.owner, "select count(*) from kept")
    embedded.stop()


def test_a_server_killed_under_a_busy_backend_is_started_again(data):
    embedded = EmbeddedPostgres(data, SMALL)
    urls = embedded.start()
    busy = psycopg.connect(urls.app, autocommit=True)
    busy.pgconn.send_query(b"select count(*) from generate_series(1, 30000000)")
    killed = embedded.pid()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: embedded.pid() is None)
    assert embedded.restart_if_dead()
    assert (1,) == ask(urls.app, "select 1")
    busy.close()
    embedded.stop()


def test_a_server_whose_socket_was_removed_is_started_anew(data):
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    shut_off = embedded.pid()
    folder = conninfo_to_dict(embedded.urls().app)["host"]
    Path(str(folder), ".s.PGSQL.5432").unlink()
    assert not embedded.alive()
    embedded.restart_if_dead()
    assert embedded.alive()
    assert shut_off != embedded.pid()
    embedded.stop()


def test_a_stale_number_is_neither_believed_nor_killed(data):
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    killed = embedded.pid()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: embedded.pid() is None)
    stranger = os_users.spawn(
        ["/bin/sleep", "60"], os_users.server_user(data / "postgres"), Path("/"), subprocess.DEVNULL
    )
    lines = (data / "postgres" / "postmaster.pid").read_text().splitlines(keepends=True)
    (data / "postgres" / "postmaster.pid").write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
    assert embedded.pid() is None
    assert embedded.restart_if_dead()
    embedded.stop()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("name", ["with blanks", "a,b", 'quo"te', "x" * 120, "عربي", "100%41"])
def test_any_folder_name_will_do(tmp_path, name):
    embedded = EmbeddedPostgres(tmp_path / name / "data", SMALL)
    urls = embedded.start()
    with psycopg.connect(urls.app) as conn:
        sockets = Path(conn.info.host)
        assert 0o700 == mode(sockets)
    embedded.stop()
    assert sockets.parent == embedded.data or not sockets.exists()


def test_no_permission_above_the_data_folder_is_changed(tmp_path, data):
    above = [tmp_path, *tmp_path.parents]
    before = [(mode(path), path.stat().st_uid) for path in above]
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    embedded.stop()
    assert before == [(mode(path), path.stat().st_uid) for path in above]


def test_a_server_that_cannot_start_says_why(data):
    with pytest.raises(Misconfigured, match=rf"{SetupCode.POSTGRES_DOES_NOT_START}.*no_such_setting"):
        EmbeddedPostgres(data, {"no_such_setting": "1"}).start()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own that a cluster fits on, and not much beside it."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    with suppress(OSError), (place / "filling").open("wb", buffering=0) as filling:
        while True:
            filling.write(bytes(4096))


@as_root
def test_a_full_disk_is_told_as_such(small_disk):
    make(small_disk / "data")
    fill(small_disk)
    with pytest.raises(Misconfigured, match=f"{SetupCode.DISK_FULL} folder={small_disk}/data"):
        EmbeddedPostgres(small_disk / "data", SMALL).start()
    (small_disk / "filling").unlink()
    make(small_disk / "data")


def test_why_no_cluster_can_be_made_is_one_line(tmp_path):
    initdb = tmp_path / "initdb"
    initdb.write_text(
        "#!/bin/sh\necho 'creating configuration files ... ok'\n"
        "echo 'FATAL:  could not extend file \"base/1\": No space left on device'\necho 'child process ended'\nexit 1\n"
    )
    initdb.chmod(0o755)
    with pytest.raises(Misconfigured) as refused:
        postgres_install.make(tmp_path / "postgres", pwd.getpwuid(os.geteuid()), "a password", initdb)
    assert (
        f'PostgreSQL\'s initdb failed in {tmp_path}: could not extend file "base/1": No space left on device'
    ) == ENGLISH.fault(refused.value)
    assert ["initdb"] == [path.name for path in tmp_path.iterdir()]


def test_a_cluster_of_another_version_is_refused_in_words(data):
    make(data)
    (data / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Misconfigured, match=f"{SetupCode.OTHER_CLUSTER_VERSION}.* made_by=17"):
        EmbeddedPostgres(data, SMALL).start()


def test_passwords_that_do_not_fit_are_refused_in_words(data):
    make(data)
    passwords = data / "passwords"
    passwords.write_text(passwords.read_text().replace('"postgres": "', '"postgres": "x'))
    with pytest.raises(Misconfigured, match=SetupCode.PASSWORDS_DO_NOT_FIT):
        EmbeddedPostgres(data, SMALL).start()
    assert EmbeddedPostgres(data).pid() is None


def test_a_server_that_has_never_run_is_not_alive(data):
    assert not EmbeddedPostgres(data).alive()


def test_the_panel_gets_its_tables_in_it(data):
    with run_database(config.read(data, {})) as urls:
        assert "store.0001_initial" in schema.migrate(urls.must_own())
        assert (True,) == ask(urls.app, "select count(*) = 1 from panel")


def test_an_external_database_is_left_alone(data):
    external = {"DATABASE_URL": "postgresql://app@db/panel", "DATABASE_ADMIN_URL": "postgresql://owner@db/panel"}
    with run_database(config.read(data, external)) as urls:
        assert (external["DATABASE_URL"], external["DATABASE_ADMIN_URL"]) == (urls.app, urls.must_own())
    assert not data.exists()


def test_an_external_database_without_its_owner_serves_but_does_not_migrate(data):
    with (
        run_database(config.read(data, {"DATABASE_URL": "postgresql://app@db/panel"})) as urls,
        pytest.raises(Misconfigured, match=SetupCode.OWNER_NEEDED),
    ):
        urls.must_own()


@as_root
def test_a_plain_user_runs_a_server_of_his_own(data, open_folder):
    make(data)  # whatever is imported late is imported now: a plain user may not read our Python
    plain = pwd.getpwnam("nobody")
    os.chown(open_folder, plain.pw_uid, plain.pw_gid)

    def work() -> None:
        embedded = EmbeddedPostgres(open_folder / "data", SMALL)
        urls = embedded.start()
        assert (1,) == ask(urls.app, "select 1")
        killed = embedded.pid()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: embedded.pid() is None)
        assert embedded.restart_if_dead()
        embedded.stop()
        assert embedded.pid() is None

    assert 0 == in_a_process_of(plain, work)
    assert plain.pw_uid == (open_folder / "data" / "postgres").stat().st_uid


@as_root
def test_root_joins_and_restarts_a_plain_users_server_as_that_user(data, open_folder):
    plain = pwd.getpwnam("nobody")
    os.chown(open_folder, plain.pw_uid, plain.pw_gid)
    folder = open_folder / "data"
    assert 0 == in_a_process_of(plain, lambda: make(folder))
    embedded = EmbeddedPostgres(folder, SMALL)
    embedded.start()
    assert plain.pw_uid == Path(f"/proc/{embedded.pid()}").stat().st_uid
    embedded.stop()


@as_root
def test_a_plain_user_is_told_that_a_folder_is_not_his(data):
    plain = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="opensmm-roots-"))
    folder.chmod(0o711)
    make(folder)

    def work() -> None:
        with pytest.raises(Misconfigured, match=SetupCode.DATA_FOLDER_NOT_OURS):
            EmbeddedPostgres(folder, SMALL).start()

    try:
        assert 0 == in_a_process_of(plain, work)
    finally:
        left = EmbeddedPostgres(folder).pid()
        if left is not None:
            os.kill(left, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@as_root
def test_root_runs_the_server_as_an_ordinary_user(data):
    embedded = EmbeddedPostgres(data, SMALL)
    embedded.start()
    uid = Path(f"/proc/{embedded.pid()}").stat().st_uid
    embedded.stop()
    assert uid != 0
    assert uid == (data / "postgres").stat().st_uid
