"""Whom a request is counted for, and what it costs."""

import hashlib
import re
from typing import assert_never

from lukhas.http.client_address import address_key
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.costs import Cost, CostBasis
from lukhas.policy.rate_limiting.decisions import LimitDecision
from lukhas.policy.rate_limiting.dimensions import Dimension, DimensionPart, Fact
from lukhas.policy.rate_limiting.limits import Kind
from lukhas.policy.rate_limiting.plans import LimitPlan
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import MILLISECOND_NS

__all__ = ("ExchangeFacts", "changes_of", "costs_of", "subjects_of")

_LONGEST_VALUE = 64
_MAX_COST = 1_000_000_000
# Server-Timing: cpu;dur=12.3 (W3C Server Timing).
_CPU = re.compile(
    rb"(?:^|,)[ \t]*cpu[ \t]*(?:;[^,]*?)?;[ \t]*dur=(\d{1,9}(?:\.\d{1,6})?)", re.IGNORECASE
)


class ExchangeFacts:
    """An exchange as a `LimitRequest`."""

    __slots__ = ("_consumer", "_exchange")

    def __init__(self, exchange: Exchange, consumer: Consumer) -> None:
        self._exchange = exchange
        self._consumer = consumer

    @property
    def method(self) -> str:
        """See `LimitRequest`."""
        return self._exchange.head.method

    @property
    def path(self) -> bytes:
        """See `LimitRequest`."""
        return self._exchange.head.path

    @property
    def query(self) -> bytes:
        """See `LimitRequest`."""
        return self._exchange.head.query

    @property
    def headers(self) -> Headers:
        """See `LimitRequest`."""
        return self._exchange.head.headers

    @property
    def client(self) -> str:
        """See `LimitRequest`."""
        return self._exchange.client

    @property
    def consumer(self) -> str:
        """See `LimitRequest`."""
        return self._consumer.name or self._consumer.key

    @property
    def tenant(self) -> str:
        """See `LimitRequest`."""
        return self._consumer.tenant

    @property
    def tier(self) -> Tier:
        """See `LimitRequest`."""
        return self._consumer.tier


def subjects_of(plan: LimitPlan, consumer: Consumer, exchange: Exchange) -> tuple[str, ...]:
    """For each group of the plan, whom the request is counted for."""
    return tuple([_subject(group.by, consumer, exchange) for group in plan.groups])


def costs_of(
    plan: LimitPlan, consumer: Consumer, exchange: Exchange, weight: int
) -> tuple[int, ...]:
    """What the request costs of each group.

    Args:
        plan: the limits.
        consumer: who calls.
        exchange: the request.
        weight: what a request costs on this route.
    """
    costs = []
    for group in plan.groups:
        if group.cost_for is not None:
            costs.append(_bounded(group.cost_for(ExchangeFacts(exchange, consumer))))
        else:
            costs.append(_request_cost(group.cost, exchange, weight))
    return tuple(costs)


def changes_of(
    decision: LimitDecision, exchange: Exchange, response: Response | None, body_bytes: int
) -> tuple[int, ...]:
    """What is to be added to the charge of each group, now that the response has ended.

    Args:
        decision: by which the request was let through.
        exchange: the request.
        response: None if there was none.
        body_bytes: how much of its body went out.
    """
    changes = []
    for index, group in enumerate(decision.plan.groups):
        charged = decision.charged(index)
        if not charged:
            changes.append(0)
        elif group.counting.kind is Kind.CONCURRENCY or _was_shed(exchange, response):
            # It leaves; or it got no answer because there was too much to do.
            changes.append(-charged)
        elif group.cost.of_response:
            changes.append(_response_cost(group.cost, exchange, response, body_bytes) - charged)
        else:
            changes.append(0)
    return tuple(changes)


def _was_shed(exchange: Exchange, response: Response | None) -> bool:
    # A stale answer in place of the refusal is an answer.
    return exchange.shed and response is not None and response.status >= 500


def _subject(by: Dimension, consumer: Consumer, exchange: Exchange) -> str:
    if by == Dimension.CONSUMER:
        return consumer.key
    parts = [_value(part, consumer, exchange) for part in by.parts]
    # No part can hold this character.
    return "\x1f".join(parts)


def _value(part: DimensionPart, consumer: Consumer, exchange: Exchange) -> str:
    match part.fact:
        case Fact.CONSUMER:
            return consumer.key
        case Fact.ADDRESS:
            return f"addr:{address_key(exchange.client)}"
        case Fact.CREDENTIAL:
            return _or_consumer("cred", consumer.credential_id, consumer)
        case Fact.TENANT:
            return _or_consumer("tenant", consumer.tenant, consumer)
        case Fact.HEADER:
            value = exchange.head.headers.joined(part.name.encode("ascii")) or b""
            return _or_consumer("header", value.decode("latin-1"), consumer)
        case Fact.CLAIM:
            return _or_consumer("claim", consumer.claim(part.name), consumer)
        case Fact.ROUTE:
            return f"route:{exchange.route.rule.name if exchange.route is not None else ''}"
        case Fact.UPSTREAM:
            return f"upstream:{exchange.upstream_name}"
        case _:
            assert_never(part.fact)


def _or_consumer(kind: str, value: str, consumer: Consumer) -> str:
    if not value:
        return consumer.key
    if len(value) > _LONGEST_VALUE or not value.isprintable():
        value = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{kind}:{value}"


def _request_cost(cost: Cost, exchange: Exchange, weight: int) -> int:
    match cost.basis:
        case CostBasis.REQUESTS:
            return cost.weight * weight
        case CostBasis.REQUEST_BYTES:
            return cost.of(min(_MAX_COST, _number(exchange.head.headers.get(b"content-length"))))
        case CostBasis.REQUEST_HEADER:
            return _bounded(_number(exchange.head.headers.get(cost.name.encode("ascii"))))
        case _:
            return cost.weight


def _response_cost(
    cost: Cost, exchange: Exchange, response: Response | None, body_bytes: int
) -> int:
    match cost.basis:
        case CostBasis.RESPONSE_BYTES:
            return cost.of(min(_MAX_COST, body_bytes))
        case CostBasis.RESPONSE_HEADER if response is not None:
            return _bounded(_number(response.headers.get(cost.name.encode("ascii"))))
        case CostBasis.CPU_MS:
            return _bounded(_cpu_ms(exchange, response))
        case _:
            return cost.weight


def _cpu_ms(exchange: Exchange, response: Response | None) -> int:
    """What was measured here or what the response says: the more, for neither sees everything."""
    measured_ms = -(-exchange.cpu_ns // MILLISECOND_NS)
    if response is not None:
        found = _CPU.search(response.headers.joined(b"server-timing") or b"")
        if found is not None:
            return max(measured_ms, int(-(-float(found[1]) // 1)))
    return measured_ms


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() and len(value) <= 18 else 0


def _bounded(cost: int) -> int:
    return min(_MAX_COST, max(1, cost))
