"""The panel's own PostgreSQL: started, shared, killed, restarted and stopped, as root and as a plain user."""

import multiprocessing
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.panel import HANG_S

from opensmm import config
from opensmm.base.faults import Misconfigured
from opensmm.store import cluster, os_users, programs, schema
from opensmm.store.embedded import Embedded, serving

SMALL = {"shared_buffers": "16MB", "max_wal_size": "256MB", "fsync": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def data(tmp_path):
    """A data folder below folders that are private to us, as root's home is; whatever runs in it is stopped."""
    folder = tmp_path / "data"
    yield folder
    left = Embedded(folder)
    if left.pid() is not None:
        left.start()
        left.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(data: Path) -> None:
    """Leaves a data folder behind whose server has run once."""
    embedded = Embedded(data, SMALL)
    embedded.start()
    embedded.stop()


def ask(url: str, query: str):
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query).fetchone()


def wait_until(holds) -> None:
    limit = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < limit, "it hangs"
        time.sleep(0.02)


def test_a_first_start_makes_a_server_with_two_plain_roles_and_checksums(data):
    embedded = Embedded(data, SMALL)
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
    embedded = Embedded(data, SMALL)
    embedded.start()
    try:
        url = embedded.url(cluster.SUPERUSER, "postgres")
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
    with serving(config.read(data, {})) as urls, psycopg.connect(urls.owner) as conn:
        conn.execute("create table kept as select 42 as value")
    with serving(config.read(data, {})) as urls:
        assert (42,) == ask(urls.owner, "select value from kept")


def test_the_last_user_stops_the_server_and_no_one_before(data):
    first, second = Embedded(data, SMALL), Embedded(data, SMALL)
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
    embedded = Embedded(data, SMALL)
    assert embedded.start() == embedded.start()
    embedded.stop()
    embedded.stop()
    assert embedded.pid() is None


