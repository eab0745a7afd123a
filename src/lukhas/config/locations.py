"""On which line of a TOML file each key stands."""

import tomllib
from collections.abc import Callable

from lukhas.config.key_paths import KeyPath, Lines

__all__ = ("toml_lines",)

_BARE_END = frozenset(",]}\r\n#")
_BLANK = frozenset(" \t\r\n")


def toml_lines(text: str) -> Lines:
    """The line of each key, table and list item of a TOML document that is known to be valid."""
    return _Scan(text).run()


class _Scan:
    """One pass over a document. It relies on `tomllib` having accepted it."""

    def __init__(self, text: str) -> None:
        # tomllib normalises line ends in the same way (TOML 1.0, "Newline").
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._line = 1
        self._lines: Lines = {}
        self._counts: dict[KeyPath, int] = {}

    def run(self) -> Lines:
        table: KeyPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._array_header()
            elif self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_blank()
        return self._lines

    def _array_header(self) -> KeyPath:
        self._advance(2)
        *parents, last = self._key()
        self._advance(2)
        path = (*self._resolved(parents), last)
        index = self._counts.get(path, 0)
        self._counts[path] = index + 1
        self._note(path)
        self._note((*path, index))
        return (*path, index)

    def _header(self) -> KeyPath:
        self._advance(1)
        path = self._resolved(self._key())
        self._advance(1)
        return path

    def _resolved(self, keys: list[str]) -> KeyPath:
        """A header's path: below an array of tables it means the last table so far."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            self._note(path)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        for key in self._key():
            path = (*path, key)
            self._note(path)
        self._advance(1)  # the equals sign
        self._skip_blank()
        self._value(path)

    def _key(self) -> list[str]:
        """Reads a dotted key, up to the sign after it."""
        keys = []
        while True:
            self._skip_blank()
            start = self._at
            if self._text[start] in "\"'":
                self._string()
                keys.append(str(tomllib.loads(f"k = {self._text[start : self._at]}")["k"]))
            else:
                while self._text[self._at] not in " \t.=]":
                    self._at += 1
                keys.append(self._text[start : self._at])
            self._skip_blank()
            if self._text[self._at] != ".":
                return keys
            self._advance(1)

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._items("]", lambda index: self._item(path, index))
        elif first == "{":
            self._items("}", lambda _: self._pair(path))
        else:
            while self._at < len(self._text) and self._text[self._at] not in _BARE_END:
                self._at += 1

    def _item(self, path: KeyPath, index: int) -> None:
        self._note((*path, index))
        self._value((*path, index))

    def _items(self, end: str, read: Callable[[int], None]) -> None:
        self._advance(1)
        self._skip_blank()
        index = 0
        while self._text[self._at] != end:
            read(index)
            index += 1
            self._skip_blank()
            if self._text[self._at] == ",":
                self._advance(1)
                self._skip_blank()
        self._advance(1)

    def _string(self) -> None:
        quote = self._text[self._at]
        triple = self._text.startswith(quote * 3, self._at)
        close = quote * 3 if triple else quote
        self._advance(len(close))
        while not self._text.startswith(close, self._at):
            self._advance(2 if quote == '"' and self._text[self._at] == "\\" else 1)
        self._advance(len(close))
        # Up to two quotes may stand directly before the closing three.
        while triple and self._text.startswith(quote, self._at):
            self._advance(1)

    def _skip_blank(self) -> None:
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif self._text[self._at] in _BLANK:
                self._advance(1)
            else:
                return

    def _advance(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _note(self, path: KeyPath) -> None:
        self._lines.setdefault(path, self._line)
