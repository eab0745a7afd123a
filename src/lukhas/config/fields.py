"""The types of settings: how a value is read, checked and shown."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from lukhas.config.addresses import Address, parse_address
from lukhas.config.sizes import parse_size
from lukhas.config.targets import parse_target
from lukhas.config.templates import template_shape
from lukhas.errors import ConfigError
from lukhas.policy.rate_limiting.costs import parse_cost
from lukhas.policy.rate_limiting.dimensions import parse_dimension
from lukhas.policy.rate_limiting.limit_syntax import parse_limits

__all__ = (
    "CONFIG_FAULT",
    "STORE_SCHEMES",
    "AddressField",
    "Allowance",
    "Cidr",
    "CostText",
    "CountedBy",
    "FieldName",
    "Host",
    "Method",
    "Name",
    "PathTemplate",
    "Seconds",
    "Section",
    "SizeBytes",
    "StateDir",
    "StoreUrl",
    "TimeZone",
    "UpstreamUrl",
    "checked",
    "checked_secret_store_url",
)

CONFIG_FAULT = "lukhas_config"
"""The pydantic error type of our own faults; its context holds `what` and `hint`."""

STORE_SCHEMES = frozenset(("redis", "rediss", "unix", "redis+cluster", "rediss+cluster"))
"""The schemes of URLs that name a store across the network."""
T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110 section 5.6.2
_HOST = re.compile(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")


class Section(BaseModel):
    """A part of the settings tree: cannot be changed, takes no unknown key."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


def checked(read: Callable[[str], T]) -> Callable[[object], object]:
    """Makes a reader of text into a validator; what is no text is left to the type.

    Args:
        read: gives the value; raises `ConfigError`.
    """

    def validate(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return read(value)
        except ConfigError as error:
            raise _fault(error) from None

    return validate


def _fault(error: ConfigError) -> PydanticCustomError:
    # A message template may not hold braces, so both texts travel in the context.
    context = {"what": error.what, "hint": error.hint}
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", context)


def _read_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        what = f"{value!r} is not an address"
        raise _fault(ConfigError(what, hint='write HOST:PORT in quotes, e.g. "127.0.0.1:8000"'))
    try:
        return parse_address(value)
    except ConfigError as error:
        raise _fault(error) from None


def _limits(text: str) -> str:
    parse_limits(text, policy="limit")
    return text


def _dimension(text: str) -> str:
    return str(parse_dimension(text))


def _cost(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return value
    try:
        return str(parse_cost(value))
    except ConfigError as error:
        raise _fault(error) from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = 'name it like "Europe/Berlin" or "UTC"'
        raise ConfigError(f"{name!r} is not a time zone", hint=hint) from None
    return name


def _store_url(text: str) -> str:
    if text in {"auto", "memory", "node"}:
        return text
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in STORE_SCHEMES or not rest:
        known = "auto, memory, node, or a URL such as redis://localhost:6379/0"
        raise ConfigError(f"{text.partition('@')[0]!r} is no store", hint=f"use {known}")
    return text


def checked_secret_store_url(secret: SecretStr) -> SecretStr:
    """A URL of a store across the network, which may hold a password."""
    scheme, separator, rest = secret.get_secret_value().partition("://")
    if not separator or scheme not in STORE_SCHEMES or not rest:
        raise _fault(
            ConfigError(
                "this is no URL of a Redis or Valkey", hint="write it like redis://localhost:6379/0"
            )
        )
    return secret


def _template(text: str) -> str:
    template_shape(text)
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        hint = "use a letter, then letters, digits, '_', '.' or '-', 64 at most"
        raise ConfigError(f"{text!r} is not a name", hint=hint)
    return text


def _method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ConfigError(f"{text!r} is not an HTTP method", hint='write it like "GET" or "POST"')
    return text.upper()


def _field_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ConfigError(f"{text!r} is not a header name", hint='write it like "X-API-Key"')
    return text.lower()


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        hint = 'write an address or a network, e.g. "10.0.0.0/8"'
        raise ConfigError(f"{text!r} is not a network", hint=hint) from None
    raise ConfigError(f"{text!r} has bits set outside its mask", hint=f'write "{network}"')


def _host(text: str) -> str:
    lowered = text.lower()
    if not _HOST.fullmatch(lowered):
        hint = 'name each host, with its port if requests name one, e.g. "api.example.com:8443"'
        raise ConfigError(f"{text!r} is not a host", hint=hint)
    return lowered


def _upstream_url(text: str) -> str:
    if "://" not in text and not text.startswith("unix:"):
        raise ConfigError(f"{text!r} is not a URL", hint='write it like "http://localhost:9000"')
    return parse_target(text).url


def _path_text(text: str) -> str:
    # To a path nothing is the working directory, which a variable that is not set never meant.
    if not text:
        raise ConfigError("the path is empty", hint='write the whole path, or "." if that is meant')
    return text


def _state_dir(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        what = f"{str(path)!r} names a home directory that is not known"
        raise _fault(ConfigError(what, hint="write the whole path")) from None


AddressField = Annotated[
    Address, BeforeValidator(_read_address), Field(json_schema_extra={"kind": "HOST:PORT"})
]
SizeBytes = Annotated[int, BeforeValidator(checked(parse_size)), Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Allowance = Annotated[str, AfterValidator(checked(_limits))]
CountedBy = Annotated[str, AfterValidator(checked(_dimension))]
CostText = Annotated[str, BeforeValidator(_cost)]
TimeZone = Annotated[str, AfterValidator(checked(_zone))]
StoreUrl = Annotated[str, AfterValidator(checked(_store_url))]
PathTemplate = Annotated[str, AfterValidator(checked(_template))]
Name = Annotated[str, AfterValidator(checked(_name))]
Method = Annotated[str, AfterValidator(checked(_method))]
FieldName = Annotated[str, AfterValidator(checked(_field_name))]
Cidr = Annotated[str, AfterValidator(checked(_cidr))]
Host = Annotated[str, AfterValidator(checked(_host))]
UpstreamUrl = Annotated[str, AfterValidator(checked(_upstream_url))]
StateDir = Annotated[Path, BeforeValidator(checked(_path_text)), AfterValidator(_state_dir)]
