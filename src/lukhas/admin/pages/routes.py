"""Where the pages are, and how a browser gets a session."""

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from lukhas.admin.access import SESSION_S, GuessBrake
from lukhas.admin.audit import address_of
from lukhas.admin.guard import SESSION_COOKIE
from lukhas.admin.operators import Operators
from lukhas.admin.pages.api_docs import api_docs_page
from lukhas.admin.pages.dashboard import DASHBOARD_PATHS, DEEP_PATHS, dashboard_page
from lukhas.admin.pages.login import login_page
from lukhas.admin.state import AdminState

__all__ = ("page_router",)

_MAX_FORM_BYTES = 8192


def page_router(state: AdminState, *, operators: Operators, brake: GuessBrake) -> APIRouter:
    """The pages, which are no part of the described API."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    async def dashboard() -> str:
        return dashboard_page()

    for path in (*DASHBOARD_PATHS, *(f"{path}/{{below:path}}" for path in DEEP_PATHS)):
        router.add_api_route(path, dashboard)

    @router.get("/docs")
    async def docs(request: Request) -> str:
        return api_docs_page(request.app.openapi(), version=state.version)

    @router.get("/login")
    async def login(request: Request) -> str:
        return login_page(target=_local(request.query_params.get("next", "/")))

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = parse_qs((await _form(request)).decode("utf-8", "replace"))
        target = _local(form.get("next", ["/"])[0])
        address = address_of(request.scope)
        now_ns = state.clock.now_ns()
        locked_s = brake.locked_for_s(address, now_ns)
        if locked_s:
            problem = f"Too many wrong tokens. Wait {locked_s} s, then try again."
            return HTMLResponse(login_page(target=target, problem=problem), 429)
        operator = operators.with_token(form.get("token", [""])[0].strip())
        if operator is None:
            brake.wrong(address, now_ns)
            problem = "This is not the admin token. Check it and try again."
            return HTMLResponse(login_page(target=target, problem=problem), 401)
        session = operators.new_session(operator, now_ns)
        return _admitted(target, session, secure=request.url.scheme == "https")

    @router.post("/logout")
    async def log_out() -> Response:
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return response

    return router


def _admitted(target: str, session: str, *, secure: bool) -> Response:
    response = RedirectResponse(target, status_code=303)
    response.set_cookie(
        SESSION_COOKIE,
        session,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=secure,
    )
    return response


async def _form(request: Request) -> bytes:
    """The body, as far as a login form can be long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return b""
    return body


def _local(target: str) -> str:
    """The path to go to after the login; never another site."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        return "/"
    return target if target.isprintable() else "/"
