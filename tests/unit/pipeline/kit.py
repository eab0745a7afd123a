"""Exchanges, stages and handlers to build pipelines of."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.pipeline import Pipeline
from lukhas.pipeline.stage import Handler
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.caching.policies import CachePolicy
from lukhas.policy.modes import FailureMode
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.routes import RouteMatch, RouteRule
from lukhas.units import DAY_NS

NOW_NS = 20_250 * DAY_NS


def exchange(method: str = "GET", path: bytes = b"/a", *, now_ns: int = NOW_NS) -> Exchange:
    head = RequestHead(method, "http", b"api.test", path, b"", Headers([]))
    return Exchange(head, "192.0.2.1", now_ns, b"id-1")


def known(
    consumer: Consumer | None = None, *, route: str = "default", exempt: bool = False
) -> Exchange:
    """An exchange whose route and consumer are found."""
    found = exchange()
    found.route = RouteMatch(RouteRule(route, "*", CachePolicy(), exempt=exempt))
    found.consumer = consumer or Consumer("key:a", Tier.FREE)
    return found


class Tap:
    """Passes a body on, and remembers being given up."""

    def __init__(self) -> None:
        self.aborted = 0

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        return chunk

    def abort(self) -> None:
        self.aborted += 1


class Held:
    """A response that holds something, and what became of it."""

    def __init__(self, status: int = 200) -> None:
        self.tap = Tap()
        self.closed = 0
        self.response = Response(
            status, Headers([]), b"body", taps=[self.tap], on_close=self._close
        )

    def _close(self) -> None:
        self.closed += 1

    @property
    def given_up(self) -> tuple[int, int]:
        return self.tap.aborted, self.closed


@dataclass
class Layer:
    """A stage that writes down when it is passed, and does something before or after."""

    name: str
    log: list[str] = field(default_factory=list)
    on_failure: FailureMode = FailureMode.CLOSED
    before: Callable[[], Response | None] | None = None
    after: Callable[[Response], Response] | None = None

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        self.log.append(f"{self.name} in")
        if self.before is not None:
            answer = self.before()
            if answer is not None:
                return answer
        response = await call_next(exchange)
        self.log.append(f"{self.name} out")
        return self.after(response) if self.after is not None else response


class Contained:
    """Is told which stages failed."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def __call__(self, name: str, error: Exception) -> None:
        self.found.append((name, str(error)))


def ran(pipeline: Pipeline, handler: Handler, one: Exchange) -> Response:
    """Drives a run that needs no waiting, without a loop."""
    run = pipeline.around(handler)(one)
    try:
        run.send(None)
    except StopIteration as stop:
        response: Response = stop.value
        return response
    raise AssertionError("the run waits")


def raising(error: BaseException) -> Callable[..., Response]:
    def fail(*_given: object) -> Response:
        raise error

    return fail
