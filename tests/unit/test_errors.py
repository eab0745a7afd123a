"""The exceptions of the product."""

import pytest

from lukhas import errors
from lukhas.errors import (
    ConfigError,
    HandlerError,
    LimitSyntaxError,
    LukhasError,
    NotAvailableError,
    PortInUseError,
    StateDirError,
    StoreError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)


def test_every_error_is_public_and_rooted() -> None:
    """Every exception class of the module is in `__all__` and derives from LukhasError."""
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(errors.__all__) == set(classes)
    assert all(issubclass(value, LukhasError) for value in classes.values())


@pytest.mark.parametrize(
    ("where", "hint", "line"),
    [
        ("", "", "port is 0"),
        ("a.toml:3", "", "a.toml:3: port is 0"),
        ("", "take 8000", "port is 0: take 8000"),
        ("a.toml:3", "take 8000", "a.toml:3: port is 0: take 8000"),
    ],
)
def test_config_error_says_where_what_and_hint(where: str, hint: str, line: str) -> None:
    """The message joins the parts that are there; each is an attribute too."""
    error = ConfigError("port is 0", where=where, hint=hint)
    assert str(error) == line
    assert (error.what, error.where, error.hint) == ("port is 0", where, hint)


def test_limit_syntax_error_is_a_config_error() -> None:
    """A limit that cannot be read is reported like any wrong setting."""
    assert issubclass(LimitSyntaxError, ConfigError)
    assert str(LimitSyntaxError("no unit", where="--limit")) == "--limit: no unit"


@pytest.mark.parametrize(
    ("hint", "line"),
    [
        ("", "SAML is not available"),
        ("install the extra", "SAML is not available: install the extra"),
    ],
)
def test_not_available_error_names_the_feature(hint: str, line: str) -> None:
    """The feature is named, and the hint follows if there is one."""
    error = NotAvailableError("SAML", hint)
    assert str(error) == line
    assert error.feature == "SAML"


def test_port_in_use_error_names_the_address() -> None:
    """The address and the reason are in the message."""
    error = PortInUseError("127.0.0.1:8000", "already in use")
    assert str(error) == "127.0.0.1:8000: already in use"
    assert error.address == "127.0.0.1:8000"


def test_handler_error_keeps_its_cause() -> None:
    """The handler's own exception comes out unchanged."""
    cause = KeyError("x")
    error = HandlerError(cause)
    assert error.cause is cause
    assert str(error) == "KeyError('x')"


@pytest.mark.parametrize(
    "kind", [UpstreamError, UpstreamConnectError, UpstreamTimeoutError, UpstreamProtocolError]
)
@pytest.mark.parametrize("sent", [True, False])
def test_upstream_error_has_its_facts(kind: type[UpstreamError], *, sent: bool) -> None:
    """Name, failure and whether bytes were sent are attributes; all kinds are UpstreamError."""
    error = kind("orders", "refused", sent=sent)
    assert isinstance(error, UpstreamError)
    assert str(error) == "upstream orders: refused"
    assert (error.upstream, error.what, error.sent) == ("orders", "refused", sent)


@pytest.mark.parametrize("kind", [StateDirError, StoreError])
def test_plain_errors_carry_their_message(kind: type[LukhasError]) -> None:
    """Errors without facts take a message."""
    assert str(kind("disk full")) == "disk full"
