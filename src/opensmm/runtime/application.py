"""The ASGI application behind one port: ``/api`` and ``/healthz`` are the API's, the rest the pages."""

from collections.abc import Awaitable

from opensmm.api.endpoint import HEALTH, Endpoint
from opensmm.base.asgi import Receive, Scope, Send
from opensmm.web.pages import Pages


class Application:
    """Sends each request to its floor. The API's life is the server's: connected at its start, closed at its end.

    ``direct_answers`` is for our server, which hands the API its requests whole: see ``api.protocol``.
    """

    def __init__(self, endpoint: Endpoint, pages: Pages | None = None) -> None:
        self._endpoint = endpoint
        self._pages = pages
        self.direct_answers = endpoint.direct_answers()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What is to be awaited is the floor's own: a layer between them would be passed at every step of a request."""
        if scope["type"] == "http":
            if self._pages is None or scope["path"].startswith("/api/") or scope["path"] == HEALTH:
                return self._endpoint(scope, receive, send)
            return self._pages(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        return send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._endpoint.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._endpoint.stop()
        await send({"type": "lifespan.shutdown.complete"})
