"""One request of a client connection, and the refusals that need no pipeline."""

from asyncio import Transport
from typing import Protocol

from lukhas.gateway.body_stream import RequestBody
from lukhas.gateway.framing import Fault, MalformedRequestError
from lukhas.http.headers import HeaderPairs
from lukhas.http.messages import Response
from lukhas.http.problem import Problem
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stage import Handler

__all__ = (
    "BODY_BROKEN",
    "HEAD_TOO_LARGE",
    "INTERNAL_ERROR",
    "FrontRequest",
    "Upgrading",
    "body_too_large",
    "check_expectation",
    "head_size",
    "problem_of",
)


class Upgrading(Protocol):
    """A request that may leave its connection to another protocol."""

    @property
    def handler(self) -> Handler:
        """The pipeline around it."""
        ...

    def take_over(self, client: Transport, response: Response) -> None:
        """Answers with the accepting response, and goes on with the connection."""
        ...


class FrontRequest:
    """From its head to the end of its response.

    Attributes:
        exchange: what the pipeline sees; None for what could not be read as a request.
        body: its body, if it has one.
        version: the client's HTTP version.
        keep_alive: whether the connection may go on after it.
        fault: why it is refused without, or in spite of, its exchange.
        begun: whether it has been handed on to the pipeline.
        method: the method; empty if there is no exchange.
        upgrading: the handshake that it is; None for other requests.
        plain: whether it is an HTTP/1.1 GET without a body on a connection that goes on.
    """

    __slots__ = (
        "begun",
        "body",
        "exchange",
        "fault",
        "keep_alive",
        "method",
        "plain",
        "upgrading",
        "version",
    )

    def __init__(
        self,
        exchange: Exchange | None,
        body: RequestBody | None,
        *,
        version: str,
        keep_alive: bool,
        fault: Fault | None = None,
    ) -> None:
        self.exchange = exchange
        self.body = body
        self.version = version
        self.keep_alive = keep_alive
        self.fault = fault
        self.begun = False
        self.upgrading: Upgrading | None = None
        self.method = method = exchange.head.method if exchange is not None else ""
        self.plain = keep_alive and body is None and method == "GET" and version == "1.1"


HEAD_TOO_LARGE = Fault(431, "header-too-large", "The request head is too large.")
INTERNAL_ERROR = Fault(500, "internal-error", "The gateway failed; its log says why.")
BODY_BROKEN = Fault(400, "body-incomplete", "The request body did not arrive whole.")


def body_too_large(limit: int) -> Fault:
    """The refusal of a body longer than `limit` bytes."""
    return Fault(413, "body-too-large", f"A request body here has at most {limit} bytes.")


def check_expectation(value: bytes) -> None:
    """Lets only `100-continue` pass (RFC 9110 section 10.1.1).

    Raises:
        MalformedRequestError: something else is expected.
    """
    if value.lower() != b"100-continue":
        raise MalformedRequestError(
            Fault(417, "expectation-failed", "The only expectation met here is 100-continue.")
        )


def head_size(raw: HeaderPairs) -> int:
    """The size of header fields as sent."""
    return sum(len(name) + len(value) + 4 for name, value in raw)


def problem_of(fault: Fault) -> Problem:
    """The fault as a problem (RFC 9457)."""
    return Problem(
        type=f"urn:lukhas:problem:{fault.slug}",
        title=fault.slug.replace("-", " ").capitalize(),
        status=fault.status,
        detail=fault.detail,
    )
