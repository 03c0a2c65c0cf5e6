"""The processes of one panel: started together, restarted when one dies, stopped together."""

import asyncio
import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import psycopg
import structlog

from opensmm.base.errors import PanelError
from opensmm.runtime.crashes import LEASH
from opensmm.store.embedded import EmbeddedPostgres

STOP_WITHIN_S: Final = 7.5
"""Seconds for processes to end by themselves before they are killed."""
WATCH_EVERY_S: Final = 0.25
RESTART_PAUSE_S: Final = 0.5
DATABASE_EVERY: Final = 4
"""Rounds of watching between two checks of the database's process."""
LOGIN_EVERY: Final = 40
"""Rounds between two logins, which check that the database answers. Each costs ten milliseconds of CPU time."""
OPEN_FILES: Final = 8192
WAITS: Final = "OPENSMM_WAITS"
"""The variable that tells a child to wait for its release."""
READY: Final = b"\n"
log = structlog.get_logger()


class Process:
    """A child process that runs one of our commands.

    It holds one end of a pipe, the leash, and ends when the other end closes. So it does not even outlive a parent that
    is ended by ``kill -9``. After ``start`` it loads its code, and waits for ``release`` before it uses the database.
    """

    def __init__(self, command: Sequence[str], sockets: Sequence[int] = (), *, name: str = "") -> None:
        self._command = command
        self._name = name
        self._sockets = sockets
        self._child: subprocess.Popen[bytes] | None = None
        self._leash: int | None = None
        self._died_at = 0.0

    def start(self) -> None:
        theirs, ours = os.pipe()  # Only we hold the writing end, so it closes when this process ends, however it does.
        environ = {**os.environ, LEASH: str(theirs), WAITS: "1"}
        self._child = subprocess.Popen(
            self._command, env=environ, pass_fds=[theirs, *self._sockets], stdin=subprocess.DEVNULL
        )
        os.close(theirs)
        self._leash = ours

    def release(self) -> None:
        """Tells the process that the database is ready."""
        if self._leash is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._leash, READY)

    def revive(self) -> None:
        """Restarts the process if it has died, after a short pause."""
        if self._child is None or self._child.poll() is None:
            return
        # A process that dies at once again must not use up the machine.
        if not self._died_at:
            self._died_at = time.monotonic()
            log.error(
                "a process died and is started again", verb=self._name, ended=_describe_end(self._child.returncode)
            )
        elif time.monotonic() - self._died_at >= RESTART_PAUSE_S:
            self._died_at = 0.0
            self._close_leash()
            self.start()
            self.release()

    def ended(self) -> int | None:
        """Returns the exit code if the process has ended: 128 plus the signal's number if a signal ended it."""
        code = None if self._child is None else self._child.poll()
        return 128 - code if code is not None and code < 0 else code

    def terminate(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def wait_or_kill(self, deadline: float) -> None:
        if self._child is not None:
            try:
                self._child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._close_leash()

    def _close_leash(self) -> None:
        if self._leash is not None:
            os.close(self._leash)
            self._leash = None


def _describe_end(code: int) -> str:
    """Describes an end for the log, by exit code or signal."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def wait_for_release() -> None:
    """Waits, in a child, until the parent releases it. Ends this process if the parent is gone before."""
    if os.environ.pop(WAITS, "") and os.read(int(os.environ[LEASH]), 1) != READY:
        sys.exit()


def watch_leash() -> None:
    """Sends this process, a child, SIGTERM when its parent is gone."""
    leash = os.environ.pop(LEASH, "")
    if not leash:
        return

    def wait_for_the_end() -> None:
        with contextlib.suppress(OSError):
            os.read(int(leash), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_the_end, daemon=True, name="leash").start()


def allow_open_files() -> None:
    """Raises the limit of open files to what calls to providers need, if the usual 1,024 is set and more is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


class StopSignal:
    """A flag that SIGTERM and Ctrl-C set for good.

    The handler writes a byte into a pipe. With an Event, a second signal during the first one's handler would deadlock.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, *_: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"!")

    def wait(self, timeout_s: float) -> bool:
        """Returns True if the flag is set, or becomes so in time."""
        return bool(select.select([self._reading], [], [], timeout_s)[0])


def stop_event() -> asyncio.Event:
    """Returns an event that the same signals set, for a process with an event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def watch(processes: Sequence[Process], embedded: EmbeddedPostgres | None, stop: StopSignal) -> None:
    """Restarts processes and the embedded PostgreSQL when they die, until ``stop``."""
    rounds = 0
    while not stop.wait(WATCH_EVERY_S):
        rounds += 1
        if embedded is not None and rounds % DATABASE_EVERY == 0 and _needs_check(embedded, rounds):
            _restart_if_dead(embedded)
        for process in processes:
            process.revive()


def _needs_check(embedded: EmbeddedPostgres, rounds: int) -> bool:
    return rounds % LOGIN_EVERY == 0 or embedded.pid() is None


def _restart_if_dead(embedded: EmbeddedPostgres) -> None:
    """Restarts a dead PostgreSQL. Logs an error, since the next round may succeed."""
    try:
        if embedded.restart_if_dead():
            log.error("PostgreSQL died and was started again")
    except (PanelError, psycopg.OperationalError) as error:
        log.error("PostgreSQL could not be started again", error=str(error))


def run_to_its_end(process: Process, stop: StopSignal) -> int:
    """Starts a process, and waits until it ends by itself or is stopped by ``stop``. Returns its exit code."""
    process.start()
    process.release()
    while process.ended() is None:
        if stop.wait(WATCH_EVERY_S):
            stop_all([process])
    return process.ended() or 0


def stop_all(processes: Sequence[Process]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_WITHIN_S
    for process in processes:
        process.wait_or_kill(deadline)
