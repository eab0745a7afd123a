"""What servers refuse, in our words."""

import socket
import ssl

import pytest

from lukhas.errors import StoreReplyError, StoreUnavailableError
from lukhas.storage.redis_errors import connect_error, greeting_error, reply_error, unavailable


def test_a_reply_error_says_where_what_and_what_to_do() -> None:
    """And has them as facts."""
    error = reply_error("h:1", "OOM command not allowed when used memory > 'maxmemory'.")
    assert (error.store, error.code) == ("h:1", "OOM")
    assert str(error).startswith("h:1: OOM command not allowed")
    assert "raise maxmemory" in error.hint


def test_a_reply_error_without_a_known_code_has_no_hint() -> None:
    """Nothing is made up."""
    assert str(reply_error("h:1", "ERR syntax error")) == "h:1: ERR syntax error"


def test_a_reply_error_is_short_and_repeats_no_arguments() -> None:
    """Whatever the server says."""
    text = str(reply_error("h:1", "ERR unknown command 'X', with args beginning with: 's3cret'"))
    assert text == "h:1: ERR unknown command 'X'"
    assert len(str(reply_error("h:1", "ERR " + "x" * 5000))) < 400


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "x"), "cannot be connected (Connection refused)"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("odd"), "cannot be connected (odd)"),
        (UnicodeError("label too long"), "no host name"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS failed"),
    ],
)
def test_a_connection_that_cannot_be_made(cause: OSError | ValueError, words: str) -> None:
    """The reason is the system's, in one form on every loop."""
    error = connect_error("h:1", cause)
    assert words in str(error)
    assert error.hint


def test_other_refusals_of_the_greeting_are_told_as_they_are() -> None:
    """The code stays visible."""
    error = greeting_error("h:1", reply_error("h:1", "DENIED in protected mode"))
    assert "refused the connection: DENIED" in str(error)


def test_each_caller_gets_an_error_of_its_own() -> None:
    """With the same words."""
    first = StoreUnavailableError("h:1", "is down", hint="start it")
    second = unavailable("h:1", first)
    assert second is not first
    assert str(second) == str(first)
    assert unavailable("h:1", StoreReplyError("h:1", "X", "X y", hint="z")).reason == "X y"
    assert "not connected" in str(unavailable("h:1", None))
