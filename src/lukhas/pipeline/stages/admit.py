"""The admit stage: no more work for an upstream than it can do, and fair shares of that."""

from dataclasses import dataclass, field, replace
from zlib import crc32

from lukhas.clock import Clock
from lukhas.errors import HandlerError, UpstreamError
from lukhas.http.messages import Pushed, Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Handler
from lukhas.pipeline.stages.admit_door import Door
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.overload.gate import Gate
from lukhas.policy.overload.gradient import GradientSettings
from lukhas.policy.overload.shedding import Access, TierShare
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.policy.routing.splitting import DEFAULT_UPSTREAM
from lukhas.policy.verdicts import Outcome, Verdict
from lukhas.telemetry.recorder import Recorder
from lukhas.units import MILLISECOND_NS

__all__ = ("REDUCED_CAPACITY", "AdmitSettings", "AdmitStage")

REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
"""The problem type of a request refused because of overload.

Source: draft-ietf-httpapi-ratelimit-headers.
"""

_POLICY = "overload"
_RETRY_SPREAD_S = 5
# Answers by which an upstream says that it has too much to do, or gives up.
_OVERLOADED = frozenset((503, 504))
# Members of an enum are looked up in Python code (3.11), and this is on the way of every request.
_OWN_SLOT = Access.OWN
_LENT_SLOT = Access.LENT
_FREE = Tier.FREE
_OWN = Verdict("admit", Outcome.PASSED, Access.OWN.value, _POLICY)
_LENT = Verdict("admit", Outcome.PASSED, Access.LENT.value, _POLICY)
_FREED = Verdict("admit", Outcome.PASSED, "a slot became free", _POLICY)
_EXEMPT = Verdict("admit", Outcome.SKIPPED, "the route is exempt from limits")


@dataclass(frozen=True, slots=True)
class AdmitSettings:
    """How an upstream is protected.

    Attributes:
        shares: what each tier is due; every tier once.
        gradient: how the limit is found.
        mode: `shadow` decides and records, and lets everybody pass. `off` is for whoever builds
            the pipeline: to leave the stage out.
        queue_s: longest time that a request waits for a slot; 0 to refuse it at once.
        queue_length: how many requests of one tier may wait.
    """

    shares: tuple[TierShare, ...]
    gradient: GradientSettings = field(default_factory=GradientSettings)
    mode: Mode = Mode.ENFORCE
    queue_s: float = 0.0
    queue_length: int = 100


