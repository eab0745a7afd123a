"""The identify stage: who calls, and from where."""

from dataclasses import dataclass
from typing import Literal, Protocol

from lukhas.errors import StoreError
from lukhas.http.client_address import TrustedProxies, address_key, client_address
from lukhas.http.headers import Headers
from lukhas.http.messages import Response
from lukhas.identity.recent import RecentMap
from lukhas.pipeline.exchange import Exchange
from lukhas.pipeline.refusals import refusal
from lukhas.pipeline.stage import Gate
from lukhas.policy.access.api_keys import KEY_PREFIX, Rejection
from lukhas.policy.access.consumers import Consumer, anonymous
from lukhas.policy.access.tokens import TokenRejection
from lukhas.policy.modes import FailureMode, Mode
from lukhas.policy.verdicts import Outcome, Verdict

__all__ = ("Credentials", "IdentifyStage", "IdentitySettings", "OnUnknown", "Tokens")

OnUnknown = Literal["reject", "anonymous"]

_ASSERTED = Verdict("identify", Outcome.PASSED, "the consumer was given by the caller")
_ANONYMOUS = Verdict("identify", Outcome.PASSED, "no credential: anonymous by address")
_KNOWN = Verdict("identify", Outcome.PASSED, "the API key is known")
_VERIFIED = Verdict("identify", Outcome.PASSED, "the token is verified")
_FOREIGN = Verdict(
    "identify",
    Outcome.PASSED,
    "the Authorization field holds no credential of ours: anonymous by address",
)
_OFF = Verdict("identify", Outcome.SKIPPED, "identification is off", mode=Mode.OFF)
_NO_KEYS = Verdict("identify", Outcome.SKIPPED, "no API keys are kept here: anonymous by address")
_STORE_FAILED = Verdict("identify", Outcome.FAILED, "the table of API keys failed")
_KEYS_FAILED = Verdict("identify", Outcome.FAILED, "the keys of the tokens failed")
_SEVERAL = "the request holds several API keys"
_SEVERAL_TOKENS = "the request holds several Authorization fields"
_ANONYMOUS_SUFFIX = ": anonymous by address"

_CHALLENGE = (b"www-authenticate", b'Bearer realm="lukhas", error="invalid_token"')
_FORWARDED_FOR = b"x-forwarded-for"
# A longer list of hops is read each time, so that the cache stays small.
_MAX_CACHED_FORWARDED_BYTES = 256


class Credentials(Protocol):
    """Tells whose key was presented; `CredentialCache` is one."""

    def consumer_for(self, presented: bytes, now_ns: int) -> Consumer | Rejection:
        """Whose key this is, or why it is refused."""
        ...


