"""The front server's connection: requests through the pipeline, responses out, in order."""

import logging
from asyncio import CancelledError, Future, Protocol, Task, Transport
from collections import deque
from typing import Any, cast

from lukhas.errors import BodyAbortedError
from lukhas.gateway.body_stream import RequestBody
from lukhas.gateway.direct_call import Answer, DirectCall
from lukhas.gateway.framing import Fault
from lukhas.gateway.front_answers import FrontAnswers, abandon
from lukhas.gateway.front_request import BODY_BROKEN, FrontRequest, Upgrading, problem_of
from lukhas.gateway.front_state import FirstStep, FrontState, first_step, peer_address
from lukhas.gateway.lingering import LINGER_S, Lingering
from lukhas.gateway.request_parser import RequestParser
from lukhas.gateway.response_writer import ResponseWriter
from lukhas.gateway.serialisation import ready_response, repeated_response
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import RequestHead, Response
from lukhas.pipeline import driving
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.intake import Intake
from lukhas.pipeline.pipeline import close, discard
from lukhas.pipeline.refusals import problem_response

__all__ = ("FrontConnection",)

_log = logging.getLogger("lukhas.gateway")


class FrontConnection(Protocol):
    """One client connection, HTTP/1.1 with keep-alive and pipelining.

    Requests are answered in their order: while one is under way, those behind it wait in a queue
    and reading stops. A request that is decided from memory is answered inside `data_received`,
    with no task made for it.

    Args:
        state: what all connections share.
        peer: the client's address; empty for that of the transport.
        intake: makes its exchanges; None for the one that all share.
    """

    def __init__(self, state: FrontState, peer: str = "", intake: Intake | None = None) -> None:
        self._state = state
        self._intake = intake or state.intake
        self._transport = cast("Transport", None)
        self._writer = cast("ResponseWriter", None)
        self._answers = cast("FrontAnswers", None)
        self._parser = cast("RequestParser", None)
        self._peer = peer
        self._active: FrontRequest | None = None
        self._queue: deque[FrontRequest] = deque()
        self._task: Task[None] | None = None
        self._run: driving.Run | None = None
        self._read_pauses = 0
        self._closing = False
        self._broken = False
        self._head_timed = False
        self._lingering: Lingering | None = None
        self.deadline = 0.0

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        state = self._state
        self._transport = transport
        self._peer = self._peer or peer_address(transport)
        self._writer = ResponseWriter(state.loop, transport)
        self._answers = FrontAnswers(state, transport, self._writer)
        self._parser = RequestParser(state, self, self._peer, self._intake)
        self.deadline = state.now_s + state.limits.header_timeout_s
        state.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol; whatever is under way is cancelled, so upstream calls end too."""
        self._state.connections.discard(self)
        self._closing = True
        self._writer.lost()
        for request in (self._parser.incoming, self._active, *self._queue):
            if request is not None and request.body is not None:
                request.body.abort(BodyAbortedError("the client went away"))
        self._queue.clear()
        self._parser.close()
        if self._task is not None:
            self._task.cancel()
        if (run := self._run) is not None:
            self._run = self._active = None
            abandon(run)

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the client does not take its responses."""
        self._writer.pause()
        self.pause_reading()
        self.deadline = self._state.now_s + self._state.limits.write_timeout_s

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._writer.resume()
        self.resume_reading()
        self._next()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._closing or self._broken:
            if self._lingering is not None:
                self._lingering.take(len(data))
            return
        # As `_is_free`, without the call.
        is_free = self._active is None and not self._queue and not self._writer.paused
        if is_free and self._parser.at_rest:
            state = self._state
            head = state.known_heads.get(data)
            if head is not None:
                self._answer_known(head)
                return
            head = state.plain_heads.read(data)
            if head is not None:
                state.known_heads.remember(data, head)
                self._answer_read(self._intake.exchange(head, self._peer))
                return
        fault = self._parser.feed(data)
        if fault is not None:
            if self._is_last():
                self._broken = True  # Bytes behind a last request are nobody's, and no fault.
            else:
                self._refuse(fault)
        elif self._parser.in_head and self._active is None and not self._head_timed:
            self._head_timed = True
            self.deadline = self._state.now_s + self._state.limits.header_timeout_s

    def _is_last(self) -> bool:
        """Whether the last request that arrived ends the connection."""
        last = self._queue[-1] if self._queue else self._active
        ends = last is not None and not last.keep_alive and self._parser.incoming is None
        return ends or self._closing

    # -- requests (RequestSink) ------------------------------------------------------------------

    def arrived(self, request: FrontRequest) -> None:
        """See `RequestSink`."""
        if self._closing:
            return
        if request.body is not None and not (request.body.complete or self._writer.paused):
            self.deadline = self._state.now_s + self._state.limits.body_grace_s
        if self._is_free():
            self._begin(request)
        else:
            if not self._queue:
                self.pause_reading()
            self._queue.append(request)

    def _is_free(self) -> bool:
        """Whether a request that comes now is the next to be answered."""
        return self._active is None and not self._queue and not self._writer.paused

    def whole(self, request: FrontRequest) -> None:
        """See `RequestSink`."""
        if self._active is None and request not in self._queue:
            self._between_requests()

    def send_continue(self) -> None:
        """See `RequestSink`."""
        if not self._closing:
            self._state.outbox.flush()
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def relay_interim(self, status: int, fields: HeaderPairs) -> None:
        """See `AnswerTaker`."""
        request = self._active
        is_old = request is None or request.version != "1.1"
        if not (is_old or self._closing or self._writer.paused):
            self._answers.send_interim(status, fields)

    def pause_reading(self) -> None:
        """See `RequestSink`; pauses count, since several parties may ask for one."""
        self._read_pauses += 1
        if self._read_pauses == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `RequestSink`."""
        self._read_pauses = max(0, self._read_pauses - 1)
        if self._read_pauses == 0 and not self._transport.is_closing():
            self._transport.resume_reading()

    def _answer_known(self, head: RequestHead) -> None:
        """A request with a head that came before: its answer, or its way, may be known."""
        state = self._state
        known = state.known
        taken = None
        if known is not None and head.known_way is not None and not state.draining:
            taken = known.take(head, self._peer, self._intake)
        if isinstance(taken, tuple):
            state.requests += 1
            state.outbox.send(self._transport, repeated_response(taken))
            self._between_requests()
        else:
            if not isinstance(taken, Exchange):
                taken = self._intake.exchange(head, self._peer)
            self._answer_read(taken)

    def _answer_read(self, exchange: Exchange) -> None:
        """The short way: a whole plain request, and mostly an answer that is ready to be sent."""
        state = self._state
        state.requests += 1
        run: driving.Run | None = None
        try:
            taken = state.take(exchange)
            step: driving.Step
            if isinstance(taken, Response):
                step = taken
            elif type(taken) is DirectCall:
                # It waits for its upstream, with nothing made for the wait.
                self._active = state.plain_request
                self._run = taken
                taken.taker = self
                return
            else:
                run = taken
                step = driving.start(run)
        except Exception as error:  # noqa: BLE001 - see `FrontAnswers.unhandled`
            request = FrontRequest(exchange, None, version="1.1", keep_alive=True)
            step = self._answers.unhandled(request, error)
        else:
            if type(step) is Response and step.ready_head is not None:
                body = step.body
                if type(body) is bytes and step.taps is None and not state.draining:
                    ready = ready_response(step.ready_head, exchange.added, body)
                    state.outbox.send(self._transport, ready)
                    if step.on_close is not None:
                        close(step)
                    self._between_requests()
                    return
            request = FrontRequest(exchange, None, version="1.1", keep_alive=True)
        self._go_on(request, run, step)

    def _begin(self, request: FrontRequest) -> None:
        """Runs a request as far as it gets without waiting."""
        state = self._state
        exchange = request.exchange
        if exchange is None:
            self._answer_fault(request.fault or BODY_BROKEN)
            return
        state.requests += 1
        take = state.take
        if state.websockets is not None and b"upgrade" in exchange.head.headers.index():
            request.upgrading = state.websockets.begin(exchange, version=request.version)
            take = take if request.upgrading is None else request.upgrading.handler
        run: driving.Run | None = None
        step: FirstStep
        try:
            run, step = first_step(take, exchange)
        except Exception as error:  # noqa: BLE001 - see `FrontAnswers.unhandled`
            step = self._answers.unhandled(request, error)
        self._go_on(request, run, step)

    def _go_on(self, request: FrontRequest, run: driving.Run | None, step: FirstStep) -> None:
        """Sends the response of the first step, or lets the request wait."""
        self._active = request
        if type(step) is Response and type(step.body) is bytes:
            self._answers.send_whole(request, step, step.body, closing=self._closing)
            self._finished(request)
            return
        if type(step) is DirectCall:
            self._run = run
            step.taker = self
            return
        if request.exchange is not None and request.version == "1.1":
            request.exchange.relay_interim = self.relay_interim
        if type(step) is driving.Waiting and type(step.yielded) is driving.DirectFuture:
            # No task for the usual wait, that for the upstream's response.
            future = step.yielded
            future._asyncio_future_blocking = False  # As a task does that takes up a wait.
            self._run = run
            future.then(self.resume)
        else:
            self._task = self._state.loop.create_task(self._serve(request, run, step))

    def take_answer(self, exchange: Exchange, answer: Answer, body: bytes) -> None:
        """See `AnswerTaker`."""
        state = self._state
        self._run = None
        request: Any = self._active
        ready_head = answer.ready_head
        if ready_head is not None and request.plain and not state.draining:
            state.outbox.send(self._transport, ready_response(ready_head, exchange.added, body))
            self._active = None
            self._head_timed = False
            self.deadline = state.now_s + state.limits.keep_alive_s
        else:
            response = Response(answer.status, answer.headers, body, ready_head)
            self._go_on(state.own(request, exchange), None, response)
        if self._queue and self._active is None:
            self._next()

    def resume(self, _future: Future[Response] | None = None) -> None:
        """What the run waits for outside any task is there. See also `AnswerTaker`."""
        run, request = self._run, self._active
        if run is None or request is None:
            return
        self._run = None
        if type(run) is DirectCall:
            request = self._state.own(request, run.exchange)
        try:
            step = driving.start(run)
        except Exception as error:  # noqa: BLE001 - see `FrontAnswers.unhandled`
            step = self._answers.unhandled(request, error)
        self._go_on(request, run, step)
        if self._active is None:
            self._next()

    async def _serve(self, request: FrontRequest, run: driving.Run | None, step: FirstStep) -> None:
        """Carries on with a request that has to wait, or whose response is a stream."""
        response: Response | None = None
        try:
            response = await self._answers.awaited(request, run, step)
            if request.upgrading is not None and response.status == 101:
                self._hand_over(request.upgrading, response)
                return
            if isinstance(response.body, bytes):
                self._answers.send_whole(request, response, response.body, closing=self._closing)
            else:
                sent = self._answers.send_stream(request, response, closing=self._closing)
                if not await sent:
                    self._closing = True
        except CancelledError:
            if run is not None:
                run.close()
            self._give_up(response)
            return
        except Exception:  # noqa: BLE001 - nobody above could do more than drop the connection
            _log.exception("a response could not be sent")
            self._state.unhandled += 1
            self._give_up(response)
            return
        self._task = None
        self._finished(request)
        self._next()

    def _hand_over(self, upgrading: Upgrading, response: Response) -> None:
        """Leaves the connection to another protocol; a client that did not wait for it is lost."""
        if self._queue or self._broken or self._parser.in_head or self._transport.is_closing():
            self._give_up(response)
            return
        self._state.connections.discard(self)
        self._task = self._active = None
        self._state.outbox.flush()
        self._parser.close()
        upgrading.take_over(self._transport, response)

    def _give_up(self, response: Response | None) -> None:
        if response is not None:
            discard(response)
        self._task = self._active = None
        self.abort()

    # -- what comes after a response --------------------------------------------------------------

    def _finished(self, request: FrontRequest) -> None:
        """The response is on its way; the connection turns to what comes next."""
        self._active = None
        body = request.body
        if not request.keep_alive:
            self._close(unread=self._broken or (body is not None and not body.complete))
        elif body is not None and not body.complete:
            body.discard()
        else:
            self._between_requests()

    def _between_requests(self) -> None:
        self._head_timed = False
        self.deadline = self._state.now_s + self._state.limits.keep_alive_s

    def _next(self) -> None:
        """Begins the requests that wait behind the one just answered."""
        while self._queue and self._active is None and not (self._closing or self._writer.paused):
            request = self._queue.popleft()
            if not self._queue:
                self.resume_reading()
            self._begin(request)

    def _refuse(self, fault: Fault) -> None:
        """Answers what is no request, after everything before it, and ends the connection."""
        self._broken = True
        self._state.malformed += 1
        incoming, self._parser.incoming = self._parser.incoming, None
        if incoming is not None and incoming.body is not None:
            if incoming.body.discarded:
                self._close(unread=True)  # It has its answer; a second one would be another's.
                return
            incoming.fault = fault
            incoming.keep_alive = False
            incoming.body.abort(BodyAbortedError(fault.detail))
            if incoming is self._active or incoming in self._queue:
                return  # Its own exchange is under way, and answers.
        self.arrived(FrontRequest(None, None, version="1.1", keep_alive=False, fault=fault))

    def _answer_fault(self, fault: Fault) -> None:
        request = FrontRequest(None, None, version="1.1", keep_alive=False)
        answer = problem_response(problem_of(fault))
        self._answers.send_whole(request, answer, cast("bytes", answer.body), closing=True)
        self._close(unread=True)

    def _close(self, *, unread: bool) -> None:
        self._closing = True
        self._state.outbox.flush()
        if unread and self._transport.can_write_eof() and not self._transport.is_closing():
            if self._read_pauses:
                self._read_pauses = 0
                self._transport.resume_reading()
            self._lingering = Lingering(self._transport)
            self.deadline = self._state.now_s + LINGER_S
        else:
            self.deadline = self._state.now_s + self._state.limits.write_timeout_s
            self._transport.close()

    def check_deadline(self, now_s: float) -> None:
        """See `Connection`."""
        incoming = self._parser.incoming
        if self._closing or self._writer.paused:
            self._transport.abort()
        elif incoming is not None and incoming.body is not None:
            self._check_rate(incoming.body, now_s)
        elif self._active is not None:
            return
        elif self._parser.in_head:
            self._refuse(Fault(408, "head-timeout", "The request head did not come in time."))
        else:
            self._close(unread=False)

    def _check_rate(self, body: RequestBody, now_s: float) -> None:
        self.deadline = now_s + 1.0
        came = body.since_last_look()
        # The first look only notes how far it is; nobody is blamed while we are the slow ones.
        if came is None or self._read_pauses or body.client_waits:
            return
        if came < self._state.limits.body_min_rate_bytes:
            self._refuse(Fault(408, "body-timeout", "The request body comes too slowly."))

    def end_if_idle(self) -> None:
        """See `Connection`."""
        busy = self._active is not None or self._queue or self._parser.in_head
        if not (busy or self._closing or self._parser.incoming is not None):
            self._close(unread=False)

    def abort(self) -> None:
        """See `Connection`."""
        self._closing = True
        self._transport.abort()
