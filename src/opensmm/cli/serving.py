"""``api``, ``worker``, ``sandbox`` and ``serve``: the processes of a running panel."""

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Annotated, Any, Final

import psycopg
import typer

from opensmm.actions import gc_tuning, starting
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.cli import logs, metrics, privileges
from opensmm.cli.frame import (
    MISUSED,
    UNAVAILABLE,
    Data,
    Json,
    answer,
    configured,
    database,
    err,
    fail,
    give_up,
    pepper,
    ready,
    refuse,
)
from opensmm.cli.metrics import LOOPBACK, MetricsHost, MetricsPort
from opensmm.cli.privileges import Successor
from opensmm.cli.processes import (
    Process,
    StopSignal,
    allow_open_files,
    run_to_its_end,
    stop_all,
    stop_event,
    watch,
    watch_leash,
)
from opensmm.cli.stages import Stages
from opensmm.cli.unforeseen import LEASH
from opensmm.config import Config
from opensmm.domain.codes import OperatorRefusal, Report, no_report
from opensmm.store.connection import connect
from opensmm.store.embedded import DatabaseUrls, EmbeddedPostgres
from opensmm.texts import words

MOST_PORT: Final = 65535
Port = Annotated[int, typer.Option("--port", help="The TCP port to listen on.", min=1, max=65535)]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Processes = Annotated[int, typer.Option("--api-processes", help="API processes behind the port.", min=1, max=64)]
SocketNumber = Annotated[int | None, typer.Option("--fd", hidden=True)]


