"""What a request costs of its limits: one, or what it brings, takes or makes the API do."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from lukhas.errors import ConfigError
from lukhas.units import KIB

__all__ = ("Cost", "CostBasis", "parse_cost")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_MAX_WEIGHT = 1_000_000


class CostBasis(Enum):
    """What the cost is measured in."""

    REQUESTS = "requests"
    MESSAGES = "messages"
    """Messages that a client sends over a WebSocket; requests cost nothing."""
    REQUEST_BYTES = "request-bytes"
    REQUEST_HEADER = "request-header"
    RESPONSE_BYTES = "response-bytes"
    RESPONSE_HEADER = "response-header"
    CPU_MS = "cpu-ms"
    """Milliseconds of processor time that the API spent."""


_OF_RESPONSE = frozenset((CostBasis.RESPONSE_BYTES, CostBasis.RESPONSE_HEADER, CostBasis.CPU_MS))
_NAMED = frozenset((CostBasis.REQUEST_HEADER, CostBasis.RESPONSE_HEADER))


@dataclass(frozen=True, slots=True)
class Cost:
    """How a limit is charged.

    A cost that is known only from the response is charged as 1 at first, so that a limit that is
    used up refuses, and put right when the response has ended.

    Attributes:
        basis: what is measured.
        weight: what a request or a message costs.
        unit: how many bytes make a cost of 1, begun ones counted whole.
        name: of the field that brings the cost, in lower case.
    """

    basis: CostBasis = CostBasis.REQUESTS
    weight: int = 1
    unit: int = 1
    name: str = ""

    REQUEST: ClassVar["Cost"]

    @property
    def of_response(self) -> bool:
        """Whether it is known only from the response."""
        return self.basis in _OF_RESPONSE

    @property
    def unit_name(self) -> str:
        """What a cost of 1 stands for, in words."""
        match self.basis:
            case CostBasis.REQUESTS if self.weight == 1:
                return "requests"
            case CostBasis.MESSAGES:
                return "messages"
            case CostBasis.REQUEST_BYTES | CostBasis.RESPONSE_BYTES:
                return "KiB" if self.unit == KIB else "bytes"
            case CostBasis.CPU_MS:
                return "ms of processor time"
            case _:
                return "units"

    def of(self, amount: int) -> int:
        """The cost of so much; at least 1."""
        return max(1, -(-amount // self.unit))

    def __str__(self) -> str:
        if self.basis is CostBasis.REQUESTS:
            return str(self.weight)
        if self.name:
            return f"{self.basis.value}:{self.name}"
        word: str = self.basis.value
        return word.replace("bytes", "kib") if self.unit == KIB else word


Cost.REQUEST = Cost()


def parse_cost(text: str | int) -> Cost:
    """Reads a cost: `5`, `"response-kib"`, `"cpu-ms"`, `"response-header:x-cost"` and so on.

    Raises:
        ConfigError: it is none.
    """
    hint = "use a number, messages, cpu-ms, request-bytes, response-kib, or response-header:NAME"
    if isinstance(text, int) or (text.isascii() and text.isdigit()):
        weight = int(text)
        if not 1 <= weight <= _MAX_WEIGHT:
            raise ConfigError(f"a cost of {weight}", hint=f"a cost is 1 to {_MAX_WEIGHT}")
        return Cost(weight=weight)
    word, _, name = text.strip().lower().partition(":")
    unit = KIB if word.endswith("-kib") else 1
    try:
        basis = CostBasis(word.replace("-kib", "-bytes"))
    except ValueError:
        raise ConfigError(f"{text!r} is no cost", hint=hint) from None
    if (basis in _NAMED) != bool(name) or (name and not _NAME.fullmatch(name)):
        raise ConfigError(f"{text!r} is no cost", hint=hint)
    return Cost(basis, unit=unit, name=name)
