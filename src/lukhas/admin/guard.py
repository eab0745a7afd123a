"""What every request to the admin plane passes: who asks, and what protects a browser."""

from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lukhas.admin.access import AdminToken, GuessBrake
from lukhas.clock import Clock
from lukhas.config.serving import ADMIN_SESSION_COOKIE
from lukhas.http.problem import PROBLEM_JSON, PROBLEM_TYPE_PREFIX, JsonValue, Problem

__all__ = ("AUTHORISED", "SESSION_COOKIE", "AccessMiddleware", "address_of", "problem_answer")

SESSION_COOKIE = ADMIN_SESSION_COOKIE

AUTHORISED = "lukhas.authorised"
"""Key in the ASGI scope: whether the caller has shown the token or a session."""

_OPEN_PATHS = frozenset(("/health", "/health/live", "/health/ready", "/login"))
_OPEN_PREFIX = "/assets/"
_SAFE_METHODS = frozenset(("GET", "HEAD"))

_PROTECTION = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class AccessMiddleware:
    """Lets a request pass that shows the token or a session, and everybody to health and login.

    Others get 401 as problem+json, or if they are a browser asking for a page, the way to the
    login page. A request that changes something must come from the same origin, if it tells one.

    Args:
        app: what is protected.
        token: the token.
        brake: counts wrong tokens.
        clock: the time.
    """

    def __init__(self, app: ASGIApp, *, token: AdminToken, brake: GuessBrake, clock: Clock) -> None:
        self._app = app
        self._token = token
        self._brake = brake
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one ASGI connection; everything but HTTP and lifespan is closed to all."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def protected_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _PROTECTION.items():
                    headers[name] = value
                asset = scope["path"].startswith(_OPEN_PREFIX)
                headers.setdefault("cache-control", "no-cache" if asset else "no-store")
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, protected_send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _SAFE_METHODS and not _same_origin(headers):
            return problem_answer(
                403, "cross-origin", "Refused", "The request comes from another site."
            )
        locked_s = self._authorise(scope, headers)
        path: str = scope["path"]
        if scope[AUTHORISED] or path in _OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return None
        if locked_s:
            return problem_answer(
                429,
                "locked-out",
                "Too many wrong tokens",
                f"Wait {locked_s} s before you try again.",
                {"retry-after": str(locked_s)},
            )
        if scope["method"] in _SAFE_METHODS and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?next={_way_back(scope)}", status_code=303)
        return problem_answer(
            401,
            "unauthorised",
            "The admin token is needed",
            "Send it as 'Authorization: Bearer <token>', or log in at /login.",
            {"www-authenticate": 'Bearer realm="lukhas admin"'},
        )

    def _authorise(self, scope: Scope, headers: Headers) -> int:
        """Notes in the scope whether the caller is authorised; gives the seconds of a lock-out."""
        now_ns = self._clock.now_ns()
        session = _session_cookie(headers)
        if session is not None and self._token.accepts_session(session, now_ns):
            scope[AUTHORISED] = True
            return 0
        scope[AUTHORISED] = False
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return 0
        address = address_of(scope)
        locked_s = self._brake.locked_for_s(address, now_ns)
        if locked_s:
            return locked_s
        if self._token.matches(presented.strip()):
            scope[AUTHORISED] = True
        else:
            self._brake.wrong(address, now_ns)
        return 0


def problem_answer(
    status: int,
    slug: str,
    title: str,
    detail: str = "",
    headers: dict[str, str] | None = None,
    *,
    extensions: tuple[tuple[str, JsonValue], ...] = (),
) -> Response:
    """A problem (RFC 9457) as the answer of the admin plane."""
    problem = Problem(
        type=PROBLEM_TYPE_PREFIX + slug,
        title=title,
        status=status,
        detail=detail,
        extensions=extensions,
    )
    return Response(problem.to_json(), status, headers, media_type=PROBLEM_JSON.decode())


def address_of(scope: Scope) -> str:
    """The address of the other end; empty if the server does not tell it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _way_back(scope: Scope) -> str:
    """Path and query of the page that was asked for, as a parameter of the login page."""
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"] + (f"?{query}" if query else ""), safe="/")


def _session_cookie(headers: Headers) -> str | None:
    # Not http.cookies: one odd cookie of another app on this host would hide all others from it.
    return cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE)


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
