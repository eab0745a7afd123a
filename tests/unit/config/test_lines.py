"""Messages stay on one line."""

from lukhas.config.lines import one_line


def test_line_breaks_become_escapes() -> None:
    """No text can break a message into two lines or move the cursor."""
    assert one_line("a\nb\x1b[2Jc\u2028ü") == "a\\nb\\x1b[2Jc\\u2028ü"
