"""The openapi-body stage: JSON bodies of requests, and in shadow those of responses."""

import asyncio
import logging
from typing import Any, cast

import msgspec

from lukhas.errors import BodyAbortedError, HandlerError
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.openapi_rules import OpenApiRules
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.replayed_body import beginning
from lukhas.pipeline.stage import BodyReader, Handler
from lukhas.pipeline.stages.openapi import told_faults
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.openapi.description import essence
from lukhas.policy.openapi.faults import MessageFault, Mismatch, Place
from lukhas.policy.openapi.operations import Operation, is_json, media_for
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("OpenApiBodyStage",)

_log = logging.getLogger("lukhas.openapi")

_NO_BODY = MessageFault(Place.BODY, "", Mismatch("", "required", "a body"))
_NOT_JSON = MessageFault(Place.BODY, "", Mismatch("", "json", "valid JSON"))
_ENCODED = MessageFault(
    Place.HEADER, "content-encoding", Mismatch("", "content", "no content coding")
)
_decode = msgspec.json.Decoder().decode
# By then the answer is on its way to the client.
_LATER_S = 0.005
_MOST_WAITING = 64
_MOST_LOGGED = 200


class OpenApiBodyStage(BodyReader):
    """Checks JSON bodies. It stands inside the cache, next to the handler.

    Args:
        rules: what to go by.
    """

    name = "openapi-body"

    def __init__(self, rules: OpenApiRules) -> None:
        self._rules = rules
        enforces = rules.requests is Mode.ENFORCE
        self.on_failure = FailureMode.CLOSED if enforces else FailureMode.OPEN
        self._seen = 0
        self._waiting = 0
        self._logged: set[tuple[str, ...]] = set()

    async def __call__(self, exchange: Exchange, call_next: Handler) -> Response:
        """Checks the body of the request, and later that of the response."""
        rules, head = self._rules, exchange.head
        found = rules.opened().find(head.path)
        operation = found.operation(head.method) if found is not None else None
        if operation is None:
            return await call_next(exchange)
        if rules.requests is not Mode.OFF and operation.body is not None:
            refused = await self._request(exchange, operation)
            if refused is not None:
                return refused
        response = await call_next(exchange)
        if rules.responses is Mode.SHADOW and head.method != "HEAD":
            self._look_at(operation, response)
        return response

    async def _request(self, exchange: Exchange, operation: Operation) -> Response | None:
        rules, fields = self._rules, exchange.head.headers.index()
        body = cast("Any", exchange.body)
        if body is None or body == b"":
            if not operation.body_required:
                return None
            return told_faults(exchange, rules, [_NO_BODY], stage=self.name)
        media_type = essence(fields.get(b"content-type"))
        known, pointer = media_for(operation.body or {}, media_type)
        if not known:
            expected = ", ".join(sorted(operation.body or ()))
            fault = MessageFault(Place.HEADER, "content-type", Mismatch("", "content", expected))
            return told_faults(exchange, rules, [fault], stage=self.name, is_media=True)
        if pointer is None or not is_json(media_type):
            return None
        if b"content-encoding" in fields:
            return told_faults(exchange, rules, [_ENCODED], stage=self.name, is_media=True)
        whole = await self._whole(exchange, fields.get(b"content-length"))
        if whole is None:
            return self._too_large(exchange)
        if not whole and not operation.body_required:
            return None
        faults = self._faults(pointer, whole)
        return told_faults(exchange, rules, faults, stage=self.name) if faults else None

    def _faults(self, pointer: str, body: bytes) -> list[MessageFault]:
        try:
            value = _decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8
            return [_NOT_JSON]
        return self._rules.opened().body_faults(pointer, value, most=self._rules.most_faults)

    async def _whole(self, exchange: Exchange, stated: bytes | None) -> bytes | None:
        """All of the body, which is then left on the exchange as bytes; None if it is too large."""
        most = self._rules.body_bytes
        body: Any = exchange.body
        if not isinstance(body, bytes):
            if stated is not None and stated.isdigit() and int(stated) > most:
                return None
            try:
                body = cast("Any", await beginning(body, most))
            except BodyAbortedError as error:
                raise HandlerError(error) from error  # The client's failure, not this stage's.
            exchange.body = body
        return body if isinstance(body, bytes) and len(body) <= most else None

    def _too_large(self, exchange: Exchange) -> Response | None:
        rules = self._rules
        refuses = rules.refuses_large and rules.requests is Mode.ENFORCE
        outcome = Outcome.REFUSED if refuses else Outcome.SKIPPED
        exchange.verdicts.append(
            Verdict(self.name, outcome, "body too large to validate", mode=rules.requests)
        )
        if not refuses:
            return None
        return refusal(
            exchange,
            status=413,
            slug="body-too-large",
            title="The request body is too large",
            detail=f"A JSON body here has at most {rules.body_bytes} bytes.",
        )

    # -- responses -------------------------------------------------------------------------------

    def _look_at(self, operation: Operation, response: Response) -> None:
        self._seen += 1
        if self._seen % self._rules.every or self._waiting >= _MOST_WAITING:
            return
        if response.status in {101, 206, 304} or b"content-encoding" in response.headers:
            return
        look = _Look(self, operation, response)
        body = response.body
        if isinstance(body, bytes):
            if len(body) <= self._rules.body_bytes:
                look.later(body)
            return
        response.taps = [*(response.taps or ()), look]

    def later(self, look: "_Look", body: bytes) -> None:
        """Has a response checked when it was sent."""
        self._waiting += 1
        asyncio.get_running_loop().call_later(_LATER_S, self._check, look, body)

    def _check(self, look: "_Look", body: bytes) -> None:
        self._waiting -= 1
        rules = self._rules
        rules.counts.responses += 1
        faults = self._response_faults(look, body)
        if not faults:
            return
        rules.counts.response_faults += 1
        operation, first = look.operation, faults[0]
        at = "/".join("*" if part.isdigit() else part for part in first.mismatch.pointer.split("/"))
        key = (operation.method, operation.template, str(look.status), at, first.mismatch.rule)
        if key not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(key)
            _log.warning(
                "a response does not fit the description: %s %s, status %d, %s %s: %s: expected %s",
                *key[:2],
                look.status,
                first.place.value,
                at,
                first.mismatch.rule,
                first.mismatch.expected,
            )

    def _response_faults(self, look: "_Look", body: bytes) -> list[MessageFault]:
        description = self._rules.opened()
        pointer = description.response_media(look.operation, look.status, look.content_type)
        if pointer is None:
            return []
        if isinstance(pointer, MessageFault):
            return [pointer]
        try:
            value = _decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8
            return [_NOT_JSON]
        return description.response_faults(pointer, value, most=1)

    @property
    def most_bytes(self) -> int:
        """How much of a response is held to look at it."""
        return self._rules.body_bytes


class _Look:
    """A body tap that keeps a copy of a response to look at it later."""

    __slots__ = ("_pieces", "_size", "_stage", "content_type", "operation", "status")

    def __init__(self, stage: OpenApiBodyStage, operation: Operation, response: Response) -> None:
        self._stage = stage
        self.operation = operation
        self.status = response.status
        self.content_type = response.headers.get(b"content-type")
        self._pieces: list[bytes] | None = []
        self._size = 0

    def feed(self, chunk: bytes, *, last: bool) -> bytes:
        """See `BodyTap`."""
        if self._pieces is not None:
            self._size += len(chunk)
            if self._size > self._stage.most_bytes:
                self._pieces = None
            else:
                self._pieces.append(chunk)
        if last and self._pieces is not None:
            self.later(b"".join(self._pieces))
        return chunk

    def abort(self) -> None:
        """See `BodyTap`."""
        self._pieces = None

    def later(self, body: bytes) -> None:
        """All of it is here."""
        self._stage.later(self, body)
