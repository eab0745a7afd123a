"""Rooted exceptions: every failure of the product derives from `LukhasError`."""

__all__ = (
    "BodyAbortedError",
    "ConfigError",
    "CountersUnavailableError",
    "HandlerError",
    "LimitSyntaxError",
    "LukhasError",
    "NotAvailableError",
    "PortInUseError",
    "StateDirError",
    "StoreError",
    "StoreReplyError",
    "StoreTimeoutError",
    "StoreUnavailableError",
    "UpstreamBusyError",
    "UpstreamConnectError",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamTimeoutError",
)


class LukhasError(Exception):
    """Root of all errors raised on purpose."""


class BodyAbortedError(LukhasError):
    """The client went away, or broke a rule, before its request body was whole."""


class ConfigError(LukhasError):
    """A setting is wrong.

    Attributes:
        what: what is wrong, in one clause.
        where: the place, as `file:line`, a flag or an environment variable; may be empty.
        hint: what to do about it; may be empty.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}: {hint}" if hint else line)


class LimitSyntaxError(ConfigError):
    """A limit such as `"60/minute"` could not be read."""


class NotAvailableError(LukhasError):
    """Something was switched on that this version, or this installation, does not have.

    Attributes:
        feature: the name of what was asked for.
    """

    def __init__(self, feature: str, hint: str = "") -> None:
        self.feature = feature
        super().__init__(f"{feature} is not available" + (f": {hint}" if hint else ""))


class StateDirError(LukhasError):
    """The state directory cannot be used."""


class PortInUseError(LukhasError):
    """A listening address is taken or cannot be bound.

    Attributes:
        address: the address, as `host:port`.
    """

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"{address}: {reason}")


class StoreError(LukhasError):
    """A store failed or did not answer in time."""


class CountersUnavailableError(StoreError):
    """The counters cannot be asked, and a policy refuses requests while that is so.

    Attributes:
        policy: its name.
    """

    def __init__(self, policy: str) -> None:
        self.policy = policy
        super().__init__(f"the counters of policy {policy!r} cannot be asked")


class StoreTimeoutError(StoreError):
    """A store did not answer within the deadline of a call.

    Whether what was asked for has been done is not known.

    Attributes:
        store: where it is, as `host:port` or a path; never with a password.
        deadline_s: how long the call waited.
    """

    def __init__(self, store: str, deadline_s: float) -> None:
        self.store = store
        self.deadline_s = deadline_s
        super().__init__(
            f"{store}: no answer within {deadline_s * 1000:g} ms: "
            "check the load of the server and the network, or allow more time"
        )


class StoreUnavailableError(StoreError):
    """A store cannot be reached, or is left alone for a while because it failed before.

    Attributes:
        store: where it is, as `host:port` or a path; never with a password.
        reason: what is wrong with it, in one clause.
        hint: what to do about it; may be empty.
    """

    def __init__(self, store: str, reason: str, *, hint: str = "") -> None:
        self.store = store
        self.reason = reason
        self.hint = hint
        super().__init__(f"{store}: {reason}" + (f": {hint}" if hint else ""))


class StoreReplyError(StoreError):
    """A store refused a command.

    Attributes:
        store: where it is, as `host:port` or a path; never with a password.
        code: the first word of the server's answer, e.g. `"OOM"`.
        what: the answer.
        hint: what to do about it; may be empty.
    """

    def __init__(self, store: str, code: str, what: str, *, hint: str = "") -> None:
        self.store = store
        self.code = code
        self.what = what
        self.hint = hint
        super().__init__(f"{store}: {what}" + (f": {hint}" if hint else ""))


class HandlerError(LukhasError):
    """Carries a failure of the handler out through the pipeline, unchanged.

    Attributes:
        cause: what the handler (the wrapped app, or the forwarding) raised.
    """

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(repr(cause))


class UpstreamError(LukhasError):
    """An upstream could not answer.

    Attributes:
        upstream: its name.
        sent: whether any byte of the request may have reached it.
        kind: one word for metrics.
    """

    kind = "other"

    def __init__(self, upstream: str, what: str, *, sent: bool) -> None:
        self.upstream = upstream
        self.what = what
        self.sent = sent
        super().__init__(f"upstream {upstream}: {what}")


class UpstreamBusyError(UpstreamError):
    """As many connections to the upstream as may be are in use, and none became free in time."""

    kind = "busy"


class UpstreamConnectError(UpstreamError):
    """No connection to the upstream could be made."""

    kind = "connect"


class UpstreamTimeoutError(UpstreamError):
    """The upstream did not connect, answer or go on in time."""

    kind = "timeout"


class UpstreamProtocolError(UpstreamError):
    """The upstream sent something that is not a whole HTTP/1.1 response."""

    kind = "protocol"
