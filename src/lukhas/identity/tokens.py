"""From a presented token (JWT) to its consumer: verified once, then remembered for a while."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lukhas.errors import ConfigError, StoreError
from lukhas.identity.recent import RecentMap
from lukhas.policy.access.compact_tokens import read_header, read_token
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.access.tokens import (
    MAX_TOKEN_BYTES,
    TokenIssuer,
    TokenRejection,
    token_consumer,
    token_until_ns,
)
from lukhas.units import SECOND_NS

if TYPE_CHECKING:
    from lukhas.identity.token_keys import VerificationKey

__all__ = ("TokenVerifier", "TrustedIssuer")

LOOK_INTERVAL_NS = SECOND_NS
MAX_REMEMBERED_NS = 60 * SECOND_NS

_log = logging.getLogger("lukhas.identity")
_FileState = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer, and where the keys of its tokens come from.

    Attributes:
        terms: how its tokens are read.
        key_file: a JWKS or PEM file; None if there is none.
        secret: what HS256 is keyed with; empty if that is not used. Secret: not in the repr.
    """

    terms: TokenIssuer
    key_file: Path | None = None
    secret: str = ""

    def __repr__(self) -> str:
        return f"TrustedIssuer({self.terms.issuer!r})"


class TokenVerifier:
    """Knows which presented tokens were verified.

    A token is remembered for 60 s at most and never beyond its end, by a hash of it, so that
    neither tokens nor much memory are kept. Key files are looked at once a second at most; when
    one changes, everything is forgotten. A file that cannot be used any more leaves the keys
    before in force, which `failure` tells.

    Args:
        issuers: whom to trust; each with another `issuer`.
        capacity: how many verified tokens, and how many refused ones, are remembered.
    """

    __slots__ = ("_accepted", "_issuers", "_look_again_ns", "_refused")

    def __init__(self, issuers: Sequence[TrustedIssuer], *, capacity: int = 16_384) -> None:
        self._issuers = {each.terms.issuer: _IssuerKeys(each) for each in issuers}
        self._accepted: RecentMap[bytes, tuple[Consumer, int]] = RecentMap(capacity)
        self._refused: RecentMap[bytes, TokenRejection] = RecentMap(capacity)
        self._look_again_ns = 0

    def open(self) -> None:
        """Reads the key files; without it that is done when the first token comes.

        Raises:
            ConfigError: a key file cannot be used.
        """
        for keys in self._issuers.values():
            keys.load()

    @property
    def failure(self) -> str:
        """What is wrong with the key files now; empty if nothing is."""
        return "; ".join(keys.failure for keys in self._issuers.values() if keys.failure)

    def consumer_for(self, presented: bytes, now_ns: int) -> Consumer | TokenRejection:
        """Whose token this is, or why it is refused.

        Args:
            presented: the token as the client sent it.
            now_ns: Unix time.

        Returns:
            The consumer, or the reason; `TokenRejection.FOREIGN` for whatever is no token of one
            of the issuers.

        Raises:
            StoreError: a key file could not be read even once.
        """
        if now_ns >= self._look_again_ns:
            self._look(now_ns)
        digest = sha256(presented).digest()
        known = self._accepted.get(digest)
        if known is not None and now_ns < known[1]:
            return known[0]
        refused = self._refused.get(digest)
        if refused is not None:
            return refused
        answer = self._verify(presented, now_ns)
        if isinstance(answer, TokenRejection):
            # What is not valid yet soon may be; all else stays as it is while the keys do.
            if answer is not TokenRejection.NOT_YET:
                self._refused.put(digest, answer)
            return answer
        self._accepted.put(digest, answer)
        return answer[0]

    def _look(self, now_ns: int) -> None:
        changed = [keys.refresh() for keys in self._issuers.values()]
        if any(changed):
            self._accepted.clear()
            self._refused.clear()
        self._look_again_ns = now_ns + LOOK_INTERVAL_NS

    def _verify(self, presented: bytes, now_ns: int) -> tuple[Consumer, int] | TokenRejection:
        token = read_token(presented)
        if token is None:
            return TokenRejection.FOREIGN
        name = token.claims.get("iss")
        trusted = self._issuers.get(name) if isinstance(name, str) else None
        if trusted is None:
            return TokenRejection.FOREIGN
        if len(presented) > MAX_TOKEN_BYTES:
            return TokenRejection.TOO_LONG
        header = read_header(token.header)
        if header is None:
            return TokenRejection.MALFORMED
        terms = trusted.terms
        if header.algorithm not in terms.algorithms:
            return TokenRejection.ALGORITHM
        key = trusted.key_for(header.algorithm, header.key_id)
        if key is None:
            return TokenRejection.KEY
        if not key.verifies(header.algorithm, token.signing_input, token.signature):
            return TokenRejection.SIGNATURE
        return _accepted(terms, token.claims, now_ns)


class _IssuerKeys:
    """The keys of one issuer as they are now."""

    __slots__ = ("_file", "_keys", "_loaded", "_secret", "_seen", "failure", "terms")

    def __init__(self, trusted: TrustedIssuer) -> None:
        self.terms = trusted.terms
        self.failure = ""
        self._file = trusted.key_file
        self._secret = trusted.secret
        self._keys: tuple[VerificationKey, ...] = ()
        self._loaded = False
        self._seen: _FileState | None = None

    def key_for(self, algorithm: str, key_id: str | None) -> "VerificationKey | None":
        from lukhas.identity.token_keys import choose_key

        return choose_key(self._keys, algorithm, key_id)

    def load(self) -> None:
        # Here and not at the top: the packages behind it take long to import, and most
        # installations verify no tokens.
        from lukhas.identity.token_keys import read_key_file, secret_key

        keys: tuple[VerificationKey, ...] = ()
        seen = None
        if self._file is not None:
            keys, facts = read_key_file(self._file)
            seen = _state_of(facts)
        if self._secret:
            keys = (*keys, secret_key(self._secret))
        self._keys, self._seen, self._loaded = keys, seen, True

    def refresh(self) -> bool:
        """Reads the file again if it changed; tells whether the keys are others now."""
        if self._loaded and self._file is None:
            return False
        seen = self._state()
        if self._loaded and seen is not None and seen == self._seen:
            return False
        try:
            self.load()
        except ConfigError as error:
            return self._failed(error, seen)
        self.failure = ""
        return True

    def _failed(self, error: ConfigError, seen: _FileState | None) -> bool:
        if not self._loaded:
            raise StoreError(str(error)) from error
        if self.failure != str(error):
            _log.warning("the keys before stay in force: %s", error)
        self.failure = str(error)
        self._seen = seen
        return False

    def _state(self) -> _FileState | None:
        try:
            return None if self._file is None else _state_of(self._file.stat())
        except OSError:
            return None


def _state_of(facts: os.stat_result) -> _FileState:
    # With the time of a change of rights: a file may become readable without being written.
    return (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)


def _accepted(
    terms: TokenIssuer, claims: "Mapping[str, object]", now_ns: int
) -> tuple[Consumer, int] | TokenRejection:
    until_ns = token_until_ns(terms, claims, now_ns)
    if isinstance(until_ns, TokenRejection):
        return until_ns
    consumer = token_consumer(terms, claims)
    if isinstance(consumer, TokenRejection):
        return consumer
    return consumer, min(until_ns, now_ns + MAX_REMEMBERED_NS)
