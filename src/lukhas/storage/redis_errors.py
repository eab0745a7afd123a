"""What a Redis server refuses, in the product's words."""

import os
import ssl

from lukhas.errors import StoreError, StoreReplyError, StoreUnavailableError

__all__ = ("UNWELL", "connect_error", "greeting_error", "reply_error", "unavailable")

# Answers that say that the server is not fit for work now, whatever is asked of it.
UNWELL = frozenset(("LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "MISCONF"))

_HINTS = {
    "BUSY": "a script runs too long on the server; SCRIPT KILL ends it",
    "CLUSTERDOWN": "a part of the cluster has no master; it comes back with the fail-over",
    "CROSSSLOT": "keys used together need the same part in braces",
    "LOADING": "the server still reads its data; wait",
    "MASTERDOWN": "the replica has lost its master; wait for the fail-over",
    "MISCONF": "the server cannot save its data; look at its log and its disk",
    "NOAUTH": "give the user and the password in the address",
    "NOPERM": "give the user the right to this command and these keys (ACL SETUSER)",
    "NOREPLICAS": "the server wants more replicas (min-replicas-to-write)",
    "NOSCRIPT": "the script could not be loaded; the user needs the right to SCRIPT LOAD",
    "OOM": "raise maxmemory, or choose a maxmemory-policy that evicts",
    "READONLY": "this is a replica; give the address of the master",
    "WRONGPASS": "check the user and the password",
}
_TEXT_LIMIT = 300


def reply_error(store: str, answer: str) -> StoreReplyError:
    """An error reply as an error; its words are kept, but not arguments that they repeat."""
    # "unknown command 'X', with args beginning with: ..." would repeat what only the caller and
    # the server should see, passwords included.
    answer = answer.partition(", with args")[0][:_TEXT_LIMIT]
    code = answer.partition(" ")[0]
    return StoreReplyError(store, code, answer, hint=_HINTS.get(code, ""))


def greeting_error(store: str, error: StoreReplyError) -> StoreUnavailableError:
    """An error reply to the greeting: the connection cannot be used."""
    if error.what.startswith("ERR unknown command"):
        return StoreUnavailableError(
            store, "the server does not know HELLO", hint="use RESP 2 (?protocol=2)"
        )
    if error.code == "ERR" and "without any password configured" in error.what:
        return StoreUnavailableError(
            store, "the server has no password set", hint="leave it out of the address"
        )
    if error.code == "ERR" and "DB index" in error.what:
        return StoreUnavailableError(
            store, "there is no such database", hint="choose a smaller number, usually 0 to 15"
        )
    return StoreUnavailableError(store, f"refused the connection: {error.what}", hint=error.hint)


def connect_error(store: str, error: OSError | ValueError) -> StoreUnavailableError:
    """A connection that could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreUnavailableError(
            store, f"its certificate is not trusted ({error.verify_message})",
            hint="name the authority that signed it, and connect by the name it was made for",
        )  # fmt: skip
    if isinstance(error, ssl.SSLError):
        return StoreUnavailableError(
            store, f"TLS failed ({error})", hint="use redis:// if it has no TLS"
        )
    if isinstance(error, ValueError):
        return StoreUnavailableError(store, "this is no host name", hint="check the address")
    # uvloop and asyncio word this differently; the kernel's own word is what helps. Negative
    # numbers are those of name look-ups.
    number = error.errno or 0
    what = os.strerror(number) if number > 0 else error.strerror or error
    return StoreUnavailableError(
        store, f"cannot be connected ({what})",
        hint="check that the server runs and that the address is right",
    )  # fmt: skip


def unavailable(store: str, error: StoreError | None) -> StoreUnavailableError:
    """A fresh error for each caller: one that is raised twice gathers the traces of both."""
    if isinstance(error, StoreUnavailableError):
        return StoreUnavailableError(store, error.reason, hint=error.hint)
    if isinstance(error, StoreReplyError):
        return StoreUnavailableError(store, error.what, hint=error.hint)
    return StoreUnavailableError(store, "not connected")
