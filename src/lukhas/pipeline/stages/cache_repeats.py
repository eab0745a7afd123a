"""Noting the answers that only lack a lifetime, for a prediction of what caching them would do."""

from lukhas.http.headers import Headers
from lukhas.pipeline.exchange import Exchange
from lukhas.policy.caching.keys import has_credentials
from lukhas.telemetry.repeats import RepeatLog

__all__ = ("note_repeat",)


def note_repeat(log: RepeatLog, exchange: Exchange, status: int, headers: Headers) -> None:
    """Takes an answer down whose fields say nothing about caching, if it could be shared.

    That is one with status 200 to a GET without credentials and cookies, which sets no cookie.

    Args:
        log: where it is taken down.
        exchange: the request.
        status: the status of the answer.
        headers: its fields.
    """
    route = exchange.route
    head = exchange.head
    if status != 200 or route is None or head.method != "GET" or b"set-cookie" in headers.index():
        return
    asked = head.headers
    if b"cookie" in asked.index() or has_credentials(asked, exchange.consumer, route.rule.cache):
        return
    log.note(route.rule.template, (head.authority, head.path, head.query))
