"""The OS user that PostgreSQL runs as: finding it, starting programs as it, and turning our processes into it."""

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
"""The working directory, as the process itself may name it."""
RUN_LIMIT_S: Final = 120

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


def server_user(cluster: Path) -> pwd.struct_passwd:
    """Returns the OS user that the server runs as: ourselves, or as root an ordinary user.

    As root, that is the owner of the cluster if the data folder is that user's too. An owner without meaning here (root
    after a plain copy, a number from another machine) is replaced by the ordinary user. Raises Misconfigured.
    """
    if os.geteuid() != 0:
        if (ours := _find_by_id(os.geteuid())) is None:
            raise Misconfigured(SetupCode.USER_WITHOUT_NAME, uid=os.geteuid())
        return ours
    uid = cluster.stat().st_uid if cluster.exists() else 0
    owner = _find_by_id(uid)
    if uid == 0 or owner is None:
        return _find_ordinary_user()
    runs_servers = cluster.parent.stat().st_uid == uid or owner.pw_name in (DEDICATED_USER, *FALLBACK_USERS)
    return owner if runs_servers else _find_ordinary_user()


def panel_user(cluster: Path | None) -> pwd.struct_passwd:
    """Returns the ordinary user that the panel's processes become if root starts them.

    That is the embedded server's user, the only one that may reach its socket. With another database (``cluster`` is
    None) it is the dedicated user: a user named postgres may own that database. Raises Misconfigured.
    """
    if cluster is not None:
        return server_user(cluster)
    if (dedicated := _ensure_dedicated_user()) is None:
        raise Misconfigured(SetupCode.USER_NOT_MADE, user=DEDICATED_USER)
    return dedicated


def become(user: pwd.struct_passwd) -> None:
    """Drops root's privileges and becomes ``user`` for good. No group and no capability of root's is left.

    Raises OSError if this process may not, and RuntimeError if root's privileges can be regained.
    """
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    with suppress(PermissionError):
        os.setuid(0)
        raise RuntimeError("root was given up, and came back")
    # The database's driver looks for certificates in the home folder, and fails if it may not read it.
    os.environ["HOME"] = user.pw_dir


def give_back(cluster: Path, user: pwd.struct_passwd) -> None:
    """Makes ``user`` the owner of a cluster that root copied without its owners, and of nothing else. Only as root.

    Raises Misconfigured if the folder holds more than a plain copy would: files of several owners, or files with hard
    links elsewhere.
    """
    owner = cluster.stat().st_uid
    if os.geteuid() != 0 or owner == user.pw_uid:
        return
    places = [cluster]
    for folder, folders, files in os.walk(cluster):
        places += [Path(folder) / name for name in (*folders, *files)]
    for place in places:
        status = place.lstat()
        elsewhere = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
        if status.st_uid not in (owner, user.pw_uid) or elsewhere:
            fields = {"place": str(place), "user": user.pw_name, "folder": str(cluster)}
            raise Misconfigured(SetupCode.CLUSTER_HOLDS_MORE, **fields)
    for place in places:
        os.chown(place, user.pw_uid, user.pw_gid, follow_symlinks=False)
    cluster.chmod(0o700)


def our_name() -> str:
    """Returns the name of the user that this process runs as, or its number if it has no name on this machine."""
    ours = _find_by_id(os.geteuid())
    return ours.pw_name if ours else str(os.geteuid())


def _ensure_dedicated_user() -> pwd.struct_passwd | None:
    """Returns the dedicated user, made now if it is missing; None if it cannot be made."""
    user = _find_by_name(DEDICATED_USER)
    if user is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
        shell = ("--shell", "/usr/sbin/nologin")
        subprocess.run([useradd, *options, *shell, DEDICATED_USER], capture_output=True, check=False)
        user = _find_by_name(DEDICATED_USER)
    return user


def _find_ordinary_user() -> pwd.struct_passwd:
    for user in (_ensure_dedicated_user(), *map(_find_by_name, FALLBACK_USERS)):
        if user is not None:
            return user
    raise Misconfigured(SetupCode.NO_SERVER_USER, user=DEDICATED_USER)


def _find_by_name(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _find_by_id(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def spawn(
    command: Sequence[str], user: pwd.struct_passwd, cwd: Path, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Starts a program as the given user, in a session of its own: a Ctrl-C in our terminal does not reach it."""
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
    """Runs a program to its end as ``user``; returns its exit code, and its output and errors together.

    Raises subprocess.TimeoutExpired after ``RUN_LIMIT_S``.
    """
    process = spawn(command, user, cwd, subprocess.PIPE)
    printed, _ = process.communicate(timeout=RUN_LIMIT_S)
    return process.returncode, printed.decode(errors="replace")


def server_path(user: pwd.struct_passwd, cluster: Path) -> str:
    """Returns the path by which a server of ``user`` names its own folder, which is its working directory.

    Another user may have no access to the folders above it (root's home is private), and we do not open them.
    """
    return str(cluster) if user.pw_uid == os.geteuid() else OWN_FOLDER


def give(path: Path, user: pwd.struct_passwd) -> None:
    """Makes ``user`` the owner of a file or folder."""
    if user.pw_uid != os.geteuid():
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
