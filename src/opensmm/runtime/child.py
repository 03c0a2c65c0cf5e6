"""``python -m opensmm.runtime.child``: one process of a stack, by the role that the stack gives it.

It does not load the command line: the start of a panel waits for its imports.
"""

import socket
import sys
from pathlib import Path

import msgspec
import psycopg
from msgspec import Struct

from opensmm import config as configuration
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.domain.operator_refusals import OperatorRefusal
from opensmm.runtime.crashes import UNAVAILABLE, log_and_end
from opensmm.runtime.serving import MetricsAddress, run_api, run_sandbox, run_worker


class ApiProcess(Struct, frozen=True, tag="api"):
    """An API process with the pages; ``socket`` is the number of its listening socket."""

    socket: int
    metrics_at: MetricsAddress


class WorkerProcess(Struct, frozen=True, tag="worker"):
    """A worker; without a ``sandbox_url`` there is no sandbox."""

    sandbox_url: str
    metrics_at: MetricsAddress


class SandboxProcess(Struct, frozen=True, tag="sandbox"):
    """The sandbox. ``socket`` is the number of its listening socket; its time runs ``speed`` times as fast."""

    socket: int
    speed: float


Role = ApiProcess | WorkerProcess | SandboxProcess


def role_name(role: Role) -> str:
    """Returns the role's name: api, worker or sandbox."""
    return str(role.__struct_config__.tag)


def child_command(data: Path, role: Role) -> list[str]:
    """Returns the command that runs a role for the panel of a data folder. The name in it is for readers of ``ps``."""
    return [
        sys.executable,
        "-m",
        "opensmm.runtime.child",
        role_name(role),
        str(data),
        msgspec.json.encode(role).decode(),
    ]


def run(data: Path, role: Role) -> None:
    """Runs a role until a signal ends it. Raises like ``run_api``."""
    config = configuration.read(data)
    match role:
        case ApiProcess():
            listening = socket.socket(fileno=role.socket)
            run_api(config, listening, pages=True, metrics_at=role.metrics_at)
        case WorkerProcess():
            run_worker(config, role.sandbox_url, metrics_at=role.metrics_at)
        case SandboxProcess():
            run_sandbox(config, socket.socket(fileno=role.socket), role.speed)


def _words(error: Exception) -> str:
    """Returns the text of an error. Loads the texts only now, since most children never need them."""
    from opensmm.texts.speech import ENGLISH

    match error:
        case OperatorRefusal():
            return ENGLISH.refusal(error)
        case Misconfigured() | Unavailable():
            return ENGLISH.fault(error)
    return str(error)


def main() -> None:
    _, data, role = sys.argv[1:]
    try:
        run(Path(data), msgspec.json.decode(role, type=Role))
    except (OperatorRefusal, Misconfigured, Unavailable, psycopg.OperationalError) as error:
        sys.stderr.write(f"opensmm: {_words(error)}\n")
        sys.exit(UNAVAILABLE)
    except Exception as error:
        log_and_end(error)


if __name__ == "__main__":
    main()
