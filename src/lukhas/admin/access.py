"""Who may use the admin plane: one token, sessions made from it, and a brake on guessing."""

import hashlib
import hmac
import ipaddress
import os
import secrets
import tempfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from lukhas.errors import ConfigError, StateDirError
from lukhas.units import MINUTE_NS, SECOND_NS

__all__ = (
    "MIN_TOKEN_LENGTH",
    "SESSION_S",
    "AdminToken",
    "GuessBrake",
    "load_token",
    "may_bind",
)

MIN_TOKEN_LENGTH = 16
"""Characters that a configured token must have at least."""

SESSION_S = 12 * 3600
"""How long a session lasts."""

_FILE_NAME = "admin.token"


@dataclass(frozen=True, slots=True)
class AdminToken:
    """The token of the admin plane.

    Attributes:
        value: the token itself; not part of the repr.
        source: where it came from, for a person: `"settings"` or the path of its file.
    """

    value: str = field(repr=False)
    source: str

    def matches(self, presented: str) -> bool:
        """Whether this is the token; takes the same time wherever the first difference is."""
        return hmac.compare_digest(_digest(presented), _digest(self.value))

    def new_session(self, now_ns: int, *, claim: str = "") -> str:
        """The value of a session cookie: its end and a signature that only this token can make.

        Args:
            now_ns: the time.
            claim: what the session also says, for `session_claim`.
        """
        payload = f"{now_ns // SECOND_NS + SESSION_S}.{secrets.token_urlsafe(12)}.{claim}"
        return f"{payload}.{self._signature(payload)}"

    def accepts_session(self, cookie: str, now_ns: int) -> bool:
        """Whether the cookie was made by `new_session` of the same token, and has not ended."""
        payload, _, signature = cookie.rpartition(".")
        expected = self._signature(payload).encode()
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            return False
        return int(payload.partition(".")[0]) > now_ns // SECOND_NS

    @staticmethod
    def session_claim(cookie: str) -> str:
        """What a session says that was accepted."""
        # Sessions of earlier versions make no claim.
        return ".".join(cookie.rpartition(".")[0].split(".", 2)[2:])

    def _signature(self, payload: str) -> str:
        key = hmac.digest(self.value.encode(), b"lukhas admin session", "sha256")
        return hmac.new(key, payload.encode("utf-8", "replace"), "sha256").hexdigest()


class GuessBrake:
    """Locks an address out for a minute once it has shown ten wrong tokens within a minute.

    It never delays an answer. Sessions that exist are not touched by a lock-out.
    """

    _MOST_WRONG = 10
    _MOST_ADDRESSES = 1024

    def __init__(self) -> None:
        # Number of wrong tokens and when counting began, by address.
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def locked_for_s(self, address: str, now_ns: int) -> int:
        """For how many more seconds the address is locked out; 0 if it is not."""
        number, since_ns = self._wrong.get(address, (0, 0))
        left_ns = since_ns + MINUTE_NS - now_ns
        if number < self._MOST_WRONG or left_ns <= 0:
            return 0
        return -(-left_ns // SECOND_NS)

    def wrong(self, address: str, now_ns: int) -> None:
        """Counts a wrong token; the one that reaches the bound starts the minute anew."""
        number, since_ns = self._wrong.get(address, (0, now_ns))
        if now_ns - since_ns >= MINUTE_NS:
            number, since_ns = 0, now_ns
        number += 1
        self._wrong[address] = (number, now_ns if number == self._MOST_WRONG else since_ns)
        self._wrong.move_to_end(address)
        if len(self._wrong) > self._MOST_ADDRESSES:
            self._wrong.popitem(last=False)


def load_token(configured: str | None, state_dir: Path) -> AdminToken:
    """The token from the settings, else that of `state_dir/admin.token`, made at first use.

    Args:
        configured: the token of the settings; None or empty if there is none.
        state_dir: an existing directory.

    Raises:
        ConfigError: the configured token is too short.
        StateDirError: the file cannot be read or made, or others may read it.
    """
    if configured:
        if len(configured) < MIN_TOKEN_LENGTH:
            raise ConfigError(
                f"the admin token has fewer than {MIN_TOKEN_LENGTH} characters",
                hint="use a longer one, or leave it out to have one made",
            )
        return AdminToken(configured, "settings")
    path = state_dir / _FILE_NAME
    try:
        return AdminToken(_file_token(path), str(path))
    except OSError as error:
        raise StateDirError(
            f"{path}: the admin token cannot be kept there: {error}; "
            "choose a state directory that this user may write to"
        ) from error


def may_bind(host: str, *, token_configured: bool) -> None:
    """Lets the admin plane listen on loopback always, elsewhere only with a configured token.

    Raises:
        ConfigError: it may not listen on `host`.
    """
    if token_configured or _is_loopback(host):
        return
    raise ConfigError(
        f"the admin plane would listen on {host or 'every address'}, which others can reach, "
        "without a configured token",
        where="admin.listen",
        hint="set admin.token, or listen on 127.0.0.1",
    )


def _file_token(path: Path) -> str:
    if path.exists():
        return _known_token(path)
    token = secrets.token_urlsafe(32)
    # Written first and then named, so that a process that is killed leaves no half of a token; and
    # of two that begin together, the second takes that of the first.
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(descriptor)
        os.link(made, path)
    except FileExistsError:
        return _known_token(path)
    finally:
        Path(made).unlink()
    return token


def _known_token(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise StateDirError(f"{path}: other users may read the admin token; run chmod 600 on it")
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < MIN_TOKEN_LENGTH:
        raise StateDirError(f"{path}: holds no usable token; delete it to have a new one made")
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    # Digests have one length, so a comparison does not tell that of the token.
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
