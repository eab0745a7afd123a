"""The pages of the documentation and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ("PAGES", "ROOT", "Block", "blocks_of", "inline_code", "prose")

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: the page it stands on.
        line: the line of its fence.
        language: what follows the fence.
        text: what it holds.
    """

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """For people: page and line."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def file_name(self) -> str:
        """The file that its first line names, as in `# shop.py`; empty if it names none."""
        match = re.match(r"# ([\w-]+\.(?:py|toml|yaml))\n", self.text)
        return match[1] if match else ""


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"], match["text"])
        for match in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    """What stands between backticks in the prose of a page."""
    return _INLINE.findall(prose(page))
