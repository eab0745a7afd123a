"""What commands say of the upstreams; the mistakes are in `test_checks`."""

import pytest

from lukhas.config.checks import check_settings
from lukhas.config.settings import Settings
from lukhas.config.upstream_checks import upstreams_text


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
    assert not list(check_settings(settings, needs_upstream=True))
