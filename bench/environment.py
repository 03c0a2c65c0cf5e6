"""The machine and the programs that the figures belong to."""

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench import proc
from bench.site import Site
from opensmm import __version__

_SETTINGS: Final = (
    "shared_buffers",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
    "data_checksums",
    "autovacuum",
)
DISTURBED: Final = 0.1
"""The share of the machine that others may use in a reading."""
LOOK_S: Final = 0.25
SHORTEST_S: Final = 0.2
_LIBRARIES: Final = ("uvicorn", "uvloop", "httptools", "psycopg", "msgspec")


def environment(site: Site) -> dict[str, str]:
    """By name, in the order in which it is shown."""
    with site.superuser() as connection:
        row = connection.execute("show server_version").fetchone()
        shown = [(name, connection.execute(f"show {name}").fetchone()) for name in _SETTINGS]
    assert row is not None
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "OpenSMM": __version__,
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores for the load and all servers",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}, {_filesystem(site.config.data)}",
        "Python": f"{platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "PostgreSQL": f"{row[0]}: " + ", ".join(f"{name} {found[0]}" for name, found in shown if found is not None),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(path: Path) -> str:
    """The kind of file system that holds the path: that of the longest mount point above it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(mount[1]), mount[2]) for mount in mounts if path.is_relative_to(mount[1])]
    return max(above)[1] if above else "unknown file system"


class Neighbours:
    """How much of the machine goes to processes that are not of this run, and the patience to wait until they rest."""

    def __init__(self, site: Site, patience_s: float) -> None:
        self._site = site
        self._last = self._now()
        self.patience_s = patience_s
        self.shares: list[float] = []

    def _now(self) -> tuple[float, float, float]:
        total, busy = proc.machine_s()
        servers = [server.pid for server in self._site.servers.values()]
        return total, busy, proc.own_s() + proc.cpu_s(servers) + proc.family_s(self._site.embedded.pid())

    def begin(self) -> None:
        self._last = self._now()

    def share(self) -> float:
        """Of the machine, since ``begin``. The kernel counts in ticks: what was too short for them counts as 0."""
        total, busy, ours = (after - before for after, before in zip(self._now(), self._last, strict=True))
        return max(0.0, busy - ours) / total if total >= SHORTEST_S else 0.0

    def wait(self) -> None:
        """Waits until they leave the machine alone for a moment, or patience is at its end."""
        disturbed = True
        while disturbed and self.patience_s > 0:
            self.begin()
            time.sleep(LOOK_S)
            disturbed = self.share() > DISTURBED
            self.patience_s -= LOOK_S if disturbed else 0.0

    def disturbed(self, took_s: float) -> bool:
        """Notes what they used since ``begin``; True where the reading is better taken again, and there is patience."""
        share = self.share()
        if share > DISTURBED and self.patience_s > took_s:
            self.patience_s -= took_s
            return True
        self.shares.append(share)
        return False
