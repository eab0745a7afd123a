"""A description, ready to check messages by."""

import json
from collections.abc import Callable
from typing import Any

from lukhas.http.messages import RequestHead
from lukhas.policy.openapi.faults import MessageFault, Mismatch, Place, SchemaCheck
from lukhas.policy.openapi.operations import (
    Operation,
    base_path_of,
    is_json,
    media_for,
    operations_of,
)
from lukhas.policy.openapi.parameters import Parameter, Sent, candidates, query_pairs
from lukhas.policy.openapi.paths import Found, OperationPaths

__all__ = ("ApiDescription", "essence")

_MISSING = Mismatch("", "required", "a value")
_NOT_JSON = Mismatch("", "json", "valid JSON")


def essence(content_type: bytes | None) -> str:
    """The media type without its parameters, in lower case; empty if there is none."""
    return (content_type or b"").partition(b";")[0].strip().lower().decode("latin-1")


class ApiDescription:
    """The operations of a description, and the schemas of what they take and give.

    Args:
        document: the description.
        requests: makes the check of a request's schema, by its pointer.
        responses: makes that of a response's.
        base_path: what comes before each path; None for the path of the first server.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(
        self,
        document: Any,
        *,
        requests: Callable[[str], SchemaCheck],
        responses: Callable[[str], SchemaCheck],
        base_path: str | None = None,
    ) -> None:
        operations = operations_of(document)
        base = base_path_of(document) if base_path is None else base_path.rstrip("/")
        self._paths = OperationPaths(operations, base_path=base)
        self._asked: dict[str, SchemaCheck] = {}
        self._answered: dict[str, SchemaCheck] = {}
        for operation in operations:
            pointers = [each.pointer for each in operation.parameters]
            pointers += [at for at in (operation.body or {}).values() if at is not None]
            for pointer in pointers:
                if pointer not in self._asked:
                    self._asked[pointer] = requests(pointer)
            for media in operation.responses.values():
                for at in media.values():
                    if at is not None and at not in self._answered:
                        self._answered[at] = responses(at)

    def find(self, path: bytes) -> Found | None:
        """Where a path leads."""
        return self._paths.find(path)

    def head_faults(
        self, found: Found, operation: Operation, head: RequestHead, *, most: int
    ) -> list[MessageFault]:
        """What is wrong with path, query, fields and cookies."""
        if not operation.parameters:
            return []
        sent = _sent(found, head)
        faults: list[MessageFault] = []
        for parameter in operation.parameters:
            if len(faults) >= most:
                break
            faults += [
                MessageFault(parameter.place, parameter.name, mismatch)
                for mismatch in self._mismatches(
                    parameter, sent[parameter.place], most=most - len(faults)
                )
            ]
        return faults

    def body_faults(self, pointer: str, value: object, *, most: int) -> list[MessageFault]:
        """What is wrong with the value of a request body."""
        check = self._asked[pointer]
        return [MessageFault(Place.BODY, "", mismatch) for mismatch in check(value, most=most)]

    def response_media(
        self, operation: Operation, status: int, content_type: bytes | None
    ) -> MessageFault | str | None:
        """Where the schema of a JSON response is; None if there is none, or what is wrong."""
        responses = operation.responses
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in responses:
                media = responses[key]
                break
        else:
            return MessageFault(
                Place.STATUS, "", Mismatch("", "responses", "a status that is described")
            )
        media_type = essence(content_type)
        if not media or not media_type:
            return None
        known, pointer = media_for(media, media_type)
        if not known:
            expected = ", ".join(sorted(media))
            return MessageFault(Place.HEADER, "content-type", Mismatch("", "content", expected))
        return pointer if is_json(media_type) else None

    def response_faults(self, pointer: str, value: object, *, most: int) -> list[MessageFault]:
        """What is wrong with the value of a response body."""
        check = self._answered[pointer]
        return [MessageFault(Place.BODY, "", mismatch) for mismatch in check(value, most=most)]

    def _mismatches(self, parameter: Parameter, sent: Sent, *, most: int) -> list[Mismatch]:
        values = candidates(parameter, sent)
        if values is None:
            return [_MISSING] if parameter.required else []
        if isinstance(values, Mismatch):
            return [values]
        if parameter.is_json:
            try:
                values = [json.loads(str(values[-1]))]
            except (ValueError, RecursionError):
                return [_NOT_JSON]
        check = self._asked[parameter.pointer]
        mismatches = check(values[0], most=most)
        if mismatches and len(values) > 1 and not check(values[1], most=1):
            return []
        return mismatches


def _sent(found: Found, head: RequestHead) -> dict[Place, Sent]:
    fields: dict[str, list[str]] = {}
    for name, value in head.headers.raw:
        fields.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    cookies: dict[str, list[str]] = {}
    for line in fields.get("cookie", ()):
        for part in line.split(";"):
            cookie, mark, text = part.strip().partition("=")
            if mark:
                cookies.setdefault(cookie, []).append(text)
    return {
        Place.PATH: {name: [value] for name, value in found.params.items()},
        Place.QUERY: query_pairs(head.query),
        Place.HEADER: {name: [", ".join(values)] for name, values in fields.items()},
        Place.COOKIE: cookies,
    }
