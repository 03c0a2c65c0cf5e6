"""``api``, ``worker``, ``sandbox`` and ``serve``: the processes of a running panel."""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final

import psycopg
import structlog
import typer
import uvicorn

from opensmm.api.server import Protocol, Server
from opensmm.base.faults import Misconfigured, Unavailable
from opensmm.cli.frame import UNAVAILABLE, Data, Json, answer, configured, fail, ready
from opensmm.cli.processes import Process, StopSignal, stop_all, stop_event, watch, watch_leash
from opensmm.config import Config
from opensmm.store import schema
from opensmm.store.connection import connect
from opensmm.store.embedded import Embedded, Urls, serving

GRACE_S: Final = 3
"""How long open requests get to be answered when the server is told to stop."""
KEEP_ALIVE_S: Final = 75
"""How long an idle connection is kept: longer than proxies and clients do, so that it is they who close it."""
Port = Annotated[int, typer.Option("--port", help="The TCP port to listen on.", min=1, max=65535)]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Processes = Annotated[int, typer.Option("--api-processes", help="API processes behind the port.", min=1, max=64)]
SocketNumber = Annotated[int | None, typer.Option("--fd", hidden=True)]


def api(
    port: Port = 8765,
    host: Host = "127.0.0.1",
    pages: Annotated[bool, typer.Option(help="Serve the API's pages too.")] = False,
    fd: SocketNumber = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one API process. `serve` runs it together with a worker."""
    config = configured(data)
    with _database(config) as urls:
        from opensmm.actions.panel import Panel
        from opensmm.api.endpoint import Endpoint
        from opensmm.main import Application

        endpoint = Endpoint(Panel(urls.app), config.pepper(), config.requests_per_second)
        listening = socket.socket(fileno=fd) if fd is not None else listen(host, port)
        _answer_started(listening, json=json)
        run_server(Application(endpoint, _pages() if pages else None), listening, config)


def _pages() -> Any:
    from opensmm.web.pages import Pages

    return Pages()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; says in words where the port is taken."""
    try:
        listening = socket.create_server((host, port), backlog=2048, family=_family(host))
    except OSError as error:
        fail(f"cannot listen on {host} port {port}: {error.strerror}", UNAVAILABLE)
    listening.set_inheritable(True)
    return listening


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _answer_started(listening: socket.socket, *, json: bool) -> None:
    host, port = listening.getsockname()[:2]
    if json:
        answer({"host": host, "port": port}, "", json=True)


def run_server(app: Any, listening: socket.socket, config: Config, *, lifespan: bool = True) -> None:
    """Serves until SIGTERM or Ctrl-C. Access logs are off: keys travel in query strings."""
    watch_leash()
    set_up_logs()
    settings = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on" if lifespan else "off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=config.trusted_proxies or None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=2048,
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(settings).run(sockets=[listening])


def set_up_logs() -> None:
    """One JSON object a line on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def worker(
    sandbox_url: Annotated[str, typer.Option("--sandbox-url", help="Where the sandbox provider listens.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Run one worker: it sends orders, follows them, and passes refills and cancels on."""
    config = configured(data)
    with _database(config) as urls:
        if json:
            answer({"worker": "running"}, "", json=True)
        asyncio.run(_work(urls.app, config, sandbox_url))


async def _work(url: str, config: Config, sandbox_url: str) -> None:
    from opensmm.providers.desk import Desk
    from opensmm.worker.loops import Worker

    watch_leash()
    set_up_logs()
    stop = stop_event()
    desk = Desk(config.pepper(), sandbox_url, config.provider_timeout_s)
    await Worker(url, desk, config.provider_timeout_s).run(stop)


def sandbox(
    port: Port = 8766,
    speed: Annotated[float, typer.Option("--speed", help="How much faster its time runs.", min=0.01)] = 1.0,
    fd: SocketNumber = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the sandbox provider by itself: a small upstream panel whose orders do what their links say."""
    config = configured(data)
    with _database(config) as urls:
        listening = socket.socket(fileno=fd) if fd is not None else listen("127.0.0.1", port)
        _answer_started(listening, json=json)
        from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key

        box = Sandbox(open_pool(urls.app), sandbox_key(config.pepper()), speed)
        run_server(box, listening, config)


@contextlib.contextmanager
def _database(config: Config) -> Iterator[Urls]:
    """The database, with the app's role looked at: the panel refuses to start with one that may undo the books."""
    try:
        with serving(config) as urls:
            asyncio.run(_check(urls.app))
            yield urls
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        fail(str(error), UNAVAILABLE)


async def _check(url: str) -> None:
    connection = await connect(url, application="opensmm start")
    try:
        await schema.check_app_role(connection)
    finally:
        await connection.close()


class Stack:
    """A whole panel: database, API behind one port, worker, and the sandbox where it is wanted."""

    def __init__(self, config: Config, host: str, port: int, *, api_processes: int, speed: float | None) -> None:
        self.config = config
        self._listening = listen(host, port)
        self._sandbox = None if speed is None else listen("127.0.0.1", 0)
        self._speed = speed
        self._api_processes = api_processes
        self.embedded = None if config.database_url else Embedded(config.data)
        self.processes: list[Process] = []

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @contextlib.contextmanager
    def database(self) -> Iterator[Urls]:
        """The database for as long as the block runs, its tables up to date where their owner is known."""
        urls = Urls(self.config.database_url, self.config.database_admin_url)
        try:
            if self.embedded is not None:
                urls = self.embedded.start()
            ready(self.config, urls)
            asyncio.run(_check(urls.app))
            yield urls
        finally:
            if self.embedded is not None:
                self.embedded.stop()

    def start(self) -> None:
        data = ["--data", str(self.config.data)]
        shared = self._listening.fileno()
        api_verb = ["api", "--pages", "--fd", str(shared), *data]
        self.processes = [Process(api_verb, [shared]) for _ in range(self._api_processes)]
        work = ["worker", *data]
        if self._sandbox is not None:
            own = self._sandbox.fileno()
            sandbox_verb = ["sandbox", "--fd", str(own), "--speed", str(self._speed), *data]
            self.processes.append(Process(sandbox_verb, [own]))
            work += ["--sandbox-url", f"http://127.0.0.1:{self._sandbox.getsockname()[1]}/api/v2"]
        self.processes.append(Process(work))
        for process in self.processes:
            process.start()

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
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the panel: API and pages behind one port, and a worker. Put a proxy with TLS in front of it."""
    stop = StopSignal()
    stack = Stack(configured(data), host, port, api_processes=api_processes, speed=1.0 if with_sandbox else None)
    try:
        with stack.database():
            stack.start()
            url = f"http://{host}:{stack.port}"
            answer({"url": url}, f"the panel serves at {url}", json=json)
            try:
                watch(stack.processes, stack.embedded, stop)
            finally:
                stack.stop()
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        fail(str(error), UNAVAILABLE)
