"""A copy of the checkout in an unlike place, and what is played there: set-up, tests, the demo."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("client.py")
SILENCE_LIMIT_S = 600
"""How long a program may print nothing before it counts as stuck."""
SPEAKERS = (b"api", b"worker", b"sandbox")
SOME_TESTS = (
    "tests/store/test_embedded.py::test_a_first_start_makes_a_server_with_two_plain_roles_and_checksums "
    "tests/store/test_roles.py tests/wire/test_form.py tests/cli/test_health.py tests/web "
    "tests/cli/test_privileges.py::test_a_demo_of_roots_in_a_private_folder_works_without_root"
)


class Failed(Exception):
    """A step went wrong; the text says which, with the last lines that were printed."""


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the program has printed it; raises Failed where it ends or falls silent before."""
        size, since = -1, time.monotonic()
        while True:
            ended = self.process.poll() is not None
            text = self.printed()
            if match := re.search(pattern, text):
                return match
            if ended:
                raise Failed(f"ended with {self.process.returncode} before it printed {pattern!r}\n{tail(text)}")
            if len(text) != size:
                size, since = len(text), time.monotonic()
            if time.monotonic() - since > SILENCE_LIMIT_S:
                raise Failed(f"silent for {SILENCE_LIMIT_S} s\n{tail(text)}")
            time.sleep(0.1)

    def wait(self) -> int:
        """Waits until the program ends; returns its exit code."""
        size, since = -1, time.monotonic()
        while self.process.poll() is None:
            if (grown := self.log.stat().st_size) != size:
                size, since = grown, time.monotonic()
            if time.monotonic() - since > SILENCE_LIMIT_S:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise Failed(f"silent for {SILENCE_LIMIT_S} s\n{tail(self.printed())}")
            time.sleep(0.1)
        return self.process.returncode


def tail(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-25:])


@dataclass(frozen=True)
class Site:
    """One place: ``folder`` holds the checkout; ``user`` runs everything there, under ``umask`` and ``environ``."""

    folder: Path
    scratch: Path
    user: pwd.struct_passwd | None = None
    umask: int = 0o022
    environ: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    full: bool = False

    def start(self, *command: str, cwd: Path | None = None) -> Running:
        number = len(list(self.scratch.glob("*.log")))
        log = self.scratch / f"{number:02}.log"
        user = self.user
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.prefix, *command],
                cwd=cwd or self.folder,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=self.umask,
                start_new_session=True,
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
            )
        return Running(process, log)

    def run(self, *command: str, cwd: Path | None = None, expect: int = 0) -> str:
        """Runs a program to its end; returns what it printed, raises Failed where it ends with another code."""
        running = self.start(*command, cwd=cwd)
        code = running.wait()
        if code != expect:
            raise Failed(f"{' '.join(command)} ended with {code}\n{tail(running.printed())}")
        return running.printed()

    def test(self) -> None:
        self.run("make", "test", *([] if self.full else [f"TESTS={SOME_TESTS}"]))

    def demo(self) -> None:
        """Starts the demo, has an order completed by processes without root, and stops it as Ctrl-C does."""
        with self.demonstrated() as (running, url, key):
            self.order(running, url, key)
            self.check_without_root(running)

    @contextmanager
    def demonstrated(self, *command: str, cwd: Path | None = None) -> Iterator[tuple[Running, str, str]]:
        """The demo for as long as the block runs; afterwards nothing of it is left."""
        command = command or ("make", "demo", f"PORT={free_port()}")
        running = self.start(*command, cwd=cwd)
        try:
            key = running.wait_for(r"your key +(\S+)")[1]
            url = running.wait_for(r"running at (http://\S+)")[1]
            yield running, url, key
            if running.process.poll() is None:
                os.killpg(running.process.pid, signal.SIGINT)
            running.wait()
        finally:
            if running.process.poll() is None:
                os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()
        # One that was killed outright leaves its PostgreSQL to the next start.
        if running.process.returncode != -signal.SIGKILL:
            self.check_nothing_runs(cwd or self.folder)

    def order(self, running: Running, url: str, key: str, *order: str) -> str:
        """Has an order completed over HTTP, inside the demo's own network; returns its id."""
        inside = ["nsenter", "--net", "--target", str(running.process.pid)] if self.prefix else []
        command = [*inside, sys.executable, str(CLIENT), url, key, *order]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"an order was not completed: {tail(done.stderr)}\n{tail(running.printed())}")
        return done.stdout.strip()

    def check_without_root(self, running: Running) -> None:
        """The processes that speak to the outside are no root's, even where root started them."""
        data = os.fsencode(self.folder / "data")
        lines = [(pid, words.split(b"\0")) for pid, words in commands() if data in words]
        speakers = {verb: pid for pid, words in lines for verb in SPEAKERS if verb in words}
        rights = {verb: Path(f"/proc/{pid}/status").read_text() for verb, pid in speakers.items()}
        rooted = [verb for verb, text in rights.items() if re.search(r"Uid:.*\t0\b|CapEff:\t.*[^0\n]", text)]
        if set(speakers) != set(SPEAKERS) or rooted:
            raise Failed(f"of {sorted(speakers)} these are root: {rooted}\n{tail(running.printed())}")

    def check_nothing_runs(self, folder: Path) -> None:
        data = os.fsencode(folder / "data")
        since = time.monotonic()
        while left := [pid for pid, words in commands() if data in words and b"postgres: " not in words]:
            if time.monotonic() - since > SILENCE_LIMIT_S / 10:
                raise Failed(f"processes are left: {left}")
            time.sleep(0.1)


def commands() -> Iterator[tuple[int, bytes]]:
    """The command lines of all processes."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(place.parent.name), place.read_bytes()
        except OSError:
            continue


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def copy_checkout(to: Path) -> None:
    """Copies what git knows of, and new files that it does not ignore."""
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True)
    for name in filter(None, listed.stdout.split(b"\0")):
        source = CHECKOUT / os.fsdecode(name)
        if source.is_file():
            target = to / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
