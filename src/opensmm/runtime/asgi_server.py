"""Serving an ASGI application with uvicorn. Apart from the verbs: one that only supervises does not load the server."""

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
"""How long an idle connection is kept: longer than proxies and clients do, so that it is they who close it."""


def run_server(app: Any, listening: socket.socket, config: Config, *, lifespan: bool = True) -> None:
    """Serves until SIGTERM or Ctrl-C. Access logs are off: keys travel in query strings."""
    watch_leash()
    # uvicorn raises the signal that ended it once more: by default that kills us before the database is let go.
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
