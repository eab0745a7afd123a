"""The short way through a pipeline: no coroutine as long as nothing has to wait.

Most requests to a wrapped app pass a few gates, find nothing in the cache, and get an answer that
nobody wants to change. For them an onion of coroutines that is parked around the app is only there
in case something comes up. Here it is made when something does: the *late* run takes over at the
point where the request is, and from then on everything is as if it had been there all the time.
"""

from collections.abc import Awaitable, Callable, Sequence

from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.driving import Run
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.known_ways import KnownStages, KnownWays
from lukhas.pipeline.passages import NewPassed
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Backstop, Gate, Handler, Stage
from lukhas.pipeline.stages.cache import CacheStage
from lukhas.pipeline.stages.cache_plain import UNSHARED, UNTOUCHED, Onward
from lukhas.pipeline.stages.identify import IdentifyStage
from lukhas.pipeline.stages.limit import LimitStage
from lukhas.pipeline.stages.observe import ObserveStage
from lukhas.pipeline.stages.route import RouteStage
from lukhas.policy.modes import FailureMode

__all__ = ("ShortWay",)

_Ask = Callable[[Exchange], Response | Onward | None]
_Enter = Callable[[Exchange], Response | Awaitable[Response | None] | None]


class ShortWay:
    """The way of requests through the stages of a pipeline, around a handler that parks.

    An observe stage, if it is the first, and the gates behind it are walked without a coroutine;
    so is a cache stage behind these. Backstops before and between them are not met by what the
    gates and the cache answer. What comes else is run as an onion.

    Args:
        pipeline: the stages.
        handler: what is inside; it parks where `enter` is used.
        new_passed: see `KnownWays`.

    Attributes:
        observe: the observe stage, if it is the first.
        cache: the cache stage, if it is the first behind the gates.
        known: takes requests that are like one before; None where the gates do more than it knows
            of.
        ended: takes the exchange, the status and the size of the body, when the response to a
            request that went on is out, or given up.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        handler: Handler,
        *,
        new_passed: NewPassed | None = None,
    ) -> None:
        stages = list(pipeline.stages)
        self._pipeline = pipeline
        self._handler = handler
        self.observe: ObserveStage | None = None
        if stages and isinstance(stages[0], ObserveStage):
            self.observe = stages[0]
            del stages[0]
        gates, rest = _divided(stages)
        self._stages = (*gates, *rest)
        self._divide(len(gates))
        self.known = self._known_ways(gates, new_passed)
        self.ended = _nothing if self.observe is None else self.observe.ended

    def _divide(self, gates: int) -> None:
        """Sets how many of the stages are walked; what is behind them is run."""
        stages = self._stages
        self._gates: list[tuple[Gate, _Enter]] = [
            (stage, stage.enter) for stage in stages[:gates] if isinstance(stage, Gate)
        ]
        rest = stages[gates:]
        backstops: list[Backstop] = []
        for stage in rest:
            if not isinstance(stage, Backstop):
                break
            backstops.append(stage)
        at = len(backstops)
        found = rest[at] if at < len(rest) else None
        self.cache = found if isinstance(found, CacheStage) else None
        self._ask: _Ask = _unknown if rest else _untouched
        self._is_direct = not rest
        self._long = self._onion(rest)
        # Around the handler, for a request that the cache has let pass.
        self._plain = self._onion((*rest[:at], *rest[at + 1 :]) if self.cache is not None else ())
        self._unshared = self._plain
        if self.cache is not None:
            self._ask = self.cache.plain.ask
            # A failure is met by the late run, and an answer by nobody but the cache.
            looks = any(backstop.sees_answers for backstop in backstops)
            self._is_direct = len(rest) == at + 1 and not looks
            self._unshared = self._onion((*rest[:at], _Unshared(self.cache), *rest[at + 1 :]))

    def _known_ways(self, gates: Sequence[Stage], new_passed: NewPassed | None) -> KnownWays | None:
        if len(gates) != 3:
            return None
        route, identify, limit = gates
        # Subclasses do more, so that only these very stages are known.
        if (
            type(route) is not RouteStage
            or type(identify) is not IdentifyStage
            or type(limit) is not LimitStage
            or limit.is_remote
        ):
            return None
        observe = self.observe if type(self.observe) is ObserveStage else None
        told = self._pipeline.on_contained
        stages = KnownStages(route, identify, limit, observe, self.cache, told)
        return KnownWays(stages, new_passed)

    def enter(self, exchange: Exchange) -> Response | Onward | Run:
        """Takes a request as far as it gets without waiting.

        Returns:
            The response, which was counted already; or how the request goes on to the handler, for
            `headed` and what follows it; or a run that was not started yet.
        """
        if not exchange.admitted:
            stopped = self._stopped(exchange)
            if stopped is not None:
                return stopped
        try:
            asked = self._ask(exchange)
        except Exception as error:  # noqa: BLE001 - a failing stage must not fail the request
            asked = self._without_cache(exchange, error)
        if asked is None:
            return self._long(exchange)
        if isinstance(asked, Response):
            if self.known is not None:
                self.known.learn_hit(exchange, asked)
            return self._answered(exchange, asked)
        if not self._is_direct:
            return self._run(exchange, asked)
        if self.observe is not None:
            self.observe.began()
        return asked

    def _stopped(self, exchange: Exchange) -> Response | Run | None:
        """What comes of a request that does not pass the gates."""
        for gate, enter in self._gates:
            try:
                answer = enter(exchange)
            except Exception as error:  # noqa: BLE001 - as above
                answer = self._pipeline.contain(exchange, gate, error)
            if answer is not None:
                if isinstance(answer, Response):
                    return self._answered(exchange, answer)
                return self._waiting(gate, answer)(exchange)
        if self.known is not None:
            self.known.learn(exchange)
        return None

    def take(self, exchange: Exchange) -> Response | Run:
        """As `enter`, where the handler does not park: what goes on to it is a run."""
        step = self.enter(exchange)
        return self.late(exchange, step) if isinstance(step, Onward) else step

    def headed(self, exchange: Exchange, onward: Onward, status: int, headers: Headers) -> bool:
        """The handler has a response head.

        Returns:
            Whether it goes out as it is, with `exchange.added`, and the body after it; then `ended`
            is to be called. If not, nothing has happened yet, and a `late` run takes over.
        """
        if onward is UNSHARED:
            cache = self.cache
            try:
                if cache is None or not cache.plain.is_left(exchange, status, headers):
                    return False
            except Exception:  # noqa: BLE001 - the late run meets it again, and contains it
                return False
        observe = self.observe
        if observe is not None:
            try:
                observe.headed(exchange, status)
            except Exception as error:  # noqa: BLE001 - as above
                self._pipeline.contain(exchange, observe, error)
        return True

    def late(self, exchange: Exchange, onward: Onward) -> Run:
        """A run that parks at the handler at once, and takes care of whatever comes of it."""
        if self.observe is not None:
            self.observe.handed_on()
        return self._run(exchange, onward)

    def _run(self, exchange: Exchange, onward: Onward) -> Run:
        handler = self._unshared if onward is UNSHARED else self._plain
        return handler(exchange)

    def _without_cache(self, exchange: Exchange, error: Exception) -> Response | Onward:
        if self.cache is None:  # pragma: no cover - what stands in for one raises nothing
            raise error
        return self._pipeline.contain(exchange, self.cache, error) or UNTOUCHED

    def _answered(self, exchange: Exchange, response: Response) -> Response:
        observe = self.observe
        if observe is not None:
            try:
                observe.answered(exchange, response)
            except Exception as error:  # noqa: BLE001 - as above
                self._pipeline.contain(exchange, observe, error)
        return response

    def _waiting(self, gate: Gate, asked: Awaitable[Response | None]) -> Handler:
        """What goes on behind a gate that has to wait.

        It will have to for other requests too, so from now on it is no longer walked.
        """
        self.known = None
        index = self._stages.index(gate)
        handler = self._onion((_Asked(gate, asked), *self._stages[index + 1 :]))
        self._divide(index)
        return handler

    def _onion(self, stages: Sequence[Stage]) -> Handler:
        outer: tuple[Stage, ...] = () if self.observe is None else (self.observe,)
        return self._pipeline.with_stages((*outer, *stages)).around(self._handler)


def _divided(stages: Sequence[Stage]) -> tuple[list[Stage], list[Stage]]:
    """The gates before the first stage of another kind, and the rest.

    Backstops before them come behind them: a gate asks no handler, so it cannot fail as one.
    """
    gates: list[Stage] = []
    backstops: list[Stage] = []
    for at, stage in enumerate(stages):
        if isinstance(stage, Gate):
            gates.append(stage)
        elif isinstance(stage, Backstop):
            backstops.append(stage)
        else:
            return gates, [*backstops, *stages[at:]]
    return gates, backstops


def _untouched(_exchange: Exchange) -> Response | Onward | None:
    return UNTOUCHED


def _unknown(_exchange: Exchange) -> Response | Onward | None:
    return None


def _nothing(_exchange: Exchange, _status: int, _body_bytes: int) -> None:
    pass


class _Asked(Gate):
    """A gate that was entered already, and waits."""

    def __init__(self, gate: Gate, asked: Awaitable[Response | None]) -> None:
        self.name = gate.name
        self.on_failure = gate.on_failure
        self._asked = asked

    def enter(self, _exchange: Exchange) -> Awaitable[Response | None]:
        """What the gate gave."""
        return self._asked


class _Unshared:
    """The cache stage, which let a request pass as an unshared one and looks at its answer."""

    def __init__(self, cache: CacheStage) -> None:
        self.name = cache.name
        self.on_failure: FailureMode = cache.on_failure
        self._cache = cache

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """See `CacheStage.unshared`."""
        return await self._cache.unshared(exchange, call_next)
