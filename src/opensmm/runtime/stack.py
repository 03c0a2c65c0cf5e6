"""A whole panel in one command: its database, and its processes as children of this one."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from opensmm.config import Config
from opensmm.domain.codes import Report, no_report
from opensmm.runtime import database
from opensmm.runtime.child import ApiProcess, Role, SandboxProcess, WorkerProcess, child_command, role_name
from opensmm.runtime.processes import Process, stop_all
from opensmm.runtime.serving import LOOPBACK, NO_METRICS, MetricsAddress, listen
from opensmm.store.embedded import DatabaseUrls, EmbeddedPostgres


class Stack:
    """A whole panel: database, API behind one port, worker, and the sandbox if ``speed`` is given.

    Raises Misconfigured if a port cannot be had.
    """

    def __init__(
        self,
        config: Config,
        host: str,
        port: int,
        *,
        api_processes: int,
        speed: float | None,
        metrics_at: MetricsAddress = NO_METRICS,
        report: Report = no_report,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config = config
        self._stopped = stopped
        self._metrics_at = metrics_at
        self._listening = listen(host, port)
        self._sandbox = None if speed is None else listen(LOOPBACK, 0)
        self._speed = speed
        self._api_processes = api_processes
        self._report = report
        self.embedded = None if config.database_url else EmbeddedPostgres(config.data, report=self._report)
        *self._first, self._worker = self.processes = list(self._processes())

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @contextlib.contextmanager
    def running(self) -> Iterator[DatabaseUrls]:
        """Runs the processes and the database for the block. The processes wait for ``release`` before they use it.

        Migrates the database if the owner's role is known. Raises Misconfigured, Unavailable or
        OperatorRefusal if the panel cannot work with it.
        """
        urls = DatabaseUrls(self.config.database_url, self.config.database_admin_url)
        try:
            for process in self._first:
                process.start()
            if self.embedded is not None:
                urls = self.embedded.start()
            if self.config.database_url:
                database.wait_for_primary(urls.app, self._stopped)
            database.bring_up_to_date(urls, self._report)
            database.check(urls.app, self.config, self._stopped)
            yield urls
        finally:
            self._stop()
            if self.embedded is not None:
                self.embedded.stop()

    def release(self) -> None:
        """Lets the processes use the database. Starts the worker only now, so that the API answers sooner."""
        self._worker.start()
        for process in self.processes:
            process.release()

    def _processes(self) -> Iterator[Process]:
        """Yields a process for each API, for the sandbox and, last, for the worker."""
        shared = self._listening.fileno()
        for number in range(self._api_processes):
            yield self._process(ApiProcess(shared, self._metrics(1 + number)), [shared])
        sandbox_url = ""
        if self._sandbox is not None:
            own = self._sandbox.fileno()
            sandbox_url = f"http://{LOOPBACK}:{self._sandbox.getsockname()[1]}/api/v2"
            yield self._process(SandboxProcess(own, self._speed or 1.0), [own])
        yield self._process(WorkerProcess(sandbox_url, self._metrics(0)))

    def _process(self, role: Role, sockets: Sequence[int] = ()) -> Process:
        return Process(child_command(self.config.data, role), sockets, name=role_name(role))

    def _metrics(self, number: int) -> MetricsAddress:
        """Returns a process's address for metrics: the worker has the given port, the API's processes the next ones."""
        address = self._metrics_at
        return address if address.port is None else MetricsAddress(address.port + number, address.host)

    def _stop(self) -> None:
        stop_all(self.processes)
        self._listening.close()
        if self._sandbox is not None:
            self._sandbox.close()
