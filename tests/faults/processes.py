"""Real processes of a panel: started on free ports, killed by their numbers, and asked over real HTTP."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.panel import HANG_S, PEPPER


def free_port() -> int:
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        return int(connection.getsockname()[1])


def environ(database_url: str = "") -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("OPENSMM_", "DATABASE_"))}
    if database_url:
        variables |= {"DATABASE_URL": database_url, "OPENSMM_PEPPER": PEPPER.decode()}
    return variables


def opensmm(*words: str, database_url: str = "") -> subprocess.CompletedProcess[str]:
    """Runs one verb to its end."""
    command = [sys.executable, "-m", "opensmm", *words]
    return subprocess.run(command, env=environ(database_url), capture_output=True, text=True, timeout=HANG_S)


@contextmanager
def running(
    *words: str, database_url: str = "", log: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], Mapping[str, Any]]]:
    """A verb that keeps running, and the line of JSON that it begins with; ``log`` is where its errors go."""
    command = [sys.executable, "-m", "opensmm", *words, "--json"]
    with open(log or os.devnull, "ab") as errors:
        process = subprocess.Popen(command, env=environ(database_url), stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(HANG_S)
        process.kill()
        process.wait()


def answers(port: int) -> None:
    """Waits until something listens and speaks."""
    until = time.monotonic() + HANG_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                if connection.recv(12).startswith(b"HTTP/1.1"):
                    return
        except OSError:
            pass
        assert time.monotonic() < until, "it never answers"
        time.sleep(0.02)


@contextmanager
def apis(count: int, database_url: str, data: Path) -> Iterator[list[str]]:
    """API processes side by side on one database; yields their v2 addresses."""
    with contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(count)]
        for port in ports:
            stack.enter_context(running("api", "--port", str(port), "--data", str(data), database_url=database_url))
        for port in ports:
            answers(port)
        yield [f"http://127.0.0.1:{port}/api/v2" for port in ports]


def children(parent: int) -> dict[str, int]:
    """The children of a panel by their role: api, worker, sandbox."""
    pids: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, StopIteration, ValueError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                words = (entry / "cmdline").read_text().split("\0")
                module = next(word for word in ("opensmm.runtime.child", "opensmm") if word in words)
                pids[words[words.index(module) + 1]] = int(entry.name)
    return pids
