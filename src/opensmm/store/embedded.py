"""The panel's own PostgreSQL, for whoever has configured none: one server per data folder, shared by its processes.

A data folder holds ``postgres`` (the cluster), ``passwords``, ``postgres.log``, ``lock`` (held while the server is
started or stopped) and ``users`` (each process that uses the server holds a shared lock on it; the last one to leave
stops the server, and a killed one lets go without a word).
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
"""Recovery after a crash under load may take minutes; while the server lives, it is waited for."""
ORPHANS_LIMIT_S: Final = 60
"""How long children of a killed server may hold its memory before starting anew is given up."""
STOP_LIMIT_S: Final = 60
CONNECT_LIMIT_S: Final = 5
PAUSE_S: Final = 0.02
LOG_LIMIT_BYTES: Final = 16 * postgres_install.MIB
SOCKET_PATH_LIMIT_BYTES: Final = 107
SHUT_OFF_LIMIT_S: Final = 3.0
"""How long a server that runs without a socket is given before it is started anew."""
ROOM_FOR_WORDS_BYTES: Final = 64 * postgres_install.KIB
"""With less room on its disk a server may end without a word in its log."""
RECOVERY_SHOWS_S: Final = 5.0
"""A start that takes longer recovers from a crash, most likely."""
NO_PROCESS: Final = 2**31 - 1

_MARK: Final = "opensmm.folder"


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """Where the database is, for its two roles. An external one may be given without its owner."""

    app: str = field(repr=False)
    owner: str = field(repr=False)

    def must_own(self) -> str:
        """The owner's URL; raises Misconfigured where there is none."""
        if not self.owner:
            raise Misconfigured(SetupCode.OWNER_NEEDED)
        return self.owner


@contextmanager
def serving(config: Config, report: Report = no_report) -> Iterator[DatabaseUrls]:
    """The configured database, or the embedded one for as long as the block runs."""
    if config.database_url:
        yield DatabaseUrls(app=config.database_url, owner=config.database_admin_url)
        return
    embedded = EmbeddedPostgres(config.data, report=report)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


def stands(data: Path) -> bool:
    """Whether a data folder has a database, running or not; one that we may not look into counts as one."""
    try:
        return (data / "postgres").exists()
    except PermissionError:
        return True


