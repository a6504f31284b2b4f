"""Who may ask the server, and what a browser may do with its answers: on every route, before Streamlit sees the request.

Streamlit's own checks leave gaps that no setting closes. `server.allowedHosts` guards its websocket alone. That websocket also opens to
pages of any other port of this machine, and before it refuses a foreign page it asks a host on the internet for the machine's address.
Nor can a setting send the headers below.
"""

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # addresses hold ids of samples
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
INLINE = "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"  # the one script that stands in Streamlit's index.html
POLICY = (  # no script but ours runs, and nothing is fetched from, sent to or shown within another host, whatever text is on a page
    f"default-src 'self'; script-src 'self' blob: {INLINE}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; worker-src 'self' blob:; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
REFUSAL = PlainTextResponse("Pages of another origin may not use Lethe; see server.corsAllowedOrigins.", status_code=403)


class SameOrigin:
    """Refuses what a page of another origin sends, unless `server.corsAllowedOrigins` names it; adds the headers to every answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        asked = Headers(scope=scope)
        host, origins = asked.get("host", ""), asked.getlist("origin")

        async def guarded(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(HEADERS | {"Content-Security-Policy": POLICY.format(host=host)})
            await send(message)

        known = st.get_option("server.corsAllowedOrigins")
        own = all(origin.partition("://")[2] == host or origin in known for origin in origins)
        return await (self.app if own else REFUSAL)(scope, receive, guarded)


def middleware() -> list[Middleware]:
    """What every request passes before Streamlit; its hosts are those of `server.allowedHosts`."""
    hosts = st.get_option("server.allowedHosts")
    return [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False), Middleware(SameOrigin)]