class AdmitStage:
    """Lets so many requests pass at once as the upstream can do, and refuses the others with 503.

    Each upstream has slots of its own. The innermost stage: what is answered or refused before
    takes no slot. A slot is held until a body that is there as a whole is handed on, or a stream
    ends. A stream of events (`text/event-stream`) and what a wrapped app pushes with a known length
    give it back with their head: the one may never end, the other is made. Time is measured to the
    response head; neither events nor answers above 499 tell how fast the upstream is. Requests to
    exempt routes pass by.

    Args:
        settings: how the upstream is protected.
        clock: tells how long answers take.
        recorder: counts what is refused.
        upstream: the name of that of most requests.
    """

    name = "admit"
    on_failure = FailureMode.OPEN

    def __init__(
        self,
        settings: AdmitSettings,
        clock: Clock,
        recorder: Recorder,
        *,
        upstream: str = DEFAULT_UPSTREAM,
    ) -> None:
        self._settings = settings
        self._now_ns = clock.now_ns
        self._recorder = recorder
        self._numbers = {share.tier: index for index, share in enumerate(settings.shares)}
        self._doors = {upstream: self._made()}

    @property
    def doors(self) -> tuple[Door, ...]:
        """The doors of all upstreams."""
        return tuple(self._doors.values())

    def door(self, upstream: str) -> Door:
        """The door of an upstream."""
        door = self._doors.get(upstream)
        if door is None:
            door = self._doors[upstream] = self._made()
        return door

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Passes the exchange on with a slot, or refuses it."""
        route = exchange.route
        if route is not None and route.rule.exempt:
            exchange.verdicts.append(_EXEMPT)
            return await call_next(exchange)
        door = self.door(exchange.upstream_name)
        consumer = exchange.consumer
        index = self._numbers[_FREE if consumer is None else consumer.tier]
        began_ns = self._now_ns()
        if door.waiting:
            door.let_in()
        access = door.gate.enter(index, began_ns)
        if access is _OWN_SLOT or access is _LENT_SLOT:
            exchange.verdicts.append(_OWN if access is _OWN_SLOT else _LENT)
        elif self._settings.mode is Mode.SHADOW:
            # Without a slot, so that the next decisions are as if it had been refused.
            self._note(exchange, door, index, access)
            return await call_next(exchange)
        elif await self._waited(exchange, door, index):
            began_ns = self._now_ns()
        else:
            return self._refuse(exchange, door, index, access)
        try:
            response = await call_next(exchange)
        except BaseException as error:
            self._failed(door, index, error)
            raise
        if response.body.__class__ is bytes and response.status < 500:
            door.gate.done(index, began_ns, self._now_ns())
            if door.waiting:
                door.let_in()
        else:
            self._ended(door, index, began_ns, response)
        return response

    async def _waited(self, exchange: Exchange, door: Door, index: int) -> bool:
        if not door.may_wait(index):
            return False
        asked_ns = self._now_ns()
        found = await door.wait(index)
        if found:
            facts = (("waited_ms", (self._now_ns() - asked_ns) // MILLISECOND_NS),)
            exchange.verdicts.append(replace(_FREED, facts=facts))
        return found

    def _failed(self, door: Door, index: int, error: BaseException) -> None:
        # An upstream that does not take or answer requests; what else fails tells nothing of it.
        if isinstance(error, HandlerError) and isinstance(error.cause, UpstreamError):
            door.gate.dropped(self._now_ns())
        door.leave(index)

    def _ended(self, door: Door, index: int, began_ns: int, response: Response) -> None:
        is_stream = not isinstance(response.body, bytes)
        if is_stream and _is_events(response):
            door.leave(index)
            return
        status = response.status
        if status < 500:
            door.gate.answered(began_ns, self._now_ns())
        elif status in _OVERLOADED:
            door.gate.dropped(self._now_ns())
        if is_stream and not _is_made(response):
            _hold(door, index, response)
        else:
            door.leave(index)

    def _made(self) -> Door:
        settings = self._settings
        return Door(
            Gate(settings.gradient, settings.shares),
            queue_s=settings.queue_s,
            queue_length=settings.queue_length,
        )

    def _note(self, exchange: Exchange, door: Door, index: int, access: Access) -> None:
        standing = door.gate.standing
        share = standing.shares[index]
        mode = self._settings.mode
        exchange.verdicts.append(
            Verdict(
                self.name,
                Outcome.REFUSED,
                access.value,
                _POLICY,
                mode,
                (
                    ("limit", standing.limit),
                    ("in_flight", standing.total),
                    ("tier", share.tier.value),
                    ("tier_share_percent", share.percent),
                    ("tier_guaranteed", standing.guaranteed[index]),
                    ("tier_in_flight", standing.in_flight[index]),
                ),
            )
        )
        self._recorder.shed(share.tier.value, mode.value)

    def _refuse(self, exchange: Exchange, door: Door, index: int, access: Access) -> Response:
        self._note(exchange, door, index, access)
        exchange.shed = True
        standing = door.gate.standing
        tier = standing.shares[index].tier.value
        # From the id: without chance, and yet not all clients come back in the same second.
        retry_after_s = 1 + crc32(exchange.request_id) % _RETRY_SPREAD_S
        return refusal(
            exchange,
            status=503,
            slug=REDUCED_CAPACITY,
            title="Request cannot be satisfied due to temporary server capacity constraints",
            detail=(
                f"The API can do {standing.limit} requests at once for now and has "
                f"{standing.total}; {standing.in_flight[index]} are of tier {tier!r}, which is "
                f"guaranteed {standing.guaranteed[index]}. Try again in {retry_after_s} s."
            ),
            extensions=(
                ("violated-policies", [_POLICY]),
                ("policy", _POLICY),
                ("tier", tier),
                ("limit", standing.limit),
                ("in_flight", standing.total),
                ("tier_guaranteed", standing.guaranteed[index]),
                ("tier_in_flight", standing.in_flight[index]),
                ("retry_after_s", retry_after_s),
            ),
            headers=[(b"retry-after", b"%d" % retry_after_s)],
        )


def _is_events(response: Response) -> bool:
    content_type = response.headers.get(b"content-type")
    return content_type is not None and content_type.lower().startswith(b"text/event-stream")


def _is_made(response: Response) -> bool:
    return isinstance(response.body, Pushed) and b"content-length" in response.headers.index()


def _hold(door: Door, index: int, response: Response) -> None:
    """Gives the slot back when the stream ends, in whatever way."""
    closing = response.on_close

    def close() -> None:
        try:
            door.leave(index)
        finally:
            if closing is not None:
                closing()

    response.on_close = close
