"""The real server on a port, and requests to it byte by byte."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import uvicorn
from tests.panel import at_last, until

from opensmm.api import server
from opensmm.api.protocol import Protocol
from opensmm.runtime.application import Application


class Server(server.Server):
    def run_here(self, listening):
        return self._serve(sockets=[listening])


SERVERS: list[Server] = []
"""Those that run at the moment."""


@asynccontextmanager
async def serving(endpoint, *, direct=True, **settings):
    """The real server; yields its port. Not ``direct``: every request goes by ASGI."""
    listening = socket.create_server(("127.0.0.1", 0))
    application = Application(endpoint)
    if not direct:
        application.handlers_by_path = {}
    config = uvicorn.Config(
        application, interface="asgi3", http=Protocol, ws="none", lifespan="off", log_level="critical",
        server_header=False, date_header=False,
        **{"timeout_keep_alive": 1, "timeout_graceful_shutdown": 0} | settings,
    )  # fmt: skip
    config.load()
    running = Server(config)
    running.lifespan = config.lifespan_class(config)
    SERVERS.append(running)
    task = asyncio.create_task(running.run_here(listening))

    async def started():
        return running.started

    await until(started)
    try:
        yield listening.getsockname()[1]
    finally:
        running.should_exit = True
        await task
        SERVERS.remove(running)


def request(body, length=None, head=""):
    length = len(body) if length is None else length
    kind = "content-type: application/x-www-form-urlencoded\r\n"
    return f"POST /api/v2 HTTP/1.1\r\nhost: x\r\n{kind}{head}content-length: {length}\r\n\r\n".encode() + body


async def said_to(port, data):
    """(status, body) of one whole request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    head, body = await heard(reader)
    writer.close()
    return int(head.split()[1]), body


async def heard(reader):
    """(head, what was said) of the next answer on a connection."""
    head = (await at_last(reader.readuntil(b"\r\n\r\n"))).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    return head, json.loads(await reader.readexactly(length))
