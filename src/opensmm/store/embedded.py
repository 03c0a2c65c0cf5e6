"""The embedded PostgreSQL, used if no database is configured: one server a data folder, shared by the processes.

A data folder holds ``postgres`` (the cluster), ``passwords``, ``postgres.log``, ``lock`` (locked while the server is
started or stopped) and ``users`` (each process that uses the server has a shared lock on it; the last one to leave
stops the server, and the system releases the lock of a killed one).
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from opensmm.base.error_codes import OutageCode, SetupCode
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.config import Config, keep_secret, make_folder
from opensmm.domain.codes import NO_FIELDS, Report, StageCode, no_report
from opensmm.store import os_users, postgres_install, programs
from opensmm.store.postgres_words import LEFT_BEHIND, LOGIN_REFUSED

DATABASE: Final = "opensmm"
OWNER: Final = "opensmm_owner"
APP: Final = "opensmm_app"
PORT: Final = 5432

START_LIMIT_S: Final = 600
"""The longest that a living server is waited for: recovery from a crash under load may take minutes."""
ORPHANS_LIMIT_S: Final = 60
"""The longest that a start waits for children of a killed server to release its memory."""
STOP_LIMIT_S: Final = 60
CONNECT_LIMIT_S: Final = 5
PAUSE_S: Final = 0.02
LOG_LIMIT_BYTES: Final = 16 * postgres_install.MIB
SOCKET_PATH_LIMIT_BYTES: Final = 107
SHUT_OFF_LIMIT_S: Final = 3.0
"""The time after which a server that runs without its socket is restarted."""
LOW_DISK_BYTES: Final = 64 * postgres_install.KIB
"""With less free disk space a server may end without a line in its log."""
RECOVERY_SHOWS_S: Final = 5.0
"""A start that takes longer is reported as recovery from a crash."""
NO_PROCESS: Final = 2**31 - 1
"""A process id that no system gives out."""

_MARK: Final = "opensmm.folder"


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The database's URLs for its two roles. An external database may be configured without the owner's."""

    app: str = field(repr=False)
    owner: str = field(repr=False)

    def must_own(self) -> str:
        """Returns the owner's URL; raises Misconfigured if there is none."""
        if not self.owner:
            raise Misconfigured(SetupCode.OWNER_NEEDED)
        return self.owner


@contextmanager
def run_database(config: Config, report: Report = no_report) -> Iterator[DatabaseUrls]:
    """Yields the configured database, or else runs the embedded one for the duration of the block."""
    if config.database_url:
        yield DatabaseUrls(app=config.database_url, owner=config.database_admin_url)
        return
    embedded = EmbeddedPostgres(config.data, report=report)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


def has_database(data: Path) -> bool:
    """Returns True if a data folder has a database, running or not, and for a folder that we may not read."""
    try:
        return (data / "postgres").exists()
    except PermissionError:
        return True


