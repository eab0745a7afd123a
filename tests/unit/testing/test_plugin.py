"""The fixtures, in a test run of their own."""

import pytest

pytest_plugins = ["pytester"]

_CONFTEST = 'pytest_plugins = ["lukhas.testing.plugin"]\n'


@pytest.fixture
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A run without the plugins that happen to be installed, which take longer than the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def test_the_fixtures_work_together(alone: pytest.Pytester) -> None:
    """One clock for all of them; settings from text, from a file, and as an object."""
    pytester = alone
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(
        """
        from pathlib import Path

        from fastapi import FastAPI

        from lukhas.config.settings import Settings
        from lukhas.middleware.fastapi import limit
        from lukhas.testing.assertions import assert_allowed, assert_limited

        def test_hub(limited_hub, manual_clock):
            hub = limited_hub('[tiers]\\nfree = "1/hour"')
            assert_allowed(hub.ask())
            assert_limited(hub.ask(), by="tier-free")
            manual_clock.advance(seconds=3600 + 180)
            assert_allowed(hub.ask())

        def test_file(limited_hub, tmp_path):
            path = tmp_path / "mine.yaml"
            path.write_text("tiers: {free: 1/hour}")
            hub = limited_hub(path)
            assert [hub.ask().status for _ in range(2)] == [200, 429]

        def test_object(limited_hub):
            hub = limited_hub(Settings.model_validate({"tiers": {"free": "1/hour"}}))
            assert [hub.ask().status for _ in range(2)] == [200, 429]

        def test_tree(limited_hub):
            hub = limited_hub({"tiers": {"free": "1/hour"}})
            assert [hub.ask().status for _ in range(2)] == [200, 429]

        def test_client(limited_client, manual_clock):
            app = FastAPI()

            @app.get("/reports")
            @limit("1/hour")
            async def reports() -> str:
                return "reports"

            client = limited_client(app)
            assert_allowed(client.get("/reports"))
            assert_limited(client.get("/reports"), by="reports")
            manual_clock.advance(seconds=3600 + 180)
            assert_allowed(client.get("/reports"))
            assert "x-ratelimit-limit" not in client.get("/reports").headers

        def test_client_with_settings(limited_client):
            client = limited_client(FastAPI(), '[tiers]\\nfree = "1/hour"')
            assert [client.get("/").status for _ in range(2)] == [404, 429]
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=6)


def test_bad_settings_say_where(alone: pytest.Pytester) -> None:
    """The same message as on the command line."""
    pytester = alone
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(
        """
        def test_bad(limited_hub):
            limited_hub('[tiers]\\nfree = "5/fortnight"')
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*lukhas-settings.toml:2*fortnight*"])


def test_nothing_is_there_unless_asked_for(pytester: pytest.Pytester) -> None:
    """An installation adds no fixture to anybody's tests."""
    pytester.makepyfile("def test_it(manual_clock): pass")
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'manual_clock' not found*"])
