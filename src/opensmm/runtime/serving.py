"""The processes of a running panel, and the stack that starts them together.

Each process imports only what it needs: the supervisor loads no server, and the worker no API.
"""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, Final

from msgspec import Struct

from opensmm.actions import gc_tuning
from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.config import Config
from opensmm.domain.codes import Report, no_report
from opensmm.runtime import database, logs, metrics, privileges
from opensmm.runtime.privileges import Successor
from opensmm.runtime.processes import Process, allow_open_files, stop_all, stop_event, watch_leash
from opensmm.store.embedded import DatabaseUrls, EmbeddedPostgres

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 2048


class MetricsAddress(Struct, frozen=True):
    """The address at which a process serves its metrics. No ``port``: none."""

    port: int | None = None
    host: str = LOOPBACK


NO_METRICS: Final = MetricsAddress()


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket that child processes may inherit. Raises Misconfigured if the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), backlog=BACKLOG, family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Misconfigured(SetupCode.PORT_TAKEN, host=host, port=port) from error
        raise Misconfigured(SetupCode.CANNOT_LISTEN, host=host, port=port, words=error.strerror) from error
    listening.set_inheritable(True)
    return listening


def run_api(
    config: Config,
    url: str,
    listening: socket.socket,
    *,
    pages: bool,
    metrics_at: MetricsAddress,
    started: Callable[[], None],
) -> None:
    """Runs one API process until a signal ends it. Calls ``started`` when it has dropped root."""
    from opensmm.actions.api_facade import ApiOperations
    from opensmm.api.endpoint import Endpoint
    from opensmm.runtime import api_metrics
    from opensmm.runtime.application import Application
    from opensmm.runtime.asgi_server import run_server

    logs.set_up(config.log_level)
    allow_open_files()
    successor = privileges.choose_successor(config, url)
    metrics.serve(metrics_at.port, metrics_at.host, api_metrics.families)
    endpoint = Endpoint(ApiOperations(url), config.common_pepper(), config.requests_per_second)
    site = _load_pages() if pages else None
    application = Application(endpoint, site)
    if successor is not None:
        successor.take_over(None if site is None else site.prepare)
    started()
    run_server(application, listening, config)


def _load_pages() -> Any:
    from opensmm.web.pages import Pages

    return Pages()


def run_worker(config: Config, url: str, sandbox_url: str, metrics_at: MetricsAddress) -> None:
    """Runs one worker until a signal ends it."""
    import uvloop

    logs.set_up(config.log_level)
    allow_open_files()
    successor = privileges.choose_successor(config, url)
    uvloop.run(_work(config, url, sandbox_url, metrics_at, successor))


async def _work(
    config: Config, url: str, sandbox_url: str, metrics_at: MetricsAddress, successor: Successor | None
) -> None:
    from opensmm.providers.registry import ProviderRegistry
    from opensmm.worker.running import Worker

    watch_leash()
    stop = stop_event()
    registry = ProviderRegistry(
        config.common_pepper(), sandbox_url, config.provider_timeout_s, private=config.private_providers
    )
    async with _serve_metrics(config, url, metrics_at):
        worker = Worker(url, registry, config.provider_timeout_s)
        if successor is not None:
            # The HTTP client reads the CA certificates when it is imported, and only root may be able to read them.
            import_module("opensmm.providers.egress")
            successor.take_over()
        gc_tuning.leave_alone()
        await worker.run(stop)


@contextlib.asynccontextmanager
async def _serve_metrics(config: Config, url: str, metrics_at: MetricsAddress) -> AsyncIterator[None]:
    """Serves a worker's metrics, with periodic samples of the whole panel, if a port was given."""
    from opensmm.runtime import worker_metrics
    from opensmm.worker.sampling import sampled

    if metrics_at.port is None:
        yield
    else:
        async with sampled(url, config.pepper(), private=config.private_providers) as sampling:
            metrics.serve(metrics_at.port, metrics_at.host, worker_metrics.families_with(lambda: sampling.newest))
            yield


def run_sandbox(config: Config, url: str, listening: socket.socket, speed: float) -> None:
    """Runs the sandbox provider until a signal ends it."""
    from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key
    from opensmm.runtime.asgi_server import run_server

    logs.set_up(config.log_level)
    successor = privileges.choose_successor(config, url)
    provider = Sandbox(open_pool(url), sandbox_key(config.pepper()), speed)
    if successor is not None:
        successor.take_over()
    run_server(provider, listening, config)


class Stack:
    """A whole panel: database, API behind one port, worker, and the sandbox if ``speed`` is given.

    ``waiting`` is called with the reason while the start waits for the database. Raises Misconfigured if a port cannot
    be had.
    """

    def __init__(
        self,
        config: Config,
        host: str,
        port: int,
        *,
        api_processes: int,
        speed: float | None,
        waiting: Callable[[Unavailable], None],
        metrics_at: MetricsAddress = NO_METRICS,
        report: Report = no_report,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config = config
        self._waiting = waiting
        self._stopped = stopped
        self._metrics_at = metrics_at
        self._listening = listen(host, port)
        self._sandbox = None if speed is None else listen(LOOPBACK, 0)
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
        """Runs the database for the block. Migrates it before, if the owner's role is known."""
        urls = DatabaseUrls(self.config.database_url, self.config.database_admin_url)
        try:
            if self.embedded is not None:
                urls = self.embedded.start()
            if self.config.database_url:
                database.wait_for_primary(urls.app, self._waiting, self._stopped)
            database.bring_up_to_date(urls, self._report)
            database.check(urls.app, self.config, self._waiting, self._stopped)
            yield urls
        finally:
            if self.embedded is not None:
                self.embedded.stop()

    def start(self) -> None:
        """Starts the processes. Each gets the data folder and its sockets as arguments."""
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
            work += ["--sandbox-url", f"http://{LOOPBACK}:{self._sandbox.getsockname()[1]}/api/v2"]
        self.processes.append(Process(work))
        for process in self.processes:
            process.start()

    def _metrics(self, number: int) -> list[str]:
        """Returns a process's arguments for metrics: the given port for the worker, the next ones for the API."""
        if self._metrics_at.port is None:
            return []
        return ["--metrics-port", str(self._metrics_at.port + number), "--metrics-host", self._metrics_at.host]

    def stop(self) -> None:
        stop_all(self.processes)
        self._listening.close()
        if self._sandbox is not None:
            self._sandbox.close()
