"""Makes the entry of a request for the access log."""

from collections.abc import Callable

from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.stages.observe import Report
from lukhas.pipeline.tracing import trace_of
from lukhas.telemetry.access_lines import AccessEntry

__all__ = ("access_report",)


def access_report(take: Callable[[AccessEntry], None], fields: tuple[str, ...]) -> Report:
    """What is told of requests, and hands entries on.

    Args:
        take: takes the entries; it must not block.
        fields: names of request fields whose values entries have, in lower case.
    """
    names = tuple(name.encode("ascii") for name in fields)

    def report(exchange: Exchange, status: int, body_bytes: int, took_ns: int) -> None:
        head = exchange.head
        route = exchange.route
        consumer = exchange.consumer
        trace = trace_of(exchange)
        # Where a field occurs several times, it is the first line that is shown.
        value_of = head.headers.index().get
        take(
            AccessEntry(
                exchange.now_ns,
                exchange.client,
                "" if consumer is None or consumer.is_anonymous else consumer.key,
                "" if consumer is None else consumer.tier.value,
                head.method,
                head.authority,
                head.path,
                head.query,
                getattr(exchange, "protocol", "HTTP/1.1"),
                status,
                body_bytes,
                took_ns,
                "" if route is None else route.rule.template,
                exchange.cache_result,
                exchange.upstream_name,
                exchange.request_id,
                b"" if trace is None else trace.trace_id,
                tuple([value_of(name) for name in names]),
            )
        )

    return report
