"""An idle panel: the processor time of `opensmm serve` and its PostgreSQL with one provider and nothing to do."""

import socket
import time
from pathlib import Path
from typing import Final

import psycopg
from msgspec import Struct

from bench import proc
from bench.site import Child, Failed
from opensmm.base.errors import Misconfigured
from opensmm.store.embedded import EmbeddedPostgres

SETTLES_S: Final = 120.0
"""How long it is left alone before it is looked at: what a start leaves behind is not what idling costs."""
LOOKED_AT_S: Final = 300.0
LEAST_S: Final = 2.0
STARTS_WITHIN_S: Final = 60.0
_WORKERS: Final = "select count(*) from worker"
_PROVIDER: Final = "insert into provider (name, kind, currency) values ('Idle', 'sandbox', 'USD')"
"""One that is spoken to by nobody: without `--sandbox` no sandbox runs, and nothing is ordered."""


class Idle(Struct, frozen=True):
    """``cores``: the share of a core that all processes use together; ``detail`` has each kind's."""

    cores: float
    detail: dict[str, float]


def measure(under: Path, scale: float) -> Idle:
    """``scale`` shortens both spans of time. Raises Failed where the panel does not start."""
    data = under / "idle"
    embedded = EmbeddedPostgres(data)
    panel = Child(["-m", "opensmm", "serve", "--port", str(_free_port()), "--data", str(data)], silent=True)
    try:
        _add_provider(embedded)
        time.sleep(max(LEAST_S, SETTLES_S * scale))
        began, before = time.monotonic(), _used_s(panel, embedded)
        time.sleep(max(LEAST_S, LOOKED_AT_S * scale))
        took_s, after = time.monotonic() - began, _used_s(panel, embedded)
    finally:
        panel.stop()
    shares = {name: (used - before[name]) / took_s for name, used in after.items()}
    return Idle(sum(shares.values()), shares)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _used_s(panel: Child, embedded: EmbeddedPostgres) -> dict[str, float]:
    """Processor time so far: of the process that watches, of those that it started, and of PostgreSQL's."""
    return {
        "supervisor_cores": proc.cpu_s([panel.pid]),
        "processes_cores": proc.cpu_s(proc.children(panel.pid)),
        "postgres_cores": proc.family_s(embedded.pid()),
    }


def _add_provider(embedded: EmbeddedPostgres) -> None:
    """Waits until the worker has told of itself: by then everything runs."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            with psycopg.connect(embedded.urls().owner, autocommit=True) as connection:
                row = connection.execute(_WORKERS).fetchone()
                if row is not None and row[0]:
                    connection.execute(_PROVIDER)
                    return
        except (psycopg.Error, OSError, Misconfigured):
            pass
        time.sleep(0.1)
    raise Failed(f"the panel to idle did not start within {STARTS_WITHIN_S:.0f} s")
