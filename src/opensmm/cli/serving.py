"""``api``, ``worker``, ``sandbox`` and ``serve``: the processes of a running panel."""

import os
import socket
import sys
from functools import partial
from typing import Annotated, Final

import typer

from opensmm.cli.context import MISUSED, Data, Json, answer, err, fail, open_database, read_config, report_faults
from opensmm.cli.stages import Stages
from opensmm.config import Config
from opensmm.runtime import logs
from opensmm.runtime.crashes import LEASH
from opensmm.runtime.processes import Process, StopSignal, run_to_its_end, watch
from opensmm.runtime.serving import LOOPBACK, MetricsAddress, listen, run_api, run_sandbox, run_worker
from opensmm.runtime.stack import Stack

MOST_PORT: Final = 65535
Port = Annotated[int, typer.Option("--port", help="The TCP port to listen on.", min=1, max=65535)]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Processes = Annotated[int, typer.Option("--api-processes", help="API processes behind the port.", min=1, max=64)]
SocketNumber = Annotated[int | None, typer.Option("--fd", hidden=True)]
MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", help="Serve metrics for Prometheus on this port; off by default.", min=1, max=65535),
]
MetricsHost = Annotated[str, typer.Option("--metrics-host", help="The address for metrics; keep it private.")]


def api(
    port: Port = 8765,
    host: Host = LOOPBACK,
    pages: Annotated[bool, typer.Option(help="Serve the API's pages too.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    fd: SocketNumber = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one API process. `serve` runs it together with a worker."""
    config = read_config(data)
    _hold_database(config)
    with report_faults(), Stages(err) as report:
        listening = socket.socket(fileno=fd) if fd is not None else listen(host, port)
        run_api(
            config, listening, pages=pages, metrics_at=MetricsAddress(metrics_port, metrics_host),
            started=partial(_answer_started, listening, json=json), report=report,
        )  # fmt: skip


def worker(
    sandbox_url: Annotated[str, typer.Option("--sandbox-url", help="Where the sandbox provider listens.")] = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one worker, which sends and polls orders, and passes refills and cancels on."""
    config = read_config(data)
    _hold_database(config)

    def started() -> None:
        if json:
            answer({"worker": "running"}, "", json=True)

    with report_faults(), Stages(err) as report:
        address = MetricsAddress(metrics_port, metrics_host)
        run_worker(config, sandbox_url, metrics_at=address, started=started, report=report)


def sandbox(
    port: Port = 8766,
    speed: Annotated[float, typer.Option("--speed", help="How many times faster its time runs.", min=0.01)] = 1.0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run only the sandbox provider: a small panel whose orders behave as their links say."""
    config = read_config(data)
    _hold_database(config)
    with report_faults(), Stages(err) as report:
        listening = listen(LOOPBACK, port)
        started = partial(_answer_started, listening, json=json)
        run_sandbox(config, listening, speed, started=started, report=report)


def serve(
    port: Port = 8765,
    host: Host = LOOPBACK,
    api_processes: Processes = 1,
    with_sandbox: Annotated[bool, typer.Option("--sandbox", help="Run the sandbox provider too.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the panel: API and pages on one port, and a worker. Put a proxy with TLS in front of it."""
    stop = StopSignal()
    if metrics_port is not None and metrics_port + api_processes > MOST_PORT:
        fail(f"each process has a metrics port of its own, and {MOST_PORT} is the last there is", MISUSED)
    config, steps = read_config(data), Stages(err)
    with report_faults(), steps:
        stack = Stack(
            config, host, port, api_processes=api_processes, speed=1.0 if with_sandbox else None,
            metrics_at=MetricsAddress(metrics_port, metrics_host), report=steps, stopped=lambda: stop.wait(0),
        )  # fmt: skip
        logs.set_up(config.log_level)
        with stack.running():
            stack.release()
            steps.end()
            url = f"http://{host}:{stack.port}"
            answer({"url": url}, f"the panel serves at {url}", json=json)
            watch(stack.processes, stack.embedded, stop)


def _hold_database(config: Config) -> None:
    """Runs the verb in a child, and exits with its code, if root started it by itself on the embedded database.

    The child gives root up and could not stop the database when it ends. This process keeps the database running
    meanwhile; the child checks it before it starts.
    """
    if os.geteuid() != 0 or config.database_url or LEASH in os.environ:
        return
    with report_faults(), open_database(config):
        code = run_to_its_end(Process([sys.executable, "-m", "opensmm", *sys.argv[1:]]), StopSignal())
    raise typer.Exit(code)


def _answer_started(listening: socket.socket, *, json: bool) -> None:
    """Prints the address for a program."""
    host, port = listening.getsockname()[:2]
    if json:
        answer({"host": host, "port": port}, "", json=True)
