"""The ASGI application behind one port: ``/api`` and ``/healthz`` go to the API, other paths to the pages."""

from collections.abc import Awaitable

from opensmm.api.endpoint import HEALTH, Endpoint
from opensmm.base.asgi import Receive, Scope, Send
from opensmm.web.reference_pages import ReferencePages


class Application:
    """Passes requests on to the API or the pages. The API connects when the server starts, and closes when it ends.

    ``handlers_by_path`` is for our server, which passes whole requests to the API; see ``api.protocol``.
    """

    def __init__(self, endpoint: Endpoint, pages: ReferencePages | None = None) -> None:
        self._endpoint = endpoint
        self._pages = pages
        self.handlers_by_path = endpoint.handlers_by_path()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Returns the awaitable of the API or the pages: a coroutine around it would cost time at each step."""
        if scope["type"] == "http":
            if self._pages is None or scope["path"].startswith("/api/") or scope["path"] == HEALTH:
                return self._endpoint(scope, receive, send)
            return self._pages(scope, receive, send)
        if scope["type"] == "lifespan":
            return self._run_lifespan(receive, send)
        return send({"type": "websocket.close", "code": 1000})

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._endpoint.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._endpoint.stop()
        await send({"type": "lifespan.shutdown.complete"})
