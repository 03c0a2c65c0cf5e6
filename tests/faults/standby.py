"""Two clusters: a primary, and the synchronous standby that its commits wait for."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from opensmm.store import os_users, postgres_install, programs, schema
from opensmm.store.embedded import APP, DATABASE, OWNER, PORT, EmbeddedPostgres

WITHIN_S = 60
SETTINGS = {
    "fsync": "off",  # no power cut is part of these tests: who is killed are processes
    "autovacuum": "off",
    "scram_iterations": "1",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "64MB",
    "wal_sender_timeout": "0",
}
STANDBY = "standby"


class Pair:
    """A primary that runs in ``embedded``, and its standby, a copy of it that follows."""

    def __init__(self, folder: Path, embedded: EmbeddedPostgres) -> None:
        self.embedded = embedded
        self.user = os_users.server_user(folder / "postgres")
        self.binaries = programs.find_binaries(self.user)
        self._folder = folder
        self._copy = folder / STANDBY
        self._sockets = folder / "s"
        self._standby: subprocess.Popen[bytes] | None = None

    def standby_url(self, role: str, database: str = DATABASE) -> str:
        before, _, _ = self.embedded.url(role, database).partition("?")
        return f"{before}?host={quote(str(self._sockets), safe='')}&port={PORT}"

    def follow(self) -> None:
        """Copies the primary and starts the copy; from then on commits wait for it."""
        for place in (self._copy, self._sockets):
            place.mkdir(mode=0o700)
            os_users.give(place, self.user)
        source = self.embedded.url(postgres_install.SUPERUSER, "postgres")
        command = [str(self.binaries / "pg_basebackup"), "-D", ".", "-d", source, "-X", "stream", "-c", "fast", "-R"]
        code, printed = os_users.run(command, self.user, self._copy)
        assert code == 0, printed
        self._start()
        with self.superuser() as conn:
            conn.execute(f"alter system set synchronous_standby_names = '{STANDBY}'")
            conn.execute("select pg_reload_conf()")
            _wait_for(conn, "select exists (select from pg_stat_replication where sync_state = 'sync')")

    def _start(self) -> None:
        options = {**postgres_install.settings(self._folder), **SETTINGS, "cluster_name": STANDBY}
        command = [str(self.binaries / "postgres"), "-D", ".", "-k", str(self._sockets), "-p", str(PORT)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "standby.log").open("ab") as log:
            self._standby = os_users.spawn(command, self.user, self._copy, log)
        until = time.monotonic() + WITHIN_S
        while True:
            with suppress(psycopg.OperationalError), self.superuser(standby=True):
                return
            assert time.monotonic() < until, "the standby does not answer"
            time.sleep(0.02)

    def superuser(self, *, standby: bool = False) -> psycopg.Connection:
        url = self.standby_url if standby else self.embedded.url
        return psycopg.connect(
            url(postgres_install.SUPERUSER, "postgres"), autocommit=True, application_name="the test"
        )

    def silence(self) -> None:
        """The standby is gone: commits on the primary wait for it."""
        self.stop()

    def speak(self) -> None:
        """It is back, and takes what it missed."""
        self._start()

    def waiting(self) -> list[int]:
        """The primary's backends that wait for the standby in their COMMIT."""
        with self.superuser() as conn:
            rows = conn.execute("select pid from pg_stat_activity where wait_event = 'SyncRep' order by backend_start")
            return [pid for (pid,) in rows]

    def lose_the_primary(self) -> None:
        """One of its backends is killed, then the postmaster: nothing that it still knows leaves it any more."""
        for pid in self.waiting()[:1]:
            os.kill(pid, signal.SIGKILL)
        postmaster = self.embedded.pid()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)

    def promote(self, *, running: bool = False) -> None:
        """The standby, as it was when it fell silent, is the primary from now on."""
        if not running:
            self._start()
        with self.superuser(standby=True) as conn:
            conn.execute("select pg_promote(true, %s)", [WITHIN_S])

    def stop(self) -> None:
        if self._standby is not None:
            self._standby.send_signal(signal.SIGINT)
            self._standby.wait(WITHIN_S)
            self._standby = None


def _wait_for(conn: psycopg.Connection, query: str) -> None:
    until = time.monotonic() + WITHIN_S
    while conn.execute(query).fetchone() != (True,):
        assert time.monotonic() < until, f"it did not come true in time: {query}"
        time.sleep(0.02)


@contextmanager
def pair() -> Iterator[Pair]:
    """A migrated primary and its synchronous standby, of one test alone."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix=f"opensmm-test-{os.getpid()}-", dir=memory if memory.is_dir() else None))
    folder.chmod(0o711)
    embedded = EmbeddedPostgres(folder, SETTINGS)
    try:
        embedded.start()
        schema.migrate(embedded.url(OWNER), APP)
        made = Pair(folder, embedded)
        try:
            made.follow()
            yield made
        finally:
            made.stop()
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
