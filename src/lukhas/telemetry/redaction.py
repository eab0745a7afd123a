"""Takes secrets out of what is written down: by their names, by their look, and by their values."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ("REDACTED", "Redaction", "is_secret_name", "passwords_of", "redact", "without_secrets")

REDACTED = "[redacted]"

# Matched anywhere in a name in lower case with `-` as `_`: x-api-key, db_password, access_token ...
_SECRET_NAMES = re.compile(
    r"authorization|cookie|api_?key|token|passw(or)?d|passphrase|secret|pepper|private_?key"
)
# What gives a secret away inside a text: an authentication scheme, our own keys, `password=...`,
# and the password of a URL. Each pattern with words in lower case of which one has to be there, as
# looking for words is several times cheaper.
_SECRET_TEXTS = (
    # A field that is a secret up to the end of its line.
    (
        ("cookie", "authorization"),
        re.compile(r"(?i)((?:cookie|authorization)[\"']?\s*[=:]\s*[\"']?)[^\r\n\"']+"),
        rf"\1{REDACTED}",
    ),
    (
        ("bearer", "basic"),
        re.compile(r"(?i)\b(bearer|basic)\s+(?!\[)[^\s,;\"']+"),
        rf"\1 {REDACTED}",
    ),
    (("lk_",), re.compile(r"\blk_[A-Za-z0-9]+_[A-Za-z0-9]+_[A-Za-z0-9_-]+"), REDACTED),
    (
        ("key", "token", "passw", "secret"),
        re.compile(
            r"(?i)((?:api[_-]?key|token|passw(?:or)?d|secret)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[redacted\]|\*\*\*)[^\s&,;\"']+"
        ),
        rf"\1{REDACTED}",
    ),
    # A signed token (RFC 7519): its first part begins with the letters that `{"` encodes to.
    (("eyj",), re.compile(r"\beyJ[\w-]{4,}\.[\w-]{2,}\.[\w-]*"), REDACTED),
    # The password of a URL.
    (("@",), re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@"), rf"\1:{REDACTED}@"),
)
_MAX_DEPTH = 8
# Shorter ones would be found in the midst of words.
_SHORTEST_SECRET = 4


class Redaction:
    """Redacts by what is known of this installation as well.

    Args:
        values: secrets, wherever they stand; of a URL its password too. Those of fewer than 4
            characters are not looked for.
        names: further names of what is a secret, such as the field that keys are sent in.
    """

    def __init__(self, *, values: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._names = frozenset(map(_normal, names))
        known = {
            form
            for value in values
            for form in (value, *passwords_of(value))
            if len(form) >= _SHORTEST_SECRET
        }
        # The longest first, so that nothing is left of one that holds another.
        ordered = sorted(known, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def redact(self, value: object) -> object:
        """A copy without secrets: by name in mappings and in pairs, by look and value in texts.

        Goes into mappings, lists, tuples and sets to a depth of 8; what lies deeper is left out.
        """
        return self._redacted(value, 0)

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._values is not None:
            text = self._values.sub(REDACTED, text)
        return without_secrets(text)

    def _redacted(self, value: object, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("latin-1"))
        if depth >= _MAX_DEPTH:
            too_deep = isinstance(value, (Mapping, list, tuple, set, frozenset))
            return "[too deep]" if too_deep else value
        if isinstance(value, Mapping):
            return {
                key: REDACTED if self._is_secret(key) else self._redacted(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, tuple) and len(value) == 2 and self._is_secret(value[0]):
            return (value[0], REDACTED)
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._redacted(item, depth + 1) for item in value]
        return value

    def _is_secret(self, name: object) -> bool:
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        return isinstance(name, str) and (_normal(name) in self._names or is_secret_name(name))


def redact(value: object) -> object:
    """As `Redaction.redact`, where nothing is known of the installation."""
    return Redaction().redact(value)


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is taken for a secret."""
    return _SECRET_NAMES.search(_normal(name)) is not None


def without_secrets(text: str) -> str:
    """The text without what looks like a secret in it."""
    lowered = text.lower()
    for words, pattern, replacement in _SECRET_TEXTS:
        for word in words:
            if word in lowered:
                text = pattern.sub(replacement, text)
                break
    return text


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


def passwords_of(url: str) -> tuple[str, ...]:
    """The password of a URL as it is written and as it is meant; nothing if it has none."""
    if "://" not in url or "@" not in url:
        return ()
    try:
        password = urlsplit(url).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()
