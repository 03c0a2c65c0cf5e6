"""The places: what is unlike about each, and what is played there."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.anywhere.site import CHECKOUT, Failed, Site, free_port, tail


@dataclass(frozen=True)
class Place:
    """``user``: ours where empty, or an ordinary one, "housed" or "homeless". ``uv``: None where it does not matter."""

    name: str
    says: str
    play: Callable[[Site], None]
    folder: str = "opensmm"
    mode: int = 0o755
    umask: int = 0o022
    user: str = ""
    python: str = ""
    uv: bool | None = False
    isolated: bool = False
    root: bool = False


def all_of_it(site: Site) -> None:
    site.test()
    site.demo()


def a_newcomer(site: Site) -> None:
    """The demo first: it installs less, and the tests add their tools to it."""
    site.demo()
    site.test()


def checks_and_some_tests(site: Site) -> None:
    site.run("make", "check")
    site.test()


def with_the_python_that_is_asked_for(site: Site) -> None:
    a_newcomer(site)
    describe = ("-c", "import sys; print(sys.version, sys.base_prefix)")
    wanted, used = site.run(site.environ["PYTHON"], *describe), site.run(".venv/bin/python", *describe)
    if wanted != used:
        raise Failed(f".venv has another Python than was asked for:\n{tail(used)}")


def a_wheel(site: Site) -> None:
    """An installed copy in an empty environment, with no checkout in sight."""
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(site.scratch), "."]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *build], cwd=site.folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failed(f"no wheel was built\n{tail(done.stderr)}")
    (wheel,) = site.scratch.glob("opensmm-*.whl")
    away = site.scratch / "away"
    away.mkdir()
    site.run(site.environ["PYTHON"], "-m", "venv", "env", cwd=away)
    lock = str(CHECKOUT / "requirements.txt")
    site.run("env/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock, cwd=away)
    site.run("env/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", str(wheel), cwd=away)
    command = ("env/bin/opensmm", "demo", "--port", str(free_port()))
    with site.demonstrated(*command, cwd=away) as (running, url, key):
        site.order(running, url, key)
        os.kill(running.process.pid, signal.SIGTERM)
        if (code := running.wait()) != 0:
            raise Failed(f"SIGTERM ended the demo with {code}\n{tail(running.printed())}")


def a_taken_port(site: Site) -> None:
    """One sentence, the exit code 3, and no panel started on the way to it."""
    site.run("make", "setup")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        printed = site.run(".venv/bin/opensmm", "demo", "--port", str(port), expect=3)
        if f"port {port}" not in printed or len(printed.splitlines()) != 1:
            raise Failed(f"not one clear sentence:\n{tail(printed)}")
        if (site.folder / "data" / "postgres").exists():
            raise Failed("a database was made before the port was tried")
    site.demo()


def a_killed_demo(site: Site) -> None:
    """After ``kill -9`` of the demo, in the middle of an order, the next start completes that order."""
    with site.demonstrated() as (running, url, key):
        first = site.order(running, url, key)
        body = f"key={key}&action=add&service=1&link=https://example.com/killed&quantity=100".encode()
        _post(f"{url}/api/v2", body)
        os.killpg(running.process.pid, signal.SIGKILL)
    with site.demonstrated() as (running, url, key):
        site.order(running, url, key, str(int(first) + 1))


def _post(url: str, body: bytes) -> None:
    from urllib.request import urlopen

    with urlopen(url, body, timeout=60) as reply:
        reply.read()


def without_network(site: Site) -> None:
    """Set up once, then cut off from everything but its own loopback."""
    site.run("make", "setup-dev")
    alone = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    cut_off = Site(site.folder, site.scratch, site.user, site.umask, site.environ, alone, site.full)
    cut_off.test()
    cut_off.demo()


PLACES = (
    Place("root-private", "as root in a folder of mode 0700", all_of_it, mode=0o700, root=True),
    Place(
        "root-umask-077",
        "as root in a folder of mode 0700 under umask 077",
        all_of_it,
        mode=0o700,
        umask=0o077,
        root=True,
    ),
    Place("umask-077", "under umask 077", all_of_it, umask=0o077),
    Place("blanks-and-letters", "in a path with blanks and non-ASCII letters", all_of_it, "my pänel عربي 面板"),
    Place("user", "as an ordinary user with a home", a_newcomer, user="housed", root=True),
    Place("user-homeless", "as an ordinary user without a home", a_newcomer, user="homeless", root=True),
    Place("python-3.11", "with Python 3.11", with_the_python_that_is_asked_for, python="3.11"),
    Place("python-3.12", "with Python 3.12", with_the_python_that_is_asked_for, python="3.12"),
    Place("python-3.13", "with Python 3.13", with_the_python_that_is_asked_for, python="3.13"),
    Place("uv", "with uv", with_the_python_that_is_asked_for, uv=True),
    Place("no-uv", "without uv, where it is not installed", a_newcomer, uv=False),
    Place("wheel", "from a wheel in an empty environment", a_wheel),
    Place("port-taken", "with the port taken", a_taken_port),
    Place("killed", "after kill -9 of the demo", a_killed_demo),
    Place("no-network", "without network once set up", without_network, isolated=True, root=True),
)
MATRIX = tuple(
    Place(
        f"check-{version}",
        f"format, lint, types and some tests on Python {version}",
        checks_and_some_tests,
        python=version,
    )
    for version in ("3.11", "3.12", "3.13")
)
"""Played where they are named: see ``make matrix``."""
HOMELESS = Path("/nonexistent")
