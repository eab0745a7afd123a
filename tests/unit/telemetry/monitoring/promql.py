"""What a PromQL expression names: series, the labels they are narrowed by, and labels to group by.

No parser: promtool is one, in the system tests. Here only names are told apart.
"""

import re
from dataclasses import dataclass

__all__ = ("Names", "names_in", "with_values")

_TEXT = re.compile(r'"[^"]*"')
_DURATION = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+\w+")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORD = re.compile(r"(?<![\w.:])([A-Za-z_:][\w:]*)(?!\s*\()(?![\w:])")
_WORDS_OF_THE_LANGUAGE = {"and", "or", "unless", "bool", "sum", "topk", "count"}


@dataclass(frozen=True, slots=True)
class Names:
    """The names.

    Attributes:
        series: all of them.
        narrowed: for each series, labels that it is narrowed by; with some series more than once.
        grouped: all labels to group or to match by.
    """

    series: frozenset[str]
    narrowed: tuple[tuple[str, frozenset[str]], ...]
    grouped: frozenset[str]


def with_values(expr: str) -> str:
    """An expression with something in place of the variables of Grafana."""
    known = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
    for name, value in known.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def names_in(expr: str) -> Names:
    """What an expression names."""
    text = _OFFSET.sub("", _DURATION.sub("", _TEXT.sub('""', expr)))
    grouped = {
        label.strip() for labels in _GROUPING.findall(text) for label in labels.split(",") if label
    }
    text = _GROUPING.sub("", text)
    narrowed = tuple(
        (name, frozenset(_LABEL.findall(matchers))) for name, matchers in _SELECTOR.findall(text)
    )
    text = _SELECTOR.sub(r"\1", text)
    words = set(_WORD.findall(text)) - _WORDS_OF_THE_LANGUAGE
    return Names(frozenset(words), narrowed, frozenset(grouped))