class EmbeddedPostgres:
    """One process's hold on the server of a data folder, from ``start`` until ``stop`` or the process's end.

    ``extra`` settings count only where this hold starts the server; ``report`` hears of the steps of a start.
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
        with self._starting_or_stopping():
            if self._users is None:
                self._users = _open(self.data / "users")
                fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self._run()
            except BaseException:
                self._leave()
                raise
        return self.urls()

    def stop(self) -> None:
        """Lets go of the server, and stops it where nobody else uses it.

        A process that has given root up since the start leaves the stopping to whoever still holds the server.
        """
        if self._users is None:
            return
        if os.geteuid() != self._started_as:
            os.close(self._users)
            self._users = None
            return
        with self._starting_or_stopping():
            self._leave()

    def alive(self) -> bool:
        """Whether the server answers a real connection."""
        try:
            with psycopg.connect(self.urls().app, connect_timeout=CONNECT_LIMIT_S) as conn:
                conn.execute("select 1")
        except (psycopg.OperationalError, OSError, Misconfigured):
            return False
        return True

    def restart_if_dead(self) -> bool:
        """For whoever watches over the server: True where it was dead and has been started again."""
        if self.alive():
            return False
        with self._starting_or_stopping():
            return self._run()

    def urls(self) -> DatabaseUrls:
        return DatabaseUrls(app=self.url(APP), owner=self.url(OWNER))

    def url(self, role: str, database: str = DATABASE) -> str:
        """How ``role`` connects; ``cluster.SUPERUSER`` is for making databases, never for the panel's work."""
        password = self._password(role)
        return f"postgresql://{role}:{password}@/{database}?host={quote(self._sockets(), safe='')}&port={PORT}"

    def pid(self) -> int | None:
        """The postmaster of this very folder where one runs; a stale number in its file is not believed."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if _shows(pid, f"{_MARK}={self._cluster}") else None

    @contextmanager
    def _starting_or_stopping(self) -> Iterator[None]:
        """One process at a time; a second starter waits here, and then finds a server to join."""
        try:
            make_folder(self.data)
            handle = _open(self.data / "lock")
        except PermissionError as refused:
            raise self._not_ours(refused) from refused
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _run(self) -> bool:
        """Under the lock. True where the server had to be started."""
        if self.pid() is not None:
            self._wait_until_it_answers()
            return False
        if not self._cluster.exists():
            self._make()
        postgres_install.check_version(self._cluster)
        os_users.give_back(self._cluster, os_users.server_user(self._cluster))
        self._report(StageCode.STARTING_DATABASE, NO_FIELDS)
        self._spawn()
        self._wait_until_it_answers()
        self._make_roles()
        return True

    def _make(self) -> None:
        passwords = {role: secrets.token_urlsafe(24) for role in (postgres_install.SUPERUSER, OWNER, APP)}
        (self.data / "passwords").unlink(missing_ok=True)
        keep_secret(self.data / "passwords", json.dumps(passwords))
        self._passwords = passwords
        user = os_users.server_user(self._cluster)
        initdb = programs.binaries(user, self._report) / "initdb"
        self._report(StageCode.CREATING_DATABASE, NO_FIELDS)
        postgres_install.make(self._cluster, user, passwords[postgres_install.SUPERUSER], initdb)

    def _password(self, role: str) -> str:
        if not self._passwords:
            try:
                self._passwords = json.loads((self.data / "passwords").read_text())
            except OSError as gone:
                raise Misconfigured(SetupCode.PASSWORDS_UNREADABLE, words=str(gone)) from gone
        return self._passwords[role]

    def _spawn(self) -> None:
        user = os_users.server_user(self._cluster)
        sockets = _socket_folder(self.data, user.pw_uid)
        if os.geteuid() == 0 and sockets.parent == self.data and sockets.exists():
            shutil.rmtree(sockets)  # no server runs, and a copied folder has lost its owner
        _own_private(sockets, user.pw_uid, user.pw_gid)
        self._forget_the_dead(sockets)
        options = {**postgres_install.settings(self.data), **self._extra, _MARK: str(self._cluster)}
        command = [str(programs.binaries(user, self._report) / "postgres"), "-D", os_users.seen_by(user, self._cluster)]
        command += ["-k", str(sockets), "-p", str(PORT)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with os.fdopen(_open(self._log, os.O_APPEND), "ab") as log:
            self._first_words_at = os.fstat(log.fileno()).st_size
            self._process = os_users.spawn(command, user, self._cluster, log)

    def _forget_the_dead(self, sockets: Path) -> None:
        """No server of ours runs here, yet PostgreSQL believes a left number that now is another process's.

        The number is overwritten, not the file removed: its other lines let PostgreSQL see whether children of
        the dead server still hold its memory.
        """
        lines = self._pid_file()
        if lines:
            lines[0] = f"{NO_PROCESS}\n"
            (self._cluster / "postmaster.pid").write_text("".join(lines))
        (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _pid_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except PermissionError as refused:
            raise self._not_ours(refused) from refused

    def _not_ours(self, refused: PermissionError) -> Misconfigured:
        fields = {"folder": str(self.data), "user": os_users.our_name(), "words": str(refused)}
        return Misconfigured(SetupCode.DATA_FOLDER_NOT_OURS, **fields)

    def _sockets(self) -> str:
        """Where the running server listens: it says so itself, in the fifth line of its file."""
        lines = self._pid_file()
        if len(lines) > 4 and lines[4].strip():
            return lines[4].strip()
        return str(_socket_folder(self.data, self._cluster.stat().st_uid if self._cluster.exists() else os.geteuid()))

    def _wait_until_it_answers(self) -> None:
        began, recovering = time.monotonic(), False
        while (error := self._try()) is not None:
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
        """Somebody has removed the socket of a running server, as cleaners of temporary folders do."""
        return not (Path(self._sockets()) / f".s.PGSQL.{PORT}").exists()

    def _try(self) -> str | None:
        try:
            url = self.url(postgres_install.SUPERUSER, "postgres")
            psycopg.connect(url, connect_timeout=CONNECT_LIMIT_S).close()
        except psycopg.OperationalError as refused:
            return str(refused)
        return None

    def _spawn_again(self, *, patient: bool) -> None:
        """A server that ended is started again while its words name something that passes, such as orphans.

        One that was killed while it recovered had no time for words.
        """
        if self._process is not None and (self._process.poll() or 0) >= 0:
            with self._log.open("rb") as log:
                log.seek(self._first_words_at)
                words = log.read(64 * postgres_install.KIB).decode(errors="replace").strip()
            if not patient or not any(left in words for left in LEFT_BEHIND):
                full = shutil.disk_usage(self.data).free < ROOM_FOR_WORDS_BYTES
                code = SetupCode.DISK_FULL if full else SetupCode.POSTGRES_DOES_NOT_START
                raise Misconfigured(code, folder=str(self.data), words=words)
            time.sleep(0.2)
        self._spawn()

    def _make_roles(self) -> None:
        """The two roles and the panel's database. Roles belong to the cluster: they may be there already."""
        with psycopg.connect(self.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as conn:
            for role in (OWNER, APP):
                found = conn.execute("select from pg_roles where rolname = %s", (role,)).fetchone()
                verb = sql.SQL("create role {} login" if found is None else "alter role {} login").format(
                    sql.Identifier(role)
                )
                secret = conn.pgconn.encrypt_password(self._password(role).encode(), role.encode(), b"scram-sha-256")
                conn.execute(sql.SQL("{} password {}").format(verb, sql.Literal(secret.decode())))
            conn.execute(f"alter role {APP} set idle_in_transaction_session_timeout = '60s'")
            if conn.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                conn.execute(f"create database {DATABASE} owner {OWNER}")

    def _leave(self) -> None:
        """Under the lock. A failed try gives the shared lock up first: two leavers would else wait for each other."""
        if self._users is not None:
            os.close(self._users)
            self._users = None
        alone = _open(self.data / "users")
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            self._shut_down()
        finally:
            os.close(alone)

    def _shut_down(self) -> None:
        sockets = Path(self._sockets())
        self._end_server()
        # One inside the data folder stays with it; a short one elsewhere goes, once PostgreSQL has emptied it.
        if sockets.parent != self.data and self.pid() is None:
            with suppress(OSError):
                sockets.rmdir()

    def _end_server(self) -> None:
        """Fast first: open transactions are aborted and memory is written out; by force only after a minute."""
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


def _shows(pid: int, mark: str) -> bool:
    """Whether the process bears the mark on its command line, which everyone may read and no child of it keeps."""
    try:
        shown = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return False
        listed = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
        return f"{mark} " in f"{listed.stdout.strip()} "
    return mark in shown


def _socket_folder(data: Path, uid: int) -> Path:
    """In the data folder where its path is short enough and the server's user can reach it; else a short one.

    A socket's path has at most 107 bytes, and a comma in it would read as two hosts.
    """
    own = data / "sockets"
    fits = len(os.fsencode(own / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT_BYTES and not set(',"') & set(str(own))
    if fits and (uid == os.geteuid() or _open_to_all(data)):
        return own
    base = Path("/run" if os.geteuid() == 0 else "/tmp")  # noqa: S108 - owner and mode are checked before use
    return base / f"opensmm-{uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _open_to_all(folder: Path) -> bool:
    """Whether every user may pass through the folder and all above it."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def _own_private(folder: Path, uid: int, gid: int) -> None:
    """Makes the folder for its owner alone; one that somebody else has put there is refused."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if uid != os.geteuid():
            os.chown(folder, uid, gid, follow_symlinks=False)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise Misconfigured(SetupCode.SOCKET_FOLDER_NOT_OURS, folder=str(folder), uid=uid)
