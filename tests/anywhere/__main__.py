"""``python -m tests.anywhere [--full] [NAME ...]``: sets up, tests and runs the demo in unlike places.

Each place is a folder of its own with a copy of the checkout; wheels come from one shared folder, and nothing else is
downloaded. Prints a line a place: passed, not run (and why) or failed; ends with 1 where one failed.
"""

import argparse
import contextlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.anywhere.places import HOMELESS, MATRIX, PLACES, Place
from tests.anywhere.site import Failed, Site, copy_checkout
from tests.anywhere.wheels import wheels

from opensmm.store import programs

DESCRIBE = 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])'
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotHere(Exception):
    """A place that this machine does not have; the text says what is missing."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.anywhere", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the whole suite in each place")
    parser.add_argument("--keep", action="store_true", help="leave the folders of places that failed")
    parser.add_argument("--jobs", type=int, default=2, help="how many places at a time")
    places = {place.name: place for place in (*PLACES, *MATRIX)}
    parser.add_argument("places", nargs="*", metavar="NAME", help=", ".join(places))
    wish = parser.parse_args()
    if unknown := set(wish.places) - set(places):
        parser.error(f"there is no place {', '.join(sorted(unknown))}")
    wanted = [places[name] for name in dict.fromkeys(wish.places)] or list(PLACES)
    new = [folder for folder in programs.COPIES if not folder.exists()]
    try:
        with ThreadPoolExecutor(wish.jobs) as pool:
            outcomes = list(pool.map(lambda place: _outcome(place, wish), wanted))
    finally:
        for folder in new:
            shutil.rmtree(folder, ignore_errors=True)
    say(", ".join(f"{outcomes.count(word)} {word}" for word in ("passed", "not run", "failed")))
    return 1 if "failed" in outcomes else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is a program


def _outcome(place: Place, wish: argparse.Namespace) -> str:
    began = time.monotonic()
    say(f"{place.name}: {place.says} ...")
    try:
        with _opened(place, keep=wish.keep, full=wish.full) as site:
            place.play(site)
    except NotHere as missing:
        say(f"{place.name}: not run: {missing}")
        return "not run"
    except Failed as failed:
        say(f"{place.name}: failed: {failed}")
        return "failed"
    except Exception:
        say(f"{place.name}: failed:\n{traceback.format_exc()}")
        return "failed"
    say(f"{place.name}: passed in {time.monotonic() - began:.0f} s")
    return "passed"


@contextlib.contextmanager
def _opened(place: Place, *, keep: bool, full: bool) -> Iterator[Site]:
    """The place for as long as the block runs: a folder, a user, an interpreter, an environment without ours."""
    if place.root and os.geteuid() != 0:
        raise NotHere("it needs root")
    if place.isolated and subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        raise NotHere("this machine makes no network namespaces")
    with contextlib.ExitStack() as closing:
        user = closing.enter_context(_user(place.user)) if place.user else None
        top = Path(tempfile.mkdtemp(prefix="opensmm-anywhere-", dir="/var/tmp"))
        top.chmod(0o755)
        closing.callback(_remove, top, keep=keep)
        python, version = _python(place.python, user)
        cache = wheels(python, version, top / "wheels")
        folder, scratch = top / place.folder, top / "scratch"
        for made in (folder, scratch):
            made.mkdir()
        copy_checkout(folder)
        folder.chmod(place.mode)
        if user is not None:
            _give(folder, user)
            _give(scratch, user)
        environ = _environ(place, user, python, cache) | {"TMPDIR": str(scratch)}
        yield Site(folder, scratch, user, place.umask, environ, full=full)


def _remove(top: Path, *, keep: bool) -> None:
    if keep and sys.exc_info()[0] is not None:
        say(f"its folder is kept: {top}")
    else:
        shutil.rmtree(top, ignore_errors=True)


def _give(folder: Path, user: pwd.struct_passwd) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _environ(place: Place, user: pwd.struct_passwd | None, python: str, cache: Path) -> dict[str, str]:
    environ = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "PYTHON": python,
        "PIP_NO_INDEX": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_FIND_LINKS": cache.as_uri(),
        "UV_CONFIG_FILE": str(cache / "uv.toml"),
        "UV": "",
    }
    if user is None:
        environ["HOME"] = str(Path.home())
    elif user.pw_dir != str(HOMELESS):
        environ["HOME"] = user.pw_dir
    if place.uv:
        environ["UV"] = _uv()
    return environ


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv is None:
        raise NotHere("uv is not installed")
    return uv


def _python(version: str, user: pwd.struct_passwd | None) -> tuple[str, str]:
    """An interpreter that makes environments and that the user may run; raises NotHere where there is none."""
    names = [f"python{version}"] if version else [Path(sys.executable).resolve().name, "python3"]
    folders = [
        Path(sys.base_prefix) / "bin",
        *(Path(place) for place in (os.environ.get("PATH", "") + f":{PATH}").split(":")),
    ]
    folders += sorted(Path.home().glob(f".pyenv/versions/{version or 3}.*/bin"), reverse=True)
    for candidate in (folder / name for name in names for folder in folders):
        if "shims" not in candidate.parts and (description := _described(candidate, user)) is not None:
            return str(candidate), description
    raise NotHere(
        f"there is no Python {version or '3.11 or newer'} with venv" + (" that the user may run" if user else "")
    )


def _described(python: Path, user: pwd.struct_passwd | None) -> str | None:
    command = [str(python), "-I", "-c", DESCRIBE]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            cwd="/",
            user=user.pw_uid if user is not None else None,
            group=user.pw_gid if user is not None else None,
            extra_groups=[] if user is not None else None,
        )
    except OSError:
        return None
    match = re.fullmatch(r"3\.(\d+)\n", done.stdout)
    return done.stdout.strip() if match and int(match[1]) >= 11 else None


@contextlib.contextmanager
def _user(kind: str) -> Iterator[pwd.struct_passwd]:
    """An ordinary user for as long as the block runs."""
    name = f"opensmm-{kind}"
    home = HOMELESS if kind == "homeless" else Path(f"/home/{name}")
    made = ["--create-home"] if kind == "housed" else ["--no-create-home"]
    done = subprocess.run(
        ["useradd", *made, "--home-dir", str(home), "--shell", "/bin/sh", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotHere(f"no user can be made: {done.stderr.strip()}")
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", "--remove", name], capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