class EmbeddedPostgres:
    """The use of a data folder's server by one process, from ``start`` until ``stop`` or the process's end.

    ``extra``: settings that apply only if this process starts the server. ``report``: receives each stage of a start.
    """

    def __init__(self, data: Path, extra: Mapping[str, str] | None = None, *, report: Report = no_report) -> None:
        self.data = data.resolve()
        self._cluster = self.data / "postgres"
        self._log = self.data / "postgres.log"
        self._extra = dict(extra or {})
        self._report = report
        self._users: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}
        self._first_words_at = 0
        self._started_as = os.geteuid()

    def start(self) -> DatabaseUrls:
        """Starts the server, or joins the one that runs; returns when it answers. Raises Misconfigured."""
        with self._lock_server():
            if self._users is None:
                self._users = _open(self.data / "users")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._ensure_running()
            except BaseException:
                self._leave()
                raise
        return self.urls()

    def stop(self) -> None:
        """Leaves the server, and stops it if no other process uses it.

        A process that has given up root since the start may not stop it: the last of the others does.
        """
        if self._users is None:
            return
        if os.geteuid() != self._started_as:
            os.close(self._users)
            self._users = None
            return
        with self._lock_server():
            self._leave()

    def alive(self) -> bool:
        """Returns True if the server accepts a connection and answers a query."""
        try:
            with psycopg.connect(self.urls().app, connect_timeout=CONNECT_LIMIT_S) as conn:
                conn.execute("select 1")
        except (psycopg.OperationalError, OSError, Misconfigured):
            return False
        return True

    def restart_if_dead(self) -> bool:
        """Starts the server again if it is dead; returns True if it was."""
        if self.alive():
            return False
        with self._lock_server():
            return self._ensure_running()

    def urls(self) -> DatabaseUrls:
        return DatabaseUrls(app=self.url(APP), owner=self.url(OWNER))

    def url(self, role: str, database: str = DATABASE) -> str:
        """Returns the URL for a role. ``postgres_install.SUPERUSER`` is for making roles and databases only."""
        password = self._read_password(role)
        return f"postgresql://{role}:{password}@/{database}?host={quote(self._find_sockets(), safe='')}&port={PORT}"

    def pid(self) -> int | None:
        """Returns the process id of this folder's server, if it runs. A stale id in its file is not believed."""
        lines = self._read_pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if _has_mark(pid, f"{_MARK}={self._cluster}") else None

    @contextmanager
    def _lock_server(self) -> Iterator[None]:
        """Lets one process in at a time. A second starter waits here, and then joins the running server."""
        try:
            make_folder(self.data)
            handle = _open(self.data / "lock")
        except PermissionError as error:
            raise self._not_ours(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _ensure_running(self) -> bool:
        """Starts the server if it does not run; returns True if it did not. The caller has the lock."""
        if self.pid() is not None:
            self._wait_until_it_answers()
            return False
        if not self._cluster.exists():
            self._make_cluster()
        postgres_install.check_version(self._cluster)
        os_users.give_back(self._cluster, os_users.server_user(self._cluster))
        self._report(StageCode.STARTING_DATABASE, NO_FIELDS)
        self._spawn()
        self._wait_until_it_answers()
        self._make_roles()
        return True

    def _make_cluster(self) -> None:
        passwords = {role: secrets.token_urlsafe(24) for role in (postgres_install.SUPERUSER, OWNER, APP)}
        (self.data / "passwords").unlink(missing_ok=True)
        keep_secret(self.data / "passwords", json.dumps(passwords))
        self._passwords = passwords
        user = os_users.server_user(self._cluster)
        initdb = programs.find_binaries(user, self._report) / "initdb"
        self._report(StageCode.CREATING_DATABASE, NO_FIELDS)
        postgres_install.make(self._cluster, user, passwords[postgres_install.SUPERUSER], initdb)

    def _read_password(self, role: str) -> str:
        if not self._passwords:
            try:
                self._passwords = json.loads((self.data / "passwords").read_text())
            except OSError as error:
                raise Misconfigured(SetupCode.PASSWORDS_UNREADABLE, words=str(error)) from error
        return self._passwords[role]

    def _spawn(self) -> None:
        user = os_users.server_user(self._cluster)
        sockets = _choose_socket_folder(self.data, user.pw_uid)
        if os.geteuid() == 0 and sockets.parent == self.data and sockets.exists():
            shutil.rmtree(sockets)  # no server runs, and a copied folder has lost its owner
        _make_private(sockets, user.pw_uid, user.pw_gid)
        self._disown_stale_pid(sockets)
        options = {**postgres_install.settings(self.data), **self._extra, _MARK: str(self._cluster)}
        command = [
            str(programs.find_binaries(user, self._report) / "postgres"),
            "-D",
            os_users.server_path(user, self._cluster),
        ]
        command += ["-k", str(sockets), "-p", str(PORT)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with os.fdopen(_open(self._log, os.O_APPEND), "ab") as log:
            self._first_words_at = os.fstat(log.fileno()).st_size
            self._process = os_users.spawn(command, user, self._cluster, log)

    def _disown_stale_pid(self, sockets: Path) -> None:
        """Overwrites the process id that a dead server left behind: another process may have it now.

        PostgreSQL would take that process for a running server. The file itself stays: by its other lines PostgreSQL
        finds out if children of the dead server still hold its memory.
        """
        lines = self._read_pid_file()
        if lines:
            lines[0] = f"{NO_PROCESS}\n"
            (self._cluster / "postmaster.pid").write_text("".join(lines))
        (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _read_pid_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except PermissionError as error:
            raise self._not_ours(error) from error

    def _not_ours(self, error: PermissionError) -> Misconfigured:
        fields = {"folder": str(self.data), "user": os_users.our_name(), "words": str(error)}
        return Misconfigured(SetupCode.DATA_FOLDER_NOT_OURS, **fields)

    def _find_sockets(self) -> str:
        """Returns the folder of the server's socket. A running server names it in the fifth line of its file."""
        lines = self._read_pid_file()
        if len(lines) > 4 and lines[4].strip():
            return lines[4].strip()
        uid = self._cluster.stat().st_uid if self._cluster.exists() else os.geteuid()
        return str(_choose_socket_folder(self.data, uid))

    def _wait_until_it_answers(self) -> None:
        began, recovering = time.monotonic(), False
        while (error := self._try_to_connect()) is not None:
            if LOGIN_REFUSED in error:
                raise Misconfigured(SetupCode.PASSWORDS_DO_NOT_FIT, path=str(self.data / "passwords"))
            if self.pid() is not None and self._is_shut_off() and time.monotonic() > began + SHUT_OFF_LIMIT_S:
                self._end_server()
            if self.pid() is None and (self._process is None or self._process.poll() is not None):
                self._spawn_again(patient=time.monotonic() < began + ORPHANS_LIMIT_S)
            if not recovering and time.monotonic() > began + RECOVERY_SHOWS_S:
                recovering = True
                self._report(StageCode.RECOVERING_DATABASE, NO_FIELDS)
            if time.monotonic() > began + START_LIMIT_S:
                raise Unavailable(OutageCode.SERVER_SILENT, folder=str(self.data), words=error)
            time.sleep(PAUSE_S)

    def _is_shut_off(self) -> bool:
        """Returns True if the socket of a running server was removed, as cleaners of temporary folders do."""
        return not (Path(self._find_sockets()) / f".s.PGSQL.{PORT}").exists()

    def _try_to_connect(self) -> str | None:
        try:
            url = self.url(postgres_install.SUPERUSER, "postgres")
            psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def _spawn_again(self, *, patient: bool) -> None:
        """Starts a server that ended once more, if its log names a cause that passes; raises Misconfigured otherwise.

        ``patient``: such a cause, for example children of a killed server, may still pass. A server that was killed
        during recovery is always started again: it had no time to log a cause.
        """
        if self._process is not None and (self._process.poll() or 0) >= 0:
            with self._log.open("rb") as log:
                log.seek(self._first_words_at)
                words = log.read(64 * postgres_install.KIB).decode(errors="replace").strip()
            if not patient or not any(cause in words for cause in LEFT_BEHIND):
                full = shutil.disk_usage(self.data).free < LOW_DISK_BYTES
                code = SetupCode.DISK_FULL if full else SetupCode.POSTGRES_DOES_NOT_START
                raise Misconfigured(code, folder=str(self.data), words=words)
            time.sleep(0.2)
        self._spawn()

    def _make_roles(self) -> None:
        """Makes the two roles and the panel's database. Roles belong to the cluster and may exist already."""
        with psycopg.connect(self.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as conn:
            for role in (OWNER, APP):
                existing = conn.execute("select from pg_roles where rolname = %s", (role,)).fetchone()
                verb = sql.SQL("create role {} login" if existing is None else "alter role {} login").format(
                    sql.Identifier(role)
                )
                password = self._read_password(role).encode()
                secret = conn.pgconn.encrypt_password(password, role.encode(), b"scram-sha-256")
                conn.execute(sql.SQL("{} password {}").format(verb, sql.Literal(secret.decode())))
            conn.execute(f"alter role {APP} set idle_in_transaction_session_timeout = '60s'")
            if conn.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                conn.execute(f"create database {DATABASE} owner {OWNER}")

    def _leave(self) -> None:
        """Leaves the server, and stops it if no other process uses it. The caller has the lock."""
        # The shared lock goes first: two processes that leave would otherwise wait for each other.
        if self._users is not None:
            os.close(self._users)
            self._users = None
        users = _open(self.data / "users")
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._shut_down()
        finally:
            os.close(users)

    def _shut_down(self) -> None:
        sockets = Path(self._find_sockets())
        self._end_server()
        # A folder outside the data folder is removed, once PostgreSQL has removed its socket.
        if sockets.parent != self.data and self.pid() is None:
            with suppress(OSError):
                sockets.rmdir()

    def _end_server(self) -> None:
        """Stops the server, and waits for its end.

        A fast shutdown aborts open transactions and writes memory out; force follows after ``STOP_LIMIT_S``.
        """
        for how in (signal.SIGINT, signal.SIGQUIT):
            pid = self.pid()
            if pid is None:
                break
            with suppress(ProcessLookupError):
                os.kill(pid, how)
            limit = time.monotonic() + STOP_LIMIT_S
            while self.pid() == pid and time.monotonic() < limit:
                time.sleep(PAUSE_S)
        if self._process is not None:
            self._process.wait()
            self._process = None


def _open(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)


def _has_mark(pid: int, mark: str) -> bool:
    """Returns True if the process has the mark on its command line. Everyone may read that, and no child keeps it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return False
        process = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
        return f"{mark} " in f"{process.stdout.strip()} "
    return mark in words


def _choose_socket_folder(data: Path, uid: int) -> Path:
    """Returns a folder in the data folder, if its path is short enough and the server's user can reach it.

    Returns a folder with a short path otherwise. A socket's path has at most 107 bytes, and a comma would separate two
    hosts.
    """
    own = data / "sockets"
    fits = len(os.fsencode(own / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT_BYTES and not set(',"') & set(str(own))
    if fits and (uid == os.geteuid() or _is_open_to_all(data)):
        return own
    base = Path("/run" if os.geteuid() == 0 else "/tmp")  # noqa: S108 - owner and mode are checked before use
    return base / f"opensmm-{uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _is_open_to_all(folder: Path) -> bool:
    """Returns True if every user may enter the folder and all folders above it."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))


def _make_private(folder: Path, uid: int, gid: int) -> None:
    """Makes the folder for its owner alone; raises Misconfigured if somebody else's folder is there."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if uid != os.geteuid():
            os.chown(folder, uid, gid, follow_symlinks=False)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
        raise Misconfigured(SetupCode.SOCKET_FOLDER_NOT_OURS, folder=str(folder), uid=uid)
