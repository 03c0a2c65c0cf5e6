"""What the kernel knows of processes: processor time and memory."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pids: Iterable[int]) -> float:
    """Processor time of processes so far, all threads, user and system; one that has ended counts nothing."""
    return sum(_ticks(pid) for pid in pids) * _TICK_S


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: a process's name may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def machine_s() -> tuple[float, float]:
    """Processor time of the whole machine so far: all of it, and what was not idle."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) * _TICK_S, (sum(fields) - fields[3] - fields[4]) * _TICK_S


def own_s() -> float:
    """Processor time of this process and of those it has started and seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def family_s(pid: int | None) -> float:
    """Processor time of a process, of its children, and of those of its children that have ended."""
    if pid is None:
        return 0.0
    fields = _stat(pid)
    ended = (int(fields[13]) + int(fields[14])) * _TICK_S if fields else 0.0
    return ended + cpu_s([pid, *children(pid)])


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started and that still run."""
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [number for number in numbers if (fields := _stat(number)) and int(fields[1]) == pid]


def memory_mib(pid: int) -> dict[str, float]:
    """``rss`` and ``pss`` of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0].lower(): int(line.split()[1]) / 1024 for line in lines[1:]}
    return {"rss": sizes["rss"], "pss": sizes["pss"]}
