"""Text that fits on one line of a terminal."""

__all__ = ("one_line",)


def one_line(text: str) -> str:
    """The text with line breaks and control characters written as escapes, whatever it held."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
