"""Stands before all pages: Host header, method, token and cookie, and headers of each answer."""

from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tapeflow.flows.serve.auth import Doorkeeper

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
NO_TOKEN = "not let in: open the address that `tapeflow serve` printed, with its token\n"


class Guard:
    """Lets a request pass, or answers it."""

    def __init__(self, app: ASGIApp, door: Doorkeeper) -> None:
        """Stand before an application."""
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; nothing but HTTP is served."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self.judge(scope)
        await (self.app if refusal is None else refusal)(scope, receive, send_guarded)

    def judge(self, scope: Scope) -> Response | None:
        """Return the answer to who may not pass, None for who may."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.door.is_our_name(hosts[0]):
            return PlainTextResponse("this server has another name\n", 421)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("read only\n", 405, {"Allow": "GET, HEAD"})
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        if tokens:
            return self.exchange(tokens[0], scope["path"])
        if not self.door.is_session(read_cookies(";".join(headers.getlist("cookie")))):
            return PlainTextResponse(NO_TOKEN, 401)
        return None

    def exchange(self, token: str, path: str) -> Response:
        """Return the cookie for a token, and lead on to the same page without it."""
        if not self.door.is_token(token):
            return PlainTextResponse(NO_TOKEN, 401)
        answer = RedirectResponse(path if path.startswith("/explain/") else "/", 303)
        answer.set_cookie(
            self.door.cookie, self.door.session, httponly=True, samesite="strict", path="/"
        )
        return answer


def read_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a header by name, whatever others of this host look like.

    >>> read_cookies('prefs={"a":"b"}; a[1]=x;tapeflow_1=f00')["tapeflow_1"]
    'f00'
    """
    pairs = (each.partition("=") for each in header.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