def api(
    port: Port = 8765,
    host: Host = "127.0.0.1",
    pages: Annotated[bool, typer.Option(help="Serve the API's pages too.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    fd: SocketNumber = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one API process. `serve` runs it together with a worker."""
    config = configured(data)
    _hold_database(config)
    with _database(config) as urls:
        from opensmm.actions.api_facade import ApiOperations
        from opensmm.api.endpoint import Endpoint
        from opensmm.cli import api_metrics
        from opensmm.cli.asgi_server import run_server
        from opensmm.main import Application

        logs.set_up(config.log_level)
        allow_open_files()
        successor = privileges.choose_successor(config, urls.app)
        metrics.serve(metrics_port, metrics_host, api_metrics.families)
        endpoint = Endpoint(ApiOperations(urls.app), config.common_pepper(), config.requests_per_second)
        listening = socket.socket(fileno=fd) if fd is not None else listen(host, port)
        shown = _pages() if pages else None
        application = Application(endpoint, shown)
        if successor is not None:
            successor.take_over(None if shown is None else shown.prepare)
        _answer_started(listening, json=json)
        run_server(application, listening, config)


def _pages() -> Any:
    from opensmm.web.pages import Pages

    return Pages()


def _hold_database(config: Config) -> None:
    """Where root starts a verb by itself on the embedded database, runs it in a child and ends with its exit code.

    The child gives root up and could not stop the database when it ends; this process holds it meanwhile, and leaves
    what is to be looked at before a start to the child.
    """
    if os.geteuid() != 0 or config.database_url or LEASH in os.environ:
        return
    with _told(), database(config):
        code = run_to_its_end(Process(sys.argv[1:]), StopSignal())
    raise typer.Exit(code)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; says in words where the port is taken."""
    try:
        listening = socket.create_server((host, port), backlog=2048, family=_family(host))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fail(f"{host} port {port} is taken: stop what listens there, or choose another with --port", UNAVAILABLE)
        fail(f"cannot listen on {host} port {port}: {error.strerror}", UNAVAILABLE)
    listening.set_inheritable(True)
    return listening


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _answer_started(listening: socket.socket, *, json: bool) -> None:
    host, port = listening.getsockname()[:2]
    if json:
        answer({"host": host, "port": port}, "", json=True)


def worker(
    sandbox_url: Annotated[str, typer.Option("--sandbox-url", help="Where the sandbox provider listens.")] = "",
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one worker: it sends orders, follows them, and passes refills and cancels on."""
    config = configured(data)
    _hold_database(config)
    with _database(config) as urls:
        import uvloop

        if json:
            answer({"worker": "running"}, "", json=True)
        logs.set_up(config.log_level)
        allow_open_files()
        successor = privileges.choose_successor(config, urls.app)
        uvloop.run(_work(urls.app, config, sandbox_url, metrics_port, metrics_host, successor))


async def _work(
    url: str, config: Config, sandbox_url: str, metrics_port: int | None, metrics_host: str, successor: Successor | None
) -> None:
    from opensmm.providers.registry import ProviderRegistry
    from opensmm.worker.running import Worker

    watch_leash()
    stop = stop_event()
    registry = ProviderRegistry(
        config.common_pepper(), sandbox_url, config.provider_timeout_s, private=config.private_providers
    )
    async with _measured(url, config, metrics_port, metrics_host):
        doing = Worker(url, registry, config.provider_timeout_s)
        if successor is not None:
            # The client reads the authorities' certificates as it is imported, and their file may be root's.
            import_module("opensmm.providers.egress")
            successor.take_over()
        gc_tuning.leave_alone()
        await doing.run(stop)


@contextlib.asynccontextmanager
async def _measured(url: str, config: Config, port: int | None, host: str) -> AsyncIterator[None]:
    """A worker's metrics, where a port was given, with a look at the whole panel now and then."""
    from opensmm.cli import worker_metrics
    from opensmm.worker.sampling import sampled

    if port is None:
        yield
    else:
        async with sampled(url, config.pepper(), private=config.private_providers) as sampling:
            metrics.serve(port, host, worker_metrics.of(lambda: sampling.newest))
            yield


def sandbox(
    port: Port = 8766,
    speed: Annotated[float, typer.Option("--speed", help="How much faster its time runs.", min=0.01)] = 1.0,
    fd: SocketNumber = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the sandbox provider by itself: a small upstream panel whose orders do what their links say."""
    config = configured(data)
    _hold_database(config)
    with _database(config) as urls:
        listening = socket.socket(fileno=fd) if fd is not None else listen("127.0.0.1", port)
        _answer_started(listening, json=json)
        from opensmm.cli.asgi_server import run_server
        from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key

        logs.set_up(config.log_level)
        successor = privileges.choose_successor(config, urls.app)
        box = Sandbox(open_pool(urls.app), sandbox_key(config.pepper()), speed)
        if successor is not None:
            successor.take_over()
        run_server(box, listening, config)


@contextlib.contextmanager
def _database(config: Config) -> Iterator[DatabaseUrls]:
    """The database, with the app's role looked at: the panel refuses to start with one that may undo the books."""
    with _told(), database(config) as urls:
        asyncio.run(_look(urls.app, config))
        yield urls


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Ends the process with words and an exit code where the database cannot be worked with."""
    try:
        yield
    except OperatorRefusal as refused:
        refuse(refused)
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)


def _tell_waiting(why: Unavailable) -> None:
    err.print(f"opensmm: waiting for the database: {words.fault(why)}", markup=False)


async def _look(url: str, config: Config, stopped: Callable[[], bool] = lambda: False) -> None:
    """Waits for a server that takes writes, as after a failover or a start of the whole machine, and makes sure that
    the panel can work with it. The embedded one is looked at over one connection, behind which no pooler can stand."""
    connection = await starting.first_connection(url, _tell_waiting, stopped)
    try:
        if config.database_url:
            # A pooler may have one connection for us, and none for the probes of ``check`` while we keep it.
            connection.abandon()
            await starting.check(url)
            connection = await connect(url, application="opensmm start")
        else:
            await starting.check_settings(connection)
        await pepper(connection, config, config.common_pepper)
    finally:
        await connection.close()


class Stack:
    """A whole panel: database, API behind one port, worker, and the sandbox where it is wanted."""

    def __init__(
        self,
        config: Config,
        host: str,
        port: int,
        *,
        api_processes: int,
        speed: float | None,
        metrics_port: int | None = None,
        metrics_host: str = LOOPBACK,
        report: Report = no_report,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config = config
        self._stopped = stopped
        self._metrics_port = metrics_port
        self._metrics_host = metrics_host
        self._listening = listen(host, port)
        self._sandbox = None if speed is None else listen("127.0.0.1", 0)
        self._speed = speed
        self._api_processes = api_processes
        self._report = report
        self.embedded = None if config.database_url else EmbeddedPostgres(config.data, report=self._report)
        self.processes: list[Process] = []

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @contextlib.contextmanager
    def database(self) -> Iterator[DatabaseUrls]:
        """The database for as long as the block runs, its tables up to date where their owner is known."""
        urls = DatabaseUrls(self.config.database_url, self.config.database_admin_url)
        try:
            if self.embedded is not None:
                urls = self.embedded.start()
            if self.config.database_url:
                asyncio.run(starting.wait_for_primary(urls.app, _tell_waiting, self._stopped))
            ready(self.config, urls, self._report)
            asyncio.run(_look(urls.app, self.config, self._stopped))
            yield urls
        finally:
            if self.embedded is not None:
                self.embedded.stop()

    def start(self) -> None:
        data = ["--data", str(self.config.data)]
        shared = self._listening.fileno()
        api_verb = ["api", "--pages", "--fd", str(shared), *data]
        numbers = range(self._api_processes)
        self.processes = [Process([*api_verb, *self._metrics(1 + number)], [shared]) for number in numbers]
        work = ["worker", *data, *self._metrics(0)]
        if self._sandbox is not None:
            own = self._sandbox.fileno()
            sandbox_verb = ["sandbox", "--fd", str(own), "--speed", str(self._speed), *data]
            self.processes.append(Process(sandbox_verb, [own]))
            work += ["--sandbox-url", f"http://127.0.0.1:{self._sandbox.getsockname()[1]}/api/v2"]
        self.processes.append(Process(work))
        for process in self.processes:
            process.start()

    def _metrics(self, number: int) -> list[str]:
        """Each process has a port of its own: the worker the one that was given, the API's those that follow it."""
        if self._metrics_port is None:
            return []
        return ["--metrics-port", str(self._metrics_port + number), "--metrics-host", self._metrics_host]

    def stop(self) -> None:
        stop_all(self.processes)
        self._listening.close()
        if self._sandbox is not None:
            self._sandbox.close()


def serve(
    port: Port = 8765,
    host: Host = "127.0.0.1",
    api_processes: Processes = 1,
    with_sandbox: Annotated[bool, typer.Option("--sandbox", help="Run the sandbox provider too.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the panel: API and pages behind one port, and a worker. Put a proxy with TLS in front of it."""
    stop = StopSignal()
    if metrics_port is not None and metrics_port + api_processes > MOST_PORT:
        fail(f"each process has a metrics port of its own, and {MOST_PORT} is the last there is", MISUSED)
    config, steps = configured(data), Stages(err)
    stack = Stack(
        config, host, port, api_processes=api_processes, speed=1.0 if with_sandbox else None,
        metrics_port=metrics_port, metrics_host=metrics_host, report=steps, stopped=lambda: stop.wait(0),
    )  # fmt: skip
    logs.set_up(config.log_level)
    try:
        with steps, stack.database():
            stack.start()
            steps.end()
            url = f"http://{host}:{stack.port}"
            answer({"url": url}, f"the panel serves at {url}", json=json)
            try:
                watch(stack.processes, stack.embedded, stop)
            finally:
                stack.stop()
    except OperatorRefusal as refused:
        refuse(refused)
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)
