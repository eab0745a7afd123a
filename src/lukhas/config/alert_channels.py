"""Settings of the channels on which people hear of alerts."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from lukhas.config.fields import CONFIG_FAULT, Name, Seconds, Section, checked
from lukhas.errors import ConfigError

__all__ = ("PAGERDUTY_URL", "AlertChannelSettings")

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
"""Where PagerDuty takes events (Events API v2)."""

_MAIL_ADDRESS = re.compile(r"[^\s@<>,;:\"\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,253}")
_VISIBLE = re.compile(r"[\t\x20-\x7e]*")
_URL_HINT = 'write it like "https://hooks.example.com/path"'
_NEEDED = {
    "webhook": ("url",),
    "slack": ("url",),
    "pagerduty": ("routing_key",),
    "email": ("host", "sender", "recipients"),
    "alertmanager": ("url",),
}
_ONLY_FOR = {
    "url": ("webhook", "slack", "pagerduty", "alertmanager"),
    "authorization": ("webhook", "alertmanager"),
    "labels": ("alertmanager",),
    "send_resolved": ("webhook", "slack", "pagerduty", "email"),
    "routing_key": ("pagerduty",),
    "host": ("email",),
    "port": ("email",),
    "security": ("email",),
    "user": ("email",),
    "password": ("email",),
    "sender": ("email",),
    "recipients": ("email",),
}


def _fault(what: str, hint: str) -> PydanticCustomError:
    # A message template may not hold braces, so both texts travel in the context.
    return PydanticCustomError(CONFIG_FAULT, "{what}: {hint}", {"what": what, "hint": hint})


def _hook_url(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _fault("this is not a URL", _URL_HINT) from None
    # Not shown: such a URL often is a secret by itself.
    if url.scheme not in {"http", "https"} or not url.hostname or port == 0:
        raise _fault("this is not an HTTP URL", _URL_HINT)
    if url.username is not None or url.password is not None:
        raise _fault("the URL holds a user or a password", "set authorization")
    if not all("!" <= character <= "~" for character in text):
        raise _fault("the URL holds a space or a character beyond ASCII", "encode it with %")
    return secret


def _visible(secret: SecretStr) -> SecretStr:
    if not _VISIBLE.fullmatch(secret.get_secret_value()):
        raise _fault("this holds characters that no field may hold", "use visible ASCII")
    return secret


def _mail_address(text: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(text):
        raise ConfigError(f"{text!r} is no e-mail address", hint='write it like "ops@example.com"')
    return text


HookUrl = Annotated[SecretStr, AfterValidator(_hook_url)]
FieldValue = Annotated[SecretStr, AfterValidator(_visible)]
MailAddress = Annotated[str, AfterValidator(checked(_mail_address))]


class AlertChannelSettings(Section):
    """A channel."""

    name: Name = Field(description="Its name, for routes.")
    kind: Literal["webhook", "slack", "pagerduty", "email", "alertmanager"] = Field(
        "webhook",
        description="`webhook`: JSON to a URL; `slack`: an incoming webhook of Slack, Mattermost "
        "and others; `pagerduty`: Events API v2; `email`: SMTP; `alertmanager`: Prometheus's own.",
    )
    url: HookUrl | None = Field(
        None,
        description="Where messages are posted to. For PagerDuty only if not the usual one; for "
        "Alertmanager where it is, without `/api/v2/alerts`.",
    )
    authorization: FieldValue | None = Field(
        None,
        description="For `webhook` and `alertmanager`: sent as `Authorization`. Never printed.",
    )
    routing_key: FieldValue | None = Field(
        None, description="For `pagerduty`: the integration key. Never printed."
    )
    labels: dict[Name, str] = Field(
        {},
        description="For `alertmanager`: labels that each alert has beside its own, such as "
        '`{ instance = "eu-1" }`.',
    )
    host: str | None = Field(None, min_length=1, description="For `email`: the mail server.")
    port: int = Field(587, ge=1, le=65_535, description="For `email`: its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="For `email`: how the connection is made secure."
    )
    user: str = Field("", description="For `email`: who logs in; empty for nobody.")
    password: SecretStr | None = Field(
        None, description="For `email`: the password. Never printed."
    )
    sender: MailAddress | None = Field(None, description="For `email`: from whom.")
    recipients: tuple[MailAddress, ...] = Field((), description="For `email`: to whom.")
    send_resolved: bool = Field(
        True, description="Whether it also tells what is over; Alertmanager always hears it."
    )
    timeout_s: Seconds = Field(10.0, description="How long a message may take.")

    @model_validator(mode="after")
    def _fits_together(self) -> "AlertChannelSettings":
        for key in _NEEDED[self.kind]:
            if not getattr(self, key):
                raise _fault(
                    f"the channel {self.name!r} is of kind {self.kind} and has no {key}",
                    f"set {key}",
                )
        for key, channel_kinds in _ONLY_FOR.items():
            if (
                getattr(self, key) != type(self).model_fields[key].default
                and self.kind not in channel_kinds
            ):
                what = f"{key} is not for channels of kind {self.kind}"
                raise _fault(what, "remove it, or set another kind")
        if self.user and self.security == "none":
            what = f"the channel {self.name!r} would send its password over an open connection"
            raise _fault(what, "set security to starttls or tls")
        return self
