"""A hub for tests of settings: requests in, answers with their reasons out; no server, no loop."""

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from lukhas.clock import Clock
from lukhas.config.settings import Settings
from lukhas.errors import NotAvailableError
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.hub.hub import Hub
from lukhas.hub.values import HeaderSource, request_head, tier_of
from lukhas.pipeline.driving import Parked, Run, Waiting, park, resume, start
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import close
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.modes import Mode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.testing.answers import Answer

__all__ = ("LimitedHub", "caller")

_CLIENT = "192.0.2.1"
_OK = Response(200, Headers([(b"content-length", b"0")]))

_Result = TypeVar("_Result")


def caller(
    name: str,
    *,
    tier: str | Tier = Tier.FREE,
    tenant: str = "",
    credential: str = "",
    claims: Mapping[str, str] | None = None,
) -> Consumer:
    """Somebody who calls, as if a key or a token had said so.

    Raises:
        InvalidRequestError: there is no such tier.
    """
    return Consumer(
        key=f"user:{name}",
        tier=tier_of(tier),
        name=name,
        tenant=tenant,
        credential_id=credential,
        claims=tuple((claims or {}).items()),
    )


class LimitedHub:
    """The whole pipeline of some settings, around an API that answers what a test says.

    Limits are counted in memory, whatever the settings say about the store, API keys are not read,
    and nothing is shed: a test depends on nothing that lies on the machine or happens on it.

    Args:
        settings: what to build.
        clock: the time.

    Raises:
        ConfigError: the settings contradict each other.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        alone = {
            "counters": settings.counters.model_copy(update={"store": "memory"}),
            "overload": settings.overload.model_copy(update={"mode": Mode.OFF}),
        }
        self._hub = Hub(settings.model_copy(update=alone), clock=clock)
        self._handler = self._hub.pipeline.around(_parked)
        if settings.identity.tokens:
            _at_once(self._hub.start(with_keys=False))

    def ask(
        self,
        path: str = "/",
        *,
        caller: Consumer | None = None,
        method: str = "GET",
        headers: HeaderSource = (),
        client: str = _CLIENT,
        response: Response = _OK,
    ) -> Answer:
        """One request, from its begin to its end.

        Args:
            path: path and query.
            caller: who asks; if None, whoever the headers or the address show.
            method: the method.
            headers: the fields of the request.
            client: the address it comes from.
            response: what the API answers, if it is asked.

        Raises:
            InvalidRequestError: path, method or a header is not valid in HTTP.
            NotAvailableError: the pipeline has to wait for something.
        """
        run, exchange = self._begin(path, caller, method, headers, client)
        return _ended(run, exchange, response)

    @contextmanager
    def in_flight(
        self,
        path: str = "/",
        *,
        caller: Consumer | None = None,
        method: str = "GET",
        headers: HeaderSource = (),
        client: str = _CLIENT,
        response: Response = _OK,
    ) -> Iterator[Answer | None]:
        """One request that the API works on for as long as the block lasts; see `ask`.

        Gives None while the API works on it; the answer, if it was answered before.
        """
        run, exchange = self._begin(path, caller, method, headers, client)
        step = start(run)
        if isinstance(step, Response):
            yield _answer(exchange, step)
            return
        try:
            yield None
        finally:
            _ended(run, exchange, response, step=step)

    def close(self) -> None:
        """Closes it."""
        _at_once(self._hub.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(
        self,
        path: str,
        asserted: Consumer | None,
        method: str,
        headers: HeaderSource,
        client: str,
    ) -> tuple[Run, Exchange]:
        head = request_head(path, method, headers)
        exchange = self._hub.intake.exchange(head, client, asserted=asserted)
        return self._handler(exchange), exchange


async def _parked(_exchange: Exchange) -> Response:
    return await park()


def _ended(
    run: Run,
    exchange: Exchange,
    response: Response,
    *,
    step: Response | Parked | Waiting | None = None,
) -> Answer:
    step = step or start(run)
    while isinstance(step, Parked):
        # A new one each time: stages hang their taps on it.
        step = resume(run, Response(response.status, response.headers, response.body))
    if isinstance(step, Waiting):
        run.close()
        raise _waits()
    return _answer(exchange, step)


def _answer(exchange: Exchange, response: Response) -> Answer:
    body = response.body if isinstance(response.body, bytes) else b""
    for tap in response.taps or ():
        body = tap.feed(body, last=True)
    close(response)
    fields = Headers([*response.headers.raw, *exchange.added])
    verdicts = tuple([reasoned.verdict() for reasoned in exchange.verdicts])
    return Answer(response.status, fields, body, exchange.limit, verdicts)


def _at_once(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: _Result = stop.value
        return result
    coroutine.close()
    raise _waits()


def _waits() -> NotAvailableError:
    return NotAvailableError(
        "a pipeline that waits", hint="the hub of the test kit answers from memory alone"
    )
