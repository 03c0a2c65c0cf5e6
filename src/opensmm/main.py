"""The ASGI application behind one port: ``/api`` and ``/healthz`` are the API's, the rest the pages."""

from opensmm.api.body import Receive, Scope, Send
from opensmm.api.endpoint import HEALTH, Endpoint
from opensmm.web.pages import Pages


class Application:
    """Sends each request to its floor. The API's life is the server's: connected at its start, closed at its end."""

    def __init__(self, endpoint: Endpoint, pages: Pages | None = None) -> None:
        self._endpoint = endpoint
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._pages is None or scope["path"].startswith("/api/") or scope["path"] == HEALTH:
                await self._endpoint(scope, receive, send)
            else:
                await self._pages(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._endpoint.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._endpoint.stop()
        await send({"type": "lifespan.shutdown.complete"})
