"""The reference of the settings is current and complete."""

from pathlib import Path

from lukhas.config.reference import settings_reference
from lukhas.config.schema import leaves

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_is_current() -> None:
    """Write it anew with `python -m lukhas.config.reference > docs/reference/settings.md`."""
    assert PAGE.read_text(encoding="utf-8") == settings_reference()


def test_every_setting_is_on_the_page() -> None:
    """No setting is left out."""
    page = settings_reference()
    missing = [leaf.path for leaf in leaves() if f"`{'.'.join(leaf.path)}" not in page]
    assert missing == []
