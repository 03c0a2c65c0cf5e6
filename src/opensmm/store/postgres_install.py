"""Our own PostgreSQL cluster: making it, checking its version, and settings sized for this machine."""

import os
import pwd
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.store.os_users import give, run, server_path
from opensmm.store.programs import MAJOR

SUPERUSER: Final = "postgres"

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
_ERROR: Final = re.compile(r"(?:FATAL|PANIC|ERROR|initdb: error): +(.+)")


def make(cluster: Path, user: pwd.struct_passwd, password: str, initdb: Path) -> None:
    """Makes a cluster with checksums, where every login takes a password. A crash leaves no half-made cluster behind.

    Raises Misconfigured with initdb's error.
    """
    draft = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    new = draft / "cluster"
    draft.mkdir(mode=0o700)
    new.mkdir(mode=0o700)
    (draft / "password").write_text(password)
    for path in (draft / "password", new, draft):
        give(path, user)
    command = [
        str(initdb),
        f"--pgdata={server_path(user, new)}",
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
        raise Misconfigured(SetupCode.INITDB_FAILED, folder=str(cluster.parent), words=_cause(printed))
    new.rename(cluster)
    shutil.rmtree(draft)


def _cause(printed: str) -> str:
    """Returns the first error in initdb's output, or all of the output if it has none."""
    error = _ERROR.search(printed)
    return error[1] if error else printed.strip()


def check_version(cluster: Path) -> None:
    """Raises Misconfigured if another major version of PostgreSQL made the cluster."""
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise Misconfigured(SetupCode.OTHER_CLUSTER_VERSION, folder=str(cluster), made_by=version, brought=MAJOR)


def settings(data: Path) -> Mapping[str, str]:
    """Returns settings for many small transactions: a quarter of the memory, WAL by the free space of the disk."""
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
        # The values of a failing row may be a customer's, and are kept out of the log.
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
    }


def _shared_memory_bytes() -> int:
    return shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else 0  # noqa: S108 - only measured


def _memory_bytes() -> int:
    """Returns the machine's memory, or the control group's limit if that is less."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical
