"""Validation by an OpenAPI description: its settings, its file and its stages."""

from pathlib import Path
from typing import Any

import msgspec

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError
from lukhas.pipeline.openapi_rules import OpenApiCounts, OpenApiRules
from lukhas.pipeline.schema_checks import schema_checks
from lukhas.pipeline.stage import Stage
from lukhas.pipeline.stages.openapi import OpenApiStage
from lukhas.pipeline.stages.openapi_body import OpenApiBodyStage
from lukhas.policy.modes import Mode
from lukhas.policy.openapi.description import ApiDescription
from lukhas.policy.openapi.references import check_references
from lukhas.policy.openapi.schemas import Direction, for_direction
from lukhas.telemetry.recorder import Recorder

__all__ = ("HubOpenApi", "read_description")

_MOST_BYTES = 32 * 1024 * 1024


class HubOpenApi:
    """The stages that validate; none where there is no description.

    Args:
        settings: all settings.
        recorder: shows what was counted.
    """

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        openapi = settings.openapi
        self._file = openapi.file
        self._base_path = openapi.base_path
        self.rules = OpenApiRules(
            requests=openapi.requests,
            responses=Mode(openapi.responses),
            refuses_unknown=openapi.unknown == "deny",
            status=openapi.status,
            body_bytes=openapi.body_bytes,
            refuses_large=openapi.large_bodies == "deny",
            most_faults=openapi.faults,
            every=max(1, round(1 / openapi.response_share)),
            description=None,
            counts=OpenApiCounts(),
        )
        if self._file is not None:
            counts = self.rules.counts
            recorder.watch("openapi_request_faults", lambda: counts.request_faults)
            recorder.watch("openapi_responses_checked", lambda: counts.responses)
            recorder.watch("openapi_response_faults", lambda: counts.response_faults)

    def gates(self) -> tuple[Stage, ...]:
        """The stage that stands before the cache."""
        is_on = self._file is not None and self.rules.requests is not Mode.OFF
        return (OpenApiStage(self.rules),) if is_on else ()

    def body_stages(self) -> tuple[Stage, ...]:
        """The stage that stands next to the handler."""
        modes = {self.rules.requests, self.rules.responses}
        is_on = self._file is not None and modes != {Mode.OFF}
        return (OpenApiBodyStage(self.rules),) if is_on else ()

    def open(self) -> None:
        """Reads the description and compiles its schemas.

        Raises:
            ConfigError: it cannot be used.
            NotAvailableError: the extra `openapi` is not installed.
        """
        if self._file is not None and self.rules.description is None:
            self.rules.description = read_description(self._file, base_path=self._base_path)


def read_description(file: Path, *, base_path: str | None = None) -> ApiDescription:
    """Reads a description from a file, in JSON or YAML.

    Raises:
        ConfigError: it cannot be used; `where` names the file and the place in it.
        NotAvailableError: the extra `openapi` is not installed.
    """
    try:
        document = _document(file)
        check_references(document)
        return ApiDescription(
            document,
            requests=schema_checks(for_direction(document, Direction.REQUEST)),
            responses=schema_checks(for_direction(document, Direction.RESPONSE)),
            base_path=base_path,
        )
    except ConfigError as error:
        where = f"{file}#{error.where}" if error.where else str(file)
        raise ConfigError(error.what, where=where, hint=error.hint) from None
    except RecursionError:
        raise ConfigError("the description is too deeply nested", where=str(file)) from None


def _document(file: Path) -> dict[str, Any]:
    document = _parsed(file)
    if not isinstance(document, dict):
        raise ConfigError("this is no OpenAPI description", hint="it is a table of keys")
    return document


def _parsed(file: Path) -> Any:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the description cannot be read ({error.strerror})", hint="see openapi.file"
        ) from None
    if len(data) > _MOST_BYTES:
        raise ConfigError("the description is larger than 32 MiB", hint="make it smaller")
    if file.suffix.lower() == ".json":
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise ConfigError(f"not valid JSON ({error})") from None
    import yaml

    try:
        # Aliases are not expanded but shared, and keys may be numbers (such as 200).
        return _with_text_keys(yaml.load(data, Loader=_loader()), {})  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"not valid YAML ({reason})") from None


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Leaves dates as text, as JSON has them."""

    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _with_text_keys(node: Any, done: dict[int, Any]) -> Any:
    if id(node) in done:
        return done[id(node)]
    if isinstance(node, dict):
        copy: Any = {}
        done[id(node)] = copy
        copy.update({str(key): _with_text_keys(value, done) for key, value in node.items()})
        return copy
    if isinstance(node, list):
        return [_with_text_keys(each, done) for each in node]
    return node