USER_OF_A_SERVER = """
import sys, time
from pathlib import Path
from opensmm.store.embedded import Embedded
embedded = Embedded(Path(sys.argv[1]), {"shared_buffers": "16MB", "fsync": "off"})
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
    assert {str(Embedded(data).pid())} == set(pids)


def test_a_killed_user_lets_go_and_leaves_the_server_to_the_next(data):
    user = start_user(data)
    pid = int(first_line(user))
    end(user)
    embedded = Embedded(data, SMALL)
    embedded.start()
    assert pid == embedded.pid()
    embedded.stop()
    assert embedded.pid() is None


def test_a_killed_server_is_started_again_with_all_it_had_committed(data):
    embedded = Embedded(data, SMALL)
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
    embedded = Embedded(data, SMALL)
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
    embedded = Embedded(data, SMALL)
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
    embedded = Embedded(data, SMALL)
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
    embedded = Embedded(tmp_path / name / "data", SMALL)
    urls = embedded.start()
    with psycopg.connect(urls.app) as conn:
        sockets = Path(conn.info.host)
        assert 0o700 == mode(sockets)
    embedded.stop()
    assert sockets.parent == embedded.data or not sockets.exists()


def test_no_permission_above_the_data_folder_is_changed(tmp_path, data):
    above = [tmp_path, *tmp_path.parents]
    before = [(mode(path), path.stat().st_uid) for path in above]
    embedded = Embedded(data, SMALL)
    embedded.start()
    embedded.stop()
    assert before == [(mode(path), path.stat().st_uid) for path in above]


def test_a_server_that_cannot_start_says_why(data):
    with pytest.raises(Misconfigured, match="no_such_setting"):
        Embedded(data, {"no_such_setting": "1"}).start()


def test_a_cluster_of_another_version_is_refused_in_words(data):
    make(data)
    (data / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(Misconfigured, match="made by PostgreSQL 17"):
        Embedded(data, SMALL).start()


def test_passwords_that_do_not_fit_are_refused_in_words(data):
    make(data)
    passwords = data / "passwords"
    passwords.write_text(passwords.read_text().replace('"postgres": "', '"postgres": "x'))
    with pytest.raises(Misconfigured, match="does not fit"):
        Embedded(data, SMALL).start()
    assert Embedded(data).pid() is None


def test_a_server_that_has_never_run_is_not_alive(data):
    assert not Embedded(data).alive()


def test_the_panel_gets_its_tables_in_it(data):
    with serving(config.read(data, {})) as urls:
        assert "store.0001_initial" in schema.migrate(urls.must_own())
        assert (True,) == ask(urls.app, "select count(*) = 1 from panel")


def test_an_external_database_is_left_alone(data):
    external = {"DATABASE_URL": "postgresql://app@db/panel", "DATABASE_ADMIN_URL": "postgresql://owner@db/panel"}
    with serving(config.read(data, external)) as urls:
        assert (external["DATABASE_URL"], external["DATABASE_ADMIN_URL"]) == (urls.app, urls.must_own())
    assert not data.exists()


def test_an_external_database_without_its_owner_serves_but_does_not_migrate(data):
    with (
        serving(config.read(data, {"DATABASE_URL": "postgresql://app@db/panel"})) as urls,
        pytest.raises(Misconfigured, match="DATABASE_ADMIN_URL"),
    ):
        urls.must_own()


def in_a_process_of(user: pwd.struct_passwd, work) -> int:
    """Runs ``work`` in a forked child that has become the user for good; returns its exit code."""

    def become_and_work() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        work()

    child = multiprocessing.get_context("fork").Process(target=become_and_work)
    child.start()
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="opensmm-open-"))
    yield folder
    shutil.rmtree(folder)


@as_root
def test_a_plain_user_runs_a_server_of_his_own(data, open_folder):
    make(data)  # whatever is imported late is imported now: a plain user may not read our Python
    plain = pwd.getpwnam("nobody")
    os.chown(open_folder, plain.pw_uid, plain.pw_gid)

    def work() -> None:
        embedded = Embedded(open_folder / "data", SMALL)
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
    embedded = Embedded(folder, SMALL)
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
        with pytest.raises(Misconfigured, match="belongs to another user"):
            Embedded(folder, SMALL).start()

    try:
        assert 0 == in_a_process_of(plain, work)
    finally:
        left = Embedded(folder).pid()
        if left is not None:
            os.kill(left, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@as_root
def test_root_runs_the_server_as_an_ordinary_user(data):
    embedded = Embedded(data, SMALL)
    embedded.start()
    uid = Path(f"/proc/{embedded.pid()}").stat().st_uid
    embedded.stop()
    assert uid != 0
    assert uid == (data / "postgres").stat().st_uid


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def kept(data: Path) -> None:
    """Leaves a data folder behind, with a table in it."""
    embedded = Embedded(data, SMALL)
    with psycopg.connect(embedded.start().owner) as conn:
        conn.execute("create table kept as select 42 as value")
    embedded.stop()


def asked_again(data: Path) -> int:
    """Starts the server of a data folder and reads the table; returns the user that it runs as."""
    embedded = Embedded(data, SMALL)
    assert (42,) == ask(embedded.start().owner, "select value from kept")
    uid = Path(f"/proc/{embedded.pid()}").stat().st_uid
    embedded.stop()
    return uid


def own(folder: Path, uid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


@as_root
@pytest.mark.parametrize("in_the_open", [False, True])
def test_a_data_folder_that_root_copied_without_owners_works(data, open_folder, in_the_open):
    kept(data)
    copy = (open_folder if in_the_open else data.parent) / "copy"
    open_folder.chmod(0o755)
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    assert {0} == owners(copy)
    user = os_users.server_user(copy / "postgres")
    assert (user.pw_uid, {user.pw_uid}) == (asked_again(copy), owners(copy / "postgres"))
    assert (0o700, 0) == (mode(copy / "postgres"), (copy / "passwords").stat().st_uid)
    assert user.pw_uid == asked_again(copy)


@as_root
@pytest.mark.parametrize("uid", [54321, pwd.getpwnam("nobody").pw_uid])
def test_the_number_of_another_machine_is_nobody_here(data, uid):
    kept(data)
    own(data / "postgres", uid)
    ordinary = os_users.server_user(data / "nothing").pw_uid
    assert (ordinary, {ordinary}) == (asked_again(data), owners(data / "postgres"))


@as_root
@pytest.mark.parametrize("oddity", ["another owner", "a file that lies elsewhere too"])
def test_a_folder_that_holds_more_than_a_copy_would_is_left_as_it_is(data, tmp_path, oddity):
    kept(data)
    own(data / "postgres", 0)
    odd = data / "postgres" / "odd"
    if oddity == "another owner":
        odd.touch()
        os.chown(odd, 54321, 54321)
    else:
        (tmp_path / "elsewhere").touch()
        odd.hardlink_to(tmp_path / "elsewhere")
    before = owners(data / "postgres")
    with pytest.raises(Misconfigured, match=f"{odd} is not only the database's.*chown -R .*: {data}/postgres"):
        Embedded(data, SMALL).start()
    assert before == owners(data / "postgres")


@as_root
def test_a_plain_user_is_told_the_command_that_makes_a_copied_folder_his(data, open_folder):
    kept(data)
    copy = open_folder / "my copy"
    open_folder.chmod(0o755)
    subprocess.run(["cp", "-r", str(data), str(copy)], check=True)
    plain = pwd.getpwnam("nobody")

    def work() -> None:
        with pytest.raises(Misconfigured, match=f"`sudo chown -R nobody: '{copy}'`"):
            Embedded(copy, SMALL).start()

    assert 0 == in_a_process_of(plain, work)
    own(copy, plain.pw_uid)
    assert 0 == in_a_process_of(plain, lambda: asked_again(copy))


@as_root
def test_a_user_without_a_name_is_told_so(open_folder):
    open_folder.chmod(0o777)
    nameless = pwd.struct_passwd(("", "", 54321, 54321, "", "/", ""))

    def work() -> None:
        with pytest.raises(Misconfigured, match="user with a name, and the user 54321 has none"):
            Embedded(open_folder / "data", SMALL).start()

    assert 0 == in_a_process_of(nameless, work)


@pytest.fixture
def private_wheel(tmp_path, open_folder, monkeypatch):
    """The wheel in a folder that only root may pass, and one of our own for copies of it."""
    own = programs.bundled()
    private = tmp_path / "site-packages" / programs.WHEEL / own.name
    shutil.copytree(own, private, ignore=shutil.ignore_patterns("include"))
    libraries = own.parents[1] / f"{programs.WHEEL}.libs"
    shutil.copytree(libraries, private.parents[1] / libraries.name)
    tmp_path.chmod(0o700)
    open_folder.chmod(0o755)
    monkeypatch.setattr(programs, "bundled", lambda: private)
    monkeypatch.setattr(programs, "COPIES", (open_folder / "copies",))
    return private


def run_once(data: Path, user: pwd.struct_passwd) -> None:
    """Starts a server, asks it something, and runs the other programs as its user."""
    embedded = Embedded(data, SMALL)
    assert (1,) == ask(embedded.start().app, "select 1")
    embedded.stop()
    for name in programs.NEEDED:
        code, printed = os_users.run([str(programs.binaries(user) / name), "--version"], user, Path("/"))
        assert (0, True) == (code, "PostgreSQL" in printed), printed


@as_root
def test_programs_in_a_private_folder_are_copied_with_what_they_need(tmp_path, data, private_wheel):
    before = os.umask(0o077)
    try:
        user = os_users.server_user(tmp_path / "nothing")
        copy = programs.binaries(user)
        run_once(data, user)
    finally:
        os.umask(before)
    assert programs.COPIES[0] in copy.parents
    assert copy == programs.binaries(user)
    assert 0o700 == mode(tmp_path)
    assert 1 == len(list(programs.COPIES[0].iterdir()))


@as_root
@pytest.mark.parametrize("breach", ["no libraries", "no initdb", "no share", "private"])
def test_a_broken_copy_is_replaced(tmp_path, data, private_wheel, breach):
    user = os_users.server_user(tmp_path / "nothing")
    install = programs.binaries(user).parent
    match breach:
        case "no libraries":
            shutil.rmtree(install.parents[1] / f"{programs.WHEEL}.libs")
        case "no initdb":
            (install / "bin" / "initdb").unlink()
        case "no share":
            shutil.rmtree(install / "share")
        case _:
            install.chmod(0o700)
    run_once(data, user)
    assert [install.parents[1]] == list(programs.COPIES[0].iterdir())


@as_root
def test_the_next_place_is_taken_where_the_first_is_private(tmp_path, data, private_wheel, monkeypatch):
    first, second = programs.COPIES[0] / "first", programs.COPIES[0] / "second"
    first.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(programs, "COPIES", (first, second))
    user = os_users.server_user(tmp_path / "nothing")
    assert second in programs.binaries(user).parents
    assert [] == list(first.iterdir())


@as_root
def test_programs_that_run_nowhere_are_named_with_the_reason(tmp_path, private_wheel):
    (private_wheel / "bin" / "pg_dump").unlink()
    with pytest.raises(Misconfigured, match=r"copies.*pg_dump: No such file"):
        programs.binaries(os_users.server_user(tmp_path / "nothing"))
    assert [] == list(programs.COPIES[0].iterdir())
