"""The OS user that PostgreSQL runs as, programs started as that user, and processes of ours that become it."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured

DEDICATED_USER: Final = "opensmm-pg"
FALLBACK_USERS: Final = ("postgres",)
OWN_FOLDER: Final = "/proc/self/cwd"
RUN_LIMIT_S: Final = 120

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


def server_user(cluster: Path) -> pwd.struct_passwd:
    """Returns the OS user that the server runs as: ourselves, or as root an ordinary user.

    As root that is the owner of the data folder where the cluster is that user's too. An owner that means nothing here
    (root after a plain copy, a number of another machine) gives way to the ordinary user.
    """
    if os.geteuid() != 0:
        if (ours := _by_id(os.geteuid())) is None:
            raise Misconfigured(SetupCode.USER_WITHOUT_NAME, uid=os.geteuid())
        return ours
    owner = cluster.stat().st_uid if cluster.exists() else 0
    named = _by_id(owner)
    if owner == 0 or named is None:
        return _ordinary_user()
    theirs = cluster.parent.stat().st_uid == owner or named.pw_name in (DEDICATED_USER, *FALLBACK_USERS)
    return named if theirs else _ordinary_user()


def panel_user(cluster: Path | None) -> pwd.struct_passwd:
    """Returns the ordinary user that the panel's processes go on as when root starts them.

    That is the embedded server's user, who alone may pass to its socket. Beside another database (``cluster`` is None)
    it is the user of our own: a user named postgres may be the owner of that database. Raises Misconfigured.
    """
    if cluster is not None:
        return server_user(cluster)
    if (dedicated := _dedicated_user()) is None:
        raise Misconfigured(SetupCode.USER_NOT_MADE, user=DEDICATED_USER)
    return dedicated


def become(user: pwd.struct_passwd) -> None:
    """As root, becomes the user for good: no group and no capability of root's is left. Raises OSError."""
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    with suppress(PermissionError):
        os.setuid(0)
        raise RuntimeError("root was given up, and came back")
    # The database's driver looks for certificates at home, and fails where it may not look.
    os.environ["HOME"] = user.pw_dir


def give_back(cluster: Path, user: pwd.struct_passwd) -> None:
    """As root, makes ``user`` the owner of a cluster that was copied without its owners; nothing else is touched.

    Raises Misconfigured where the folder holds what a mere copy would not: files of several
    owners, or files that also lie elsewhere.
    """
    owner = cluster.stat().st_uid
    if os.geteuid() != 0 or owner == user.pw_uid:
        return
    places = [cluster]
    for folder, folders, files in os.walk(cluster):
        places += [Path(folder) / name for name in (*folders, *files)]
    for place in places:
        found = place.lstat()
        elsewhere = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        if found.st_uid not in (owner, user.pw_uid) or elsewhere:
            fields = {"place": str(place), "user": user.pw_name, "folder": str(cluster)}
            raise Misconfigured(SetupCode.CLUSTER_HOLDS_MORE, **fields)
    for place in places:
        os.chown(place, user.pw_uid, user.pw_gid, follow_symlinks=False)
    cluster.chmod(0o700)


def our_name() -> str:
    """Returns the name of the user that this process runs as, or its number where it has no name here."""
    ours = _by_id(os.geteuid())
    return ours.pw_name if ours else str(os.geteuid())


def _dedicated_user() -> pwd.struct_passwd | None:
    if _known(DEDICATED_USER) is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
        shell = ("--shell", "/usr/sbin/nologin")
        subprocess.run([useradd, *options, *shell, DEDICATED_USER], capture_output=True, check=False)
    return _known(DEDICATED_USER)


def _ordinary_user() -> pwd.struct_passwd:
    for found in (_dedicated_user(), *map(_known, FALLBACK_USERS)):
        if found is not None:
            return found
    raise Misconfigured(SetupCode.NO_SERVER_USER, user=DEDICATED_USER)


def _known(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _by_id(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def spawn(
    command: Sequence[str], user: pwd.struct_passwd, cwd: Path, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own (a Ctrl-C in our terminal is not its business), as the given user."""
    other = user.pw_uid != os.geteuid()
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        start_new_session=True,
        umask=0o077,
        user=user.pw_uid if other else None,
        group=user.pw_gid if other else None,
        extra_groups=[] if other else None,
    )


def run(command: Sequence[str], user: pwd.struct_passwd, cwd: Path) -> tuple[int, str]:
    """Runs a program to its end; returns its exit code and what it printed."""
    process = spawn(command, user, cwd, subprocess.PIPE)
    printed, _ = process.communicate(timeout=RUN_LIMIT_S)
    return process.returncode, printed.decode(errors="replace")


def seen_by(user: pwd.struct_passwd, cluster: Path) -> str:
    """How the server names its own folder, which is its working directory.

    Another user may not pass the folders above it (root's home is private), and they are not ours to open.
    """
    return str(cluster) if user.pw_uid == os.geteuid() else OWN_FOLDER


def give(path: Path, user: pwd.struct_passwd) -> None:
    if user.pw_uid != os.geteuid():
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
