"""The processes of one panel: started together, started again when one dies, stopped together."""

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
"""How long processes get to end by themselves before they are killed."""
WATCH_EVERY_S: Final = 0.25
RESTART_PAUSE_S: Final = 0.5
DATABASE_EVERY: Final = 4
"""Rounds of watching between looks whether the database's process runs."""
LOGIN_EVERY: Final = 40
"""Rounds between logins, which tell whether it answers too: each costs ten milliseconds of processor time."""
OPEN_FILES: Final = 8192
log = structlog.get_logger()


class Process:
    """One verb of ours in a process of its own. It holds one end of a pipe, and leaves when the other end closes:
    not even a ``kill -9`` of the parent leaves it behind."""

    def __init__(self, verb: Sequence[str], sockets: Sequence[int] = ()) -> None:
        self._verb = verb
        self._sockets = sockets
        self._child: subprocess.Popen[bytes] | None = None
        self._leash: int | None = None
        self._died_at = 0.0

    def start(self) -> None:
        theirs, ours = os.pipe()
        environ = {**os.environ, LEASH: str(theirs)}
        command = [sys.executable, "-m", "opensmm", *self._verb]
        self._child = subprocess.Popen(
            command, env=environ, pass_fds=[theirs, *self._sockets], stdin=subprocess.DEVNULL
        )
        os.close(theirs)
        self._leash = ours

    def revive(self) -> None:
        """Starts the process again where it has died, a moment after it did."""
        if self._child is None or self._child.poll() is None:
            return
        if not self._died_at:
            self._died_at = time.monotonic()
            log.error("a process died and is started again", verb=self._verb[0], ended=_ending(self._child.returncode))
        elif time.monotonic() - self._died_at >= RESTART_PAUSE_S:
            self._died_at = 0.0
            self._let_go()
            self.start()

    def ended(self) -> int | None:
        """The exit code where the process has ended: 128 and the signal's number where a signal ended it."""
        code = None if self._child is None else self._child.poll()
        return 128 - code if code is not None and code < 0 else code

    def ask_to_stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def finish(self, deadline: float) -> None:
        if self._child is not None:
            try:
                self._child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._leash is not None:
            os.close(self._leash)
            self._leash = None


def _ending(code: int) -> str:
    """The exit code, or the signal that ended it."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def watch_leash() -> None:
    """In a child: ends this process, politely, once its parent is gone."""
    held = os.environ.pop(LEASH, "")
    if not held:
        return

    def wait_for_the_end() -> None:
        with contextlib.suppress(OSError):
            os.read(int(held), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_the_end, daemon=True, name="leash").start()


def allow_open_files() -> None:
    """Lets this process open as many as its calls to providers need, where the usual 1,024 are set and more allowed."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


class StopSignal:
    """Set for good by SIGTERM and Ctrl-C.

    The handler writes a byte into a pipe: an Event's lock would be taken twice by a second signal, and never freed.
    """

    def __init__(self) -> None:
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, *_: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._tell, b"!")

    def wait(self, timeout_s: float) -> bool:
        """Whether it is set, or becomes so in time."""
        return bool(select.select([self._told], [], [], timeout_s)[0])


def stop_event() -> asyncio.Event:
    """The same for a process that runs an event loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def watch(processes: Sequence[Process], embedded: EmbeddedPostgres | None, stop: StopSignal) -> None:
    """Keeps processes and the embedded PostgreSQL alive until ``stop``."""
    rounds = 0
    while not stop.wait(WATCH_EVERY_S):
        rounds += 1
        if embedded is not None and rounds % DATABASE_EVERY == 0 and _wants_a_look(embedded, rounds):
            _keep_alive(embedded)
        for process in processes:
            process.revive()


def _wants_a_look(embedded: EmbeddedPostgres, rounds: int) -> bool:
    return rounds % LOGIN_EVERY == 0 or embedded.pid() is None


def _keep_alive(embedded: EmbeddedPostgres) -> None:
    """What fails now, because the server was killed once more while it started, may work the next time."""
    try:
        if embedded.restart_if_dead():
            log.error("PostgreSQL died and was started again")
    except (PanelError, psycopg.OperationalError) as error:
        log.error("PostgreSQL could not be started again", error=str(error))


def run_to_its_end(process: Process, stop: StopSignal) -> int:
    """Starts a process and waits until it ends by itself or after ``stop``; returns its exit code."""
    process.start()
    while process.ended() is None:
        if stop.wait(WATCH_EVERY_S):
            stop_all([process])
    return process.ended() or 0


def stop_all(processes: Sequence[Process]) -> None:
    for process in processes:
        process.ask_to_stop()
    deadline = time.monotonic() + STOP_WITHIN_S
    for process in processes:
        process.finish(deadline)
