"""The processes of a running panel: API, worker and sandbox.

Each imports only what it needs. The API and the sandbox do so before they wait for the database.
"""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from opensmm.base.error_codes import SetupCode
from opensmm.base.errors import Misconfigured
from opensmm.config import Config
from opensmm.domain.codes import Report, no_report
from opensmm.runtime import database, logs, privileges
from opensmm.runtime.privileges import TargetUser
from opensmm.runtime.processes import allow_open_files, stop_event, wait_for_release, watch_leash
from opensmm.store.embedded import DatabaseUrls, run_database

if TYPE_CHECKING:
    from opensmm.web.reference_pages import ReferencePages

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 2048
_NOT_FOR_API: Final = ("opensmm.worker", "opensmm.providers", "opensmm.runtime.worker_metrics", "aiohttp")
_NOT_FOR_WORKER: Final = ("opensmm.api", "opensmm.runtime.api_metrics", "uvicorn")


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


@contextlib.contextmanager
def _released_with_database(config: Config, report: Report) -> Iterator[DatabaseUrls]:
    """Waits until the parent releases this process, then runs or joins the database, checks it, and runs the block."""
    wait_for_release()
    with run_database(config, report) as urls:
        database.check(urls.app, config)
        yield urls


def run_api(
    config: Config,
    listening: socket.socket,
    *,
    pages: bool,
    metrics_at: MetricsAddress = NO_METRICS,
    started: Callable[[], None] = lambda: None,
    report: Report = no_report,
) -> None:
    """Runs one API process until a signal ends it.

    ``started`` is called when it has dropped root and is about to serve.

    Raises Misconfigured, Unavailable or OperatorRefusal if the panel cannot work with its database.
    """
    from opensmm.actions.api_facade import ApiOperations
    from opensmm.api.endpoint import Endpoint
    from opensmm.runtime.application import Application
    from opensmm.runtime.asgi_server import run_server

    site = _load_pages() if pages else None
    prepare = None if site is None else site.prepare
    privileges.load_code_unreadable_to_user(config, prepare, without=_NOT_FOR_API)
    with _released_with_database(config, report) as urls:
        logs.set_up(config.log_level)
        allow_open_files()
        target_user = privileges.choose_target_user(config, urls.app)
        if metrics_at.port is not None:
            from opensmm.runtime import api_metrics, metrics

            metrics.serve(metrics_at.port, metrics_at.host, api_metrics.families)
        endpoint = Endpoint(ApiOperations(urls.app), config.shared_pepper(), config.requests_per_second)
        application = Application(endpoint, site)
        if target_user is not None:
            target_user.drop_root(prepare, without=_NOT_FOR_API)
        started()
        run_server(application, listening, config)


def _load_pages() -> "ReferencePages":
    from opensmm.web.reference_pages import ReferencePages

    return ReferencePages()


def run_worker(
    config: Config,
    sandbox_url: str = "",
    *,
    metrics_at: MetricsAddress = NO_METRICS,
    started: Callable[[], None] = lambda: None,
    report: Report = no_report,
) -> None:
    """Runs one worker until a signal ends it. Raises like ``run_api``.

    ``started`` is called once the database can be used. Root is dropped later, in the event loop, just before the first
    step; nobody connects to a worker, so nothing depends on it.
    """
    import uvloop

    privileges.load_code_unreadable_to_user(config, without=_NOT_FOR_WORKER)
    with _released_with_database(config, report) as urls:
        started()
        logs.set_up(config.log_level)
        allow_open_files()
        target_user = privileges.choose_target_user(config, urls.app)
        uvloop.run(_work(config, urls.app, sandbox_url, metrics_at, target_user))


async def _work(
    config: Config, url: str, sandbox_url: str, metrics_at: MetricsAddress, target_user: TargetUser | None
) -> None:
    from opensmm.actions import gc_tuning
    from opensmm.providers.registry import ProviderRegistry
    from opensmm.worker.running import Worker

    watch_leash()
    stop = stop_event()
    pepper = config.shared_pepper()
    registry = ProviderRegistry(pepper, sandbox_url, config.provider_timeout_s, private=config.private_providers)
    async with _serve_metrics(config, url, pepper, metrics_at):
        worker = Worker(url, registry, config.provider_timeout_s)
        if target_user is not None:
            # The HTTP client reads the CA certificates when it is imported, and only root may be able to read them.
            import_module("opensmm.providers.egress")
            target_user.drop_root(without=_NOT_FOR_WORKER)
        gc_tuning.tune_gc()
        await worker.run(stop)


@contextlib.asynccontextmanager
async def _serve_metrics(config: Config, url: str, pepper: bytes, metrics_at: MetricsAddress) -> AsyncIterator[None]:
    """Serves a worker's metrics, with periodic samples of the whole panel, if a port was given."""
    if metrics_at.port is None:
        yield
        return
    from opensmm.runtime import metrics, worker_metrics
    from opensmm.worker.sampling import sampled

    async with sampled(url, pepper, private=config.private_providers) as sampling:
        metrics.serve(metrics_at.port, metrics_at.host, worker_metrics.families_with(lambda: sampling.newest))
        yield


def run_sandbox(
    config: Config,
    listening: socket.socket,
    speed: float,
    *,
    started: Callable[[], None] = lambda: None,
    report: Report = no_report,
) -> None:
    """Runs the sandbox until a signal ends it; its time runs ``speed`` times as fast. Raises like ``run_api``.

    ``started`` is called once the database can be used; calls that come before it serves wait at the socket.
    """
    from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key
    from opensmm.runtime.asgi_server import run_server

    privileges.load_code_unreadable_to_user(config)
    with _released_with_database(config, report) as urls:
        started()
        logs.set_up(config.log_level)
        target_user = privileges.choose_target_user(config, urls.app)
        # Not ``shared_pepper``: a sandbox may run alone, and then makes the pepper if there is none.
        provider = Sandbox(open_pool(urls.app), sandbox_key(config.pepper()), speed)
        if target_user is not None:
            target_user.drop_root()
        run_server(provider, listening, config)
