"""What a limit is counted by: the consumer, its address, a field, and combinations of these."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from lukhas.errors import ConfigError

__all__ = ("Dimension", "DimensionPart", "Fact", "parse_dimension")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


class Fact(Enum):
    """Something about a request that can be counted by."""

    CONSUMER = "consumer"
    CREDENTIAL = "credential"
    TENANT = "tenant"
    ADDRESS = "address"
    HEADER = "header"
    CLAIM = "claim"
    ROUTE = "route"
    UPSTREAM = "upstream"


_NAMED = frozenset((Fact.HEADER, Fact.CLAIM))


@dataclass(frozen=True, slots=True)
class DimensionPart:
    """One fact.

    Attributes:
        fact: which.
        name: of the field (in lower case) or of the claim; else empty.
    """

    fact: Fact
    name: str = ""

    def __str__(self) -> str:
        return f"{self.fact.value}:{self.name}" if self.name else self.fact.value


@dataclass(frozen=True, slots=True)
class Dimension:
    """One fact or several: requests that agree in all of them are counted together.

    A request that lacks a field, a claim, a tenant or a credential is counted by its consumer in
    its place.
    """

    parts: tuple[DimensionPart, ...]

    CONSUMER: ClassVar["Dimension"]
    ADDRESS: ClassVar["Dimension"]

    def __str__(self) -> str:
        return "+".join(str(part) for part in self.parts)


Dimension.CONSUMER = Dimension((DimensionPart(Fact.CONSUMER),))
Dimension.ADDRESS = Dimension((DimensionPart(Fact.ADDRESS),))


def parse_dimension(text: str) -> Dimension:
    """Reads a dimension: `"consumer"`, `"header:x-device"`, `"claim:org+route"`.

    Raises:
        ConfigError: it names something that cannot be counted by.
    """
    parts = tuple(_part(part.strip(), text) for part in text.split("+"))
    if len(set(parts)) != len(parts):
        raise ConfigError(f"{text!r} names something twice", hint="leave one of them out")
    return Dimension(parts)


def _part(word: str, text: str) -> DimensionPart:
    kind, _, name = word.partition(":")
    try:
        fact = Fact(kind.lower())
    except ValueError:
        known = ", ".join(fact.value for fact in Fact)
        what = f"{word!r} in {text!r} is nothing to count by"
        raise ConfigError(what, hint=f"use one of {known}, or several joined by +") from None
    if (fact in _NAMED) != bool(name) or (name and not _NAME.fullmatch(name)):
        hint = "write header:NAME and claim:NAME, and the others without a name"
        raise ConfigError(f"{word!r} in {text!r} cannot be read", hint=hint)
    return DimensionPart(fact, name.lower() if fact is Fact.HEADER else name)
