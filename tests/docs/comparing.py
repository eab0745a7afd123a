"""Whether what came out is what the documentation shows."""

import json
import re
from typing import Any

__all__ = ("json_shape", "matches", "same_shape")

# What differs from one run to the next.
_MASKS = (
    (re.compile(r"\b[0-9a-f]{16}-[0-9a-f]+\b"), "<request>"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "<date>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?Z?)?"), "<time>"),
    (re.compile(r"\blk_([a-z0-9]+)_\w+"), r"lk_\1_<key>"),
    (re.compile(r"(?m)(?<=^lukhas: key )\w{16}|(?<=^lukhas: revoked )\w{16}"), "<key id>"),
    (re.compile(r"(?m)^[A-Za-z0-9]{16}(?=  )"), "<key id>"),
    (re.compile(r"(?<=;t=)\d+|(?<=; ttl=)\d+|(?<=\nage: )\d+|(?<=\nretry-after: )\d+"), "<s>"),
    (re.compile(r"(?<=Try again in )\d+|(?<=\"retry_after_s\":)\d+"), "<s>"),
    (re.compile(r"(?<=\ncontent-length: )\d+"), "<length>"),
    (re.compile(r"(?<=\(pid )\d+"), "<pid>"),
    (re.compile(r"(?<=\nserver: ).*|(?<=\netag: ).*|(?<=\nlast-modified: ).*"), "<origin's>"),
)


def matches(shown: str, written: str) -> bool:
    """Whether the output is the one shown; a line `...` stands for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n"
        for line in _masked(shown).splitlines()
    )
    return re.fullmatch(pattern, _ended(_masked(written))) is not None


def same_shape(shown: Any, found: Any) -> bool:
    """Whether two JSON values have the same members of the same kinds."""
    if isinstance(shown, dict) and isinstance(found, dict):
        return shown.keys() == found.keys() and all(
            same_shape(shown[name], found[name]) for name in shown
        )
    if isinstance(shown, list) and isinstance(found, list):
        return not shown or any(same_shape(shown[0], item) for item in found)
    if shown is None or found is None:
        return True
    number = (int, float)
    if isinstance(shown, number) and isinstance(found, number):
        return isinstance(shown, bool) == isinstance(found, bool)
    return isinstance(found, type(shown))


def json_shape(written: str) -> Any:
    """The JSON object that ends an output.

    Raises:
        ValueError: there is none.
    """
    return json.loads(written[written.index("{") :])


def _masked(text: str) -> str:
    text = "\n" + text.replace("\r\n", "\n")
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return re.sub(r"(?m)[ \t]+$", "", text[1:])


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
