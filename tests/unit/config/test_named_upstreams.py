"""The names of upstreams, and what commands say of them."""

import pytest

from lukhas.config.checks import check_settings
from lukhas.config.named_upstreams import named_upstreams, upstreams_text
from lukhas.config.settings import Settings


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"upstream": "http://a"}, "http://a"),
        (
            {"upstream": "http://a", "upstreams": [{"name": "b", "url": "http://b"}]},
            "http://a, b (http://b)",
        ),
        ({"upstreams": [{"name": "b", "url": "http://b"}]}, "b (http://b)"),
    ],
)
def test_upstreams_are_told(tree: dict[str, object], text: str) -> None:
    """The one of all other requests, then those with names; one of them is enough to serve."""
    settings = Settings.model_validate(tree)
    assert upstreams_text(settings) == text
    assert next(iter(named_upstreams(settings))) == ("default" if "upstream" in tree else "b")
    assert not list(check_settings(settings, needs_upstream=True))
