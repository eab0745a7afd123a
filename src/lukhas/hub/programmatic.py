"""The way in for code that is neither a gateway nor an ASGI app: ask before, report after."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from lukhas.config.settings import Settings
from lukhas.errors import HandlerError, LukhasError
from lukhas.http.messages import Response
from lukhas.hub.hub import Hub
from lukhas.hub.values import (
    HeaderSource,
    InvalidRequestError,
    decoded,
    request_head,
    response_of,
    tier_of,
)
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier

__all__ = ("OptimizationHub", "UnknownRequestError")

_MAX_PENDING = 10_000


class UnknownRequestError(LukhasError):
    """There is no such request to complete.

    Attributes:
        request_id: the id asked for.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(
            f"request {request_id!r} is not under way: it was never begun, was answered at once, "
            "was completed before, or was given up because too many were left open"
        )


class OptimizationHub(Hub):
    """A hub that is asked before a request is worked on, and told the response after.

    Between the two calls the request is parked inside the pipeline, just where a gateway would
    forward it; so limits, cache and records are the same as in the other ways in. Not bound to a
    thread: use it from one event loop.

    Args:
        settings: what to build.
        unavailable: features that were asked for and that this version does not have.
    """

    def __init__(self, settings: Settings, *, unavailable: tuple[str, ...] = ()) -> None:
        super().__init__(settings, unavailable=unavailable)
        self._handler = self.pipeline.around(_parked)
        self._pending: OrderedDict[str, tuple[driving.Run, Exchange]] = OrderedDict()

    async def process_api_request(
        self,
        *,
        endpoint: str,
        method: str,
        headers: HeaderSource = (),
        user_id: str | None = None,
        tier: str | Tier = Tier.FREE,
        client_address: str = "127.0.0.1",
    ) -> tuple[bool, dict[str, Any]]:
        """Asks whether a request may be worked on, and whether its response is known already.

        Args:
            endpoint: path and query, e.g. `"/api/v1/users?page=2"`.
            method: the HTTP method.
            headers: the request's header fields.
            user_id: who calls, as far as the caller has made sure; None for nobody known.
            tier: the tier of that user.
            client_address: where the request came from; counts where no user is known.

        Returns:
            Whether to go on, and the result: `request_id`, `cached`, `status`, `headers` and
            `verdicts`; with `cached` true, `response` holds the stored response and there is
            nothing left to do. If the request is refused, `problem` says why and `retry_after_s`
            for how long. Otherwise call `complete_api_request` with the id when it is done.

        Raises:
            InvalidRequestError: endpoint, method or a header is not valid in HTTP.
        """
        head = request_head(endpoint, method, headers)
        consumer = None
        if user_id is not None:
            consumer = Consumer(key=f"user:{user_id}", tier=tier_of(tier), name=user_id)
        exchange = self.intake.exchange(head, client_address, asserted=consumer)
        exchange.parks = True
        run = self._handler(exchange)
        step = await driving.complete(run)
        request_id = exchange.request_id.decode("ascii")
        if isinstance(step, Response):
            return _allowed(step), await _result(exchange, step)
        if request_id in self._pending:
            run.close()
            raise InvalidRequestError(f"a request with the id {request_id!r} is under way")
        if len(self._pending) >= _MAX_PENDING:
            _, (oldest, _exchange) = self._pending.popitem(last=False)
            oldest.close()
        self._pending[request_id] = (run, exchange)
        return True, await _result(exchange, None)

    async def complete_api_request(
        self,
        request_id: str,
        response_data: Any,
        status_code: int = 200,
        *,
        headers: HeaderSource = (),
    ) -> dict[str, Any]:
        """Reports the response of a request that was let through.

        Args:
            request_id: from the result of `process_api_request`.
            response_data: bytes, text, or what JSON can hold.
            status_code: the HTTP status.
            headers: the response's header fields; Cache-Control among them says whether it may be
                stored.

        Returns:
            The result as of `process_api_request`, with what is to be sent to the client.

        Raises:
            UnknownRequestError: no such request is under way.
            InvalidRequestError: the status or a header is not valid in HTTP.
        """
        response = response_of(response_data, status_code, headers)
        run, exchange = self._take(request_id)
        step = driving.resume(run, response)
        if isinstance(step, driving.Waiting):
            step = await driving.finish(run, step)
        return await self._ended(run, exchange, step)

    async def fail_api_request(self, request_id: str, error: Exception) -> dict[str, Any]:
        """Reports that a request that was let through failed; a stale response may stand in.

        Raises:
            UnknownRequestError: no such request is under way.
            Exception: the error itself, if nothing stands in for the response.
        """
        run, exchange = self._take(request_id)
        try:
            step = driving.fail(run, error)
            if isinstance(step, driving.Waiting):
                step = await driving.finish(run, step)
        except HandlerError as failed:
            raise failed.cause from None
        return await self._ended(run, exchange, step)

    async def close(self) -> None:
        """Gives up what is under way and closes the hub."""
        while self._pending:
            _, (run, _exchange) = self._pending.popitem()
            run.close()
        await super().close()

    def _take(self, request_id: str) -> tuple[driving.Run, Exchange]:
        pending = self._pending.pop(request_id, None)
        if pending is None:
            raise UnknownRequestError(request_id)
        return pending

    async def _ended(
        self,
        run: driving.Run,
        exchange: Exchange,
        step: Response | driving.Parked | driving.Waiting,
    ) -> dict[str, Any]:
        if isinstance(step, Response):
            return await _result(exchange, step)
        # A stage asked for the response a second time, say to revalidate: there is only one.
        run.close()
        return await _result(exchange, None)


async def _parked(_exchange: Exchange) -> Response:
    return await driving.park()


def _allowed(response: Response) -> bool:
    return response.status not in {401, 403, 413, 429, 503, 504}


async def _result(exchange: Exchange, response: Response | None) -> dict[str, Any]:
    fields = [*(response.headers.raw if response is not None else ()), *exchange.added]
    result: dict[str, Any] = {
        "request_id": exchange.request_id.decode("ascii"),
        "cached": exchange.cache_result in {"hit", "stale", "revalidated"},
        "cache": exchange.cache_result,
        "status": response.status if response is not None else None,
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields],
        "verdicts": [reasoned.verdict() for reasoned in exchange.verdicts],
    }
    if response is None:
        return result
    if isinstance(response.body, AsyncIterator):
        # A stored body that is not held in memory: who asks in this way gets it whole.
        response.body = b"".join([piece async for piece in response.body])
    if _allowed(response):
        result["response"] = decoded(response)
    else:
        result["problem"] = decoded(response)
        retry_after = response.headers.get(b"retry-after")
        result["retry_after_s"] = (
            int(retry_after) if retry_after is not None and retry_after.isdigit() else None
        )
    return result