class Tokens(Protocol):
    """Tells whose token was presented; `TokenVerifier` is one."""

    def consumer_for(self, presented: bytes, now_ns: int) -> Consumer | TokenRejection:
        """Whose token this is, or why it is refused; `FOREIGN` if it is not for us to check."""
        ...


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How consumers are told apart.

    Attributes:
        api_key_header: the field an API key is sent in, in lower case. `Authorization: Bearer`
            is understood too; where both are sent, this field counts.
        on_unknown: what a request with a key or token that is not accepted is: refused with 401,
            or anonymous.
        trusted: the proxies whose X-Forwarded-For is believed.
        mode: in shadow mode a key or token that is not accepted makes the request anonymous,
            whatever `on_unknown` says; when off, none is looked at.
        on_failure: what to do when the key table fails: refuse, or take the request as anonymous.
        capacity: how many client addresses are remembered.
    """

    api_key_header: bytes = b"x-api-key"
    on_unknown: OnUnknown = "reject"
    trusted: TrustedProxies = TrustedProxies()  # noqa: RUF009 - a frozen value
    mode: Mode = Mode.ENFORCE
    on_failure: FailureMode = FailureMode.CLOSED
    capacity: int = 16_384


class IdentifyStage(Gate):
    """Sets the client address and the consumer of each exchange.

    Args:
        settings: see there.
        credentials: checks API keys; None where none are kept.
        tokens: verifies bearer tokens; None where no issuer is trusted.

    Attributes:
        credentials: what API keys are checked with; None where none are.
    """

    name = "identify"

    def __init__(
        self,
        settings: IdentitySettings,
        credentials: Credentials | None,
        *,
        tokens: Tokens | None = None,
    ) -> None:
        self.on_failure = settings.on_failure
        self._header = settings.api_key_header.lower()
        self._mode = settings.mode
        self.check_with(credentials)
        self._tokens = None if settings.mode is Mode.OFF else tokens
        self._trusted = settings.trusted
        self._has_trusted = bool(settings.trusted.networks)
        self._by_peer: RecentMap[object, tuple[str, Consumer]] = RecentMap(settings.capacity)
        self._unchecked = _OFF if settings.mode is Mode.OFF else _NO_KEYS
        self._refuses = settings.mode is Mode.ENFORCE and settings.on_unknown == "reject"
        reasons = {rejection: rejection.value for rejection in Rejection}
        self._rejected = {
            rejection: _rejected(reason, settings) for rejection, reason in reasons.items()
        }
        self._several = _rejected(_SEVERAL, settings)
        self._rejected_tokens = {
            rejection: _rejected(rejection.value, settings) for rejection in TokenRejection
        }
        self._several_tokens = _rejected(_SEVERAL_TOKENS, settings)
        self._token_verdicts = frozenset((*self._rejected_tokens.values(), self._several_tokens))

    @property
    def looks_at_proxies(self) -> bool:
        """Whether the client may be another than the peer."""
        return self._has_trusted

    def check_with(self, credentials: Credentials | None) -> None:
        """Sets what API keys are checked with from now on; None where none are kept."""
        self.credentials = None if self._mode is Mode.OFF else credentials

    def enter(self, exchange: Exchange) -> Response | None:
        """Refuses the exchange with 401, or lets it pass with its client and consumer."""
        head = exchange.head
        caller = (
            self._caller_behind_proxies(exchange.peer, head.headers)
            if self._has_trusted
            else self._by_peer.get(exchange.peer)
        )
        if caller is None:
            caller = self._new_caller(exchange.peer, [], exchange.peer)
        exchange.client, exchange.consumer = caller
        if exchange.asserted is not None:
            exchange.consumer = exchange.asserted
            exchange.verdicts.append(_ASSERTED)
            return None
        fields = head.headers.index()
        if self._header not in fields and b"authorization" not in fields:
            exchange.verdicts.append(_ANONYMOUS)
            return None
        verdict = self._identify(exchange, head.headers)
        exchange.verdicts.append(verdict)
        if verdict.outcome is Outcome.REFUSED and self._refuses:
            is_token = verdict in self._token_verdicts
            return _token_unauthorized(exchange) if is_token else _unauthorized(exchange)
        return None

    def shown_key(self, exchange: Exchange) -> bytes | None:
        """What an exchange that was let through was identified by, and nothing else.

        Returns:
            The API key; empty where the client's address alone was looked at; None where it was
            anything else, such as a token.
        """
        if exchange.asserted is not None:
            return None
        fields = exchange.head.headers.index()
        key = fields.get(self._header)
        if key is None:
            authorization = fields.get(b"authorization")
            if authorization is None:
                return b""
            key = _bearer(authorization)
            if key is None or not key.startswith(KEY_PREFIX):
                return None
        consumer = exchange.consumer
        is_known = _KNOWN in exchange.verdicts and consumer is not None
        return key if is_known else None

    def _identify(self, exchange: Exchange, headers: Headers) -> Verdict:
        first = headers.index()
        field = self._header
        presented = first.get(field)
        if presented is None:
            presented = _bearer(first[b"authorization"])
            if presented is None:
                return _FOREIGN
            if not presented.startswith(KEY_PREFIX):
                return self._identify_token(exchange, headers, presented)
            field = b"authorization"
        if self.credentials is None:
            return self._unchecked
        if len(first) != len(headers.raw) and len(headers.get_all(field)) > 1:
            # The handler might look at another of them than we do.
            return self._several
        try:
            answer = self.credentials.consumer_for(presented, exchange.now_ns)
        except StoreError:
            exchange.verdicts.append(_STORE_FAILED)
            raise
        if isinstance(answer, Rejection):
            return self._rejected[answer]
        exchange.consumer = answer
        return _KNOWN

    def _identify_token(self, exchange: Exchange, headers: Headers, presented: bytes) -> Verdict:
        if self._tokens is None:
            return _FOREIGN
        try:
            answer = self._tokens.consumer_for(presented, exchange.now_ns)
        except StoreError:
            exchange.verdicts.append(_KEYS_FAILED)
            raise
        if answer is TokenRejection.FOREIGN:
            return _FOREIGN
        is_repeated = len(headers.index()) != len(headers.raw)
        if is_repeated and len(headers.get_all(b"authorization")) > 1:
            return self._several_tokens
        if isinstance(answer, TokenRejection):
            return self._rejected_tokens[answer]
        exchange.consumer = answer
        return _VERIFIED

    def _caller_behind_proxies(self, peer: str, headers: Headers) -> tuple[str, Consumer]:
        lines = headers.get_all(_FORWARDED_FOR) if _FORWARDED_FOR in headers else []
        key = (peer, *lines)
        caller = self._by_peer.get(key)
        if caller is None:
            short = sum(map(len, lines)) <= _MAX_CACHED_FORWARDED_BYTES
            caller = self._new_caller(peer, lines, key if short else None)
        return caller

    def _new_caller(self, peer: str, lines: list[bytes], key: object) -> tuple[str, Consumer]:
        client = client_address(peer, lines, self._trusted)
        caller = (client, anonymous(address_key(client)))
        if key is not None:
            self._by_peer.put(key, caller)
        return caller


def _bearer(authorization: bytes) -> bytes | None:
    """What an Authorization value of the scheme Bearer brings; None for other schemes."""
    # The scheme is case-insensitive and may be followed by several spaces (RFC 9110 section 11.4).
    return authorization[7:].lstrip(b" ") if authorization[:7].lower() == b"bearer " else None


def _rejected(reason: str, settings: IdentitySettings) -> Verdict:
    if settings.on_unknown == "reject":
        return Verdict("identify", Outcome.REFUSED, reason, mode=settings.mode)
    return Verdict("identify", Outcome.PASSED, reason + _ANONYMOUS_SUFFIX, mode=settings.mode)


def _unauthorized(exchange: Exchange) -> Response:
    # The same words whatever is wrong: they must not tell whether a key exists.
    return refusal(
        exchange,
        status=401,
        slug="api-key-not-accepted",
        title="The API key is not accepted",
        detail="Send a valid API key, or none.",
        headers=[_CHALLENGE],
    )


def _token_unauthorized(exchange: Exchange) -> Response:
    return refusal(
        exchange,
        status=401,
        slug="token-not-accepted",
        title="The token is not accepted",
        detail="Send a valid token, or none.",
        headers=[_CHALLENGE],
    )
