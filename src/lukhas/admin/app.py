"""The admin app: health, metrics, the admin API and the pages."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from lukhas.admin.access import AdminToken, GuessBrake
from lukhas.admin.api import health_router, status_router
from lukhas.admin.audit import AuditTrail
from lukhas.admin.guard import AccessMiddleware
from lukhas.admin.operators import Operators
from lukhas.admin.pages.not_found import not_found_page
from lukhas.admin.pages.routes import page_router
from lukhas.admin.problems import problem_answer
from lukhas.admin.session_api import session_router
from lukhas.admin.state import AdminState
from lukhas.admin.upstreams_api import upstreams_router

__all__ = ("AdminLifespan", "create_admin_app")

AdminLifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_DESCRIPTION = (
    "Health, metrics and live figures of one node, and changes of what it does. Every operation "
    "but health needs the admin token, or that of an operator, as 'Authorization: Bearer'. Errors "
    "are problem+json (RFC 9457)."
)


def create_admin_app(
    state: AdminState,
    *,
    token: AdminToken,
    routers: Sequence[APIRouter] = (),
    lifespan: AdminLifespan | None = None,
    operators: Operators | None = None,
    trail: AuditTrail | None = None,
) -> FastAPI:
    """The admin app.

    Args:
        state: what it shows.
        token: what opens it.
        routers: further parts of the admin API, each with its own prefix; protected as the rest.
        lifespan: opens and closes what those routers need.
        operators: who may use it; None for nobody but who shows the token.
        trail: keeps what is changed; None to keep nothing.
    """
    app = FastAPI(
        title="LUKHAS admin API",
        version=state.version,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.admin = state
    brake = GuessBrake()
    known = operators or Operators(token)
    app.add_middleware(
        AccessMiddleware, operators=known, brake=brake, clock=state.clock, trail=trail
    )
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    # The server logs it too: it is raised again once it is answered.
    app.add_exception_handler(Exception, _failure_problem)
    app.include_router(health_router(state))
    bearer = HTTPBearer(auto_error=False, description="The admin token.")
    for router in (session_router(), status_router(state), upstreams_router(state), *routers):
        app.include_router(router, dependencies=[Security(bearer)])
    app.include_router(page_router(state, operators=known, brake=brake))
    app.mount("/assets", StaticFiles(packages=[("lukhas.admin", "assets")]), name="assets")
    return app


async def _http_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND and "text/html" in request.headers.get(
        "accept", ""
    ):
        return HTMLResponse(not_found_page(version=request.app.version), 404)
    phrase = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == phrase else str(error.detail)
    slug = phrase.lower().replace(" ", "-")
    return problem_answer(error.status_code, slug, phrase, detail, dict(error.headers or {}))


async def _failure_problem(_request: Request, _error: Exception) -> Response:
    return problem_answer(
        500,
        "admin-failed",
        "The admin plane failed",
        "This is a defect of it; its log says more. The gateway is not affected.",
    )


async def _validation_problem(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # Not the values themselves: they may be secrets.
    wrong = "; ".join(
        f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    )
    return problem_answer(422, "invalid-request", "The request is not valid", wrong)
