"""What every request to the admin plane passes: who asks, and what protects a browser."""

from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lukhas.admin.access import GuessBrake
from lukhas.admin.audit import AuditTrail, address_of, recorded
from lukhas.admin.operators import OPERATOR, Operator, Operators
from lukhas.admin.permissions import SAFE_METHODS, Deed, deed_of
from lukhas.admin.problems import problem_answer
from lukhas.clock import Clock
from lukhas.config.serving import ADMIN_SESSION_COOKIE
from lukhas.errors import LukhasError
from lukhas.policy.access.roles import may

__all__ = ("AUTHORISED", "SESSION_COOKIE", "AccessMiddleware", "address_of", "problem_answer")

SESSION_COOKIE = ADMIN_SESSION_COOKIE

AUTHORISED = "lukhas.authorised"
"""Key in the ASGI scope: whether the caller has shown the token or a session."""

_OPEN_PATHS = frozenset(("/health", "/health/live", "/health/ready", "/login"))
_OPEN_PREFIX = "/assets/"

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
    login page. A request that changes something must come from the same origin, if it tells one,
    and from somebody with the role for it; it is kept in the audit.

    Args:
        app: what is protected.
        operators: who may use it.
        brake: counts wrong tokens.
        clock: the time.
        trail: the audit; None for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        operators: Operators,
        brake: GuessBrake,
        clock: Clock,
        trail: AuditTrail | None = None,
    ) -> None:
        self._app = app
        self._operators = operators
        self._brake = brake
        self._clock = clock
        self._trail = trail

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
        if answer is not None:
            await answer(scope, receive, protected_send)
            return
        operator, deed = scope[OPERATOR], deed_of(scope["method"], scope["path"])
        if not isinstance(operator, Operator) or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, protected_send)
            return
        serve = self._app if may(operator.role, deed.role) else _too_low(operator, deed)
        if self._trail is None or not deed.changes:
            await serve(scope, receive, protected_send)
            return
        try:
            await self._trail.prepare()
        except LukhasError as error:
            await _no_audit(error)(scope, receive, protected_send)
            return
        await recorded(serve, self._trail, scope, receive, protected_send, deed=deed)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE_METHODS and not _same_origin(headers):
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
        if scope["method"] in SAFE_METHODS and "text/html" in headers.get("accept", ""):
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
        operator = None if session is None else self._operators.of_session(session, now_ns)
        scope[OPERATOR], scope[AUTHORISED] = operator, operator is not None
        if operator is not None:
            return 0
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return 0
        address = address_of(scope)
        locked_s = self._brake.locked_for_s(address, now_ns)
        if locked_s:
            return locked_s
        operator = self._operators.with_token(presented.strip())
        scope[OPERATOR], scope[AUTHORISED] = operator, operator is not None
        if operator is None:
            self._brake.wrong(address, now_ns)
        return 0


def _too_low(operator: Operator, deed: Deed) -> Response:
    return problem_answer(
        403,
        "role-too-low",
        "The role does not allow this",
        f"{operator.name} has the role {operator.role.value}; this needs {deed.role.value}.",
        extensions=(("role", operator.role.value), ("needed", deed.role.value)),
    )


def _no_audit(error: LukhasError) -> Response:
    detail = f"Nothing was changed: what is not recorded is not done. {error}"
    return problem_answer(503, "audit-unavailable", "The audit cannot be written", detail)


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
