"""Serving of an ASGI application with uvicorn, in a module of its own that supervisors need not load."""

import contextlib
import signal
import socket
from typing import Any, Final

import uvicorn

from opensmm.api.protocol import Protocol
from opensmm.api.server import COMMIT_GRACE_S, Server
from opensmm.config import Config
from opensmm.runtime.processes import watch_leash

KEEP_ALIVE_S: Final = 75
"""Seconds until an idle connection is closed: more than proxies and clients wait, so that they close it first."""


def run_server(app: Any, listening: socket.socket, config: Config, *, lifespan: bool = True) -> None:
    """Serves until SIGTERM or Ctrl-C. Access logs are off: keys travel in query strings."""
    watch_leash()
    # uvicorn raises the signal that ended it again. By default that kills the process before the database is closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = uvicorn.Config(
        app,
        interface="asgi3",
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on" if lifespan else "off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=config.trusted_proxies or None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=COMMIT_GRACE_S,
        backlog=2048,
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(settings).run(sockets=[listening])
