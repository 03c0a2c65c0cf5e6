"""The yardstick of reads: ``python -m bench.bare`` answers a constant from a bare ASGI callable, on our server."""

import base64
import socket
import sys

import msgspec
from msgspec import Struct

from opensmm.base.asgi import Receive, Scope, Send
from opensmm.config import read
from opensmm.runtime.asgi_server import run_server


class Constant(Struct, frozen=True):
    """One answer as our API gave it: the same header fields, the same bytes. ``body`` is base64."""

    headers: list[tuple[str, str]]
    body: str


class Bare:
    """It reads nothing, knows nobody and decides nothing."""

    def __init__(self, constant: Constant) -> None:
        self._headers = [(name.encode(), value.encode()) for name, value in constant.headers]
        self._body = base64.b64decode(constant.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def main() -> None:
    constant = msgspec.json.decode(sys.stdin.buffer.read(), type=Constant)
    run_server(Bare(constant), socket.socket(fileno=int(sys.argv[1])), read(), lifespan=False)


if __name__ == "__main__":
    main()
