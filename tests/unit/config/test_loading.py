"""Flags win over the file, the file over the environment, and mistakes have a place."""

from pathlib import Path

import pytest

from lukhas.config.faults import SettingsError
from lukhas.config.loading import DEFAULT, load_settings
from lukhas.config.schema import leaves

HOME = {"HOME": "/srv/somebody"}


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lukhas.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = toml(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, path, environ or {})
    return [str(fault).replace(str(path), "FILE") for fault in caught.value.faults]


def test_flags_alone_are_enough() -> None:
    """Two flags make a gateway."""
    flags = {"--upstream": "http://localhost:9000", "--limit": "5/minute"}
    loaded = load_settings(flags, None, HOME, needs_upstream=True)
    assert loaded.settings.upstream.url == "http://localhost:9000"
    assert loaded.settings.tiers.free == "5/minute"
    assert loaded.settings.state_dir == Path("/srv/somebody/.local/state/lukhas")
    assert loaded.sources["upstream.url"] == "--upstream"
    assert loaded.sources["listen"] == DEFAULT
    assert set(loaded.sources) == {".".join(leaf.path) for leaf in leaves()}


def test_the_higher_source_wins(tmp_path: Path) -> None:
    """Flag over file over environment, for each setting by itself."""
    path = toml(
        tmp_path,
        'listen = "127.0.0.1:2"\nupstream = "http://file:2"\n[cache]\ndefault_ttl_s = 2\n',
    )
    environ = {
        "LUKHAS_LISTEN": "127.0.0.1:3",
        "LUKHAS_UPSTREAM": "http://env:3",
        "LUKHAS_UPSTREAM__POOL_IDLE_S": "3",
        "LUKHAS_CACHE__DEFAULT_TTL_S": "3",
        "LUKHAS_CACHE__MAX_TTL_S": "3",
    }
    loaded = load_settings({"--listen": "127.0.0.1:1"}, path, environ)
    assert str(loaded.settings.listen) == "127.0.0.1:1"
    assert loaded.settings.upstream.url == "http://file:2"
    assert loaded.settings.upstream.pool_idle_s == 3
    assert loaded.settings.cache.default_ttl_s == 2
    assert loaded.sources["listen"] == "--listen"
    assert loaded.sources["upstream.url"] == f"{path}:2"
    assert loaded.sources["cache.default_ttl_s"] == f"{path}:4"
    assert loaded.sources["cache.max_ttl_s"] == "LUKHAS_CACHE__MAX_TTL_S"


def test_yaml_and_toml_mean_the_same(tmp_path: Path) -> None:
    """The same settings in both languages are equal."""
    first = toml(tmp_path, 'upstream = "http://a:1"\n[cache]\nmode = "off"\nsize_bytes = "2MiB"\n')
    second = tmp_path / "lukhas.yaml"
    second.write_text("upstream: http://a:1\ncache:\n  mode: off\n  size_bytes: 2MiB\n")
    assert load_settings({}, first, HOME).settings == load_settings({}, second, HOME).settings


def test_mistakes_have_their_line(tmp_path: Path) -> None:
    """Every mistake of a file is told, in the order of its lines."""
    text = (
        'listne = "x"\nworkers = "two"\n\n[cache]\nmode = "of"\n'
        '[[routes]]\nname = "a"\npath = "x"\n[[routes]]\npath = "/"\n'
    )
    assert faults(tmp_path, text, {"LUKHAS_LISTNE": "1"}) == [
        "FILE:1: unknown key 'listne': did you mean 'listen'?",
        (
            "FILE:2: workers: 'two' is neither a whole number nor \"auto\": "
            'use a number of processes, "auto" for one a CPU, or "auto:1-8" to follow the load'
        ),
        "FILE:5: cache.mode cannot be 'of': use 'enforce', 'shadow' or 'off'",
        "FILE:8: routes[0].path: the path 'x' does not start with /: put a / in front",
        "FILE:9: routes[1].name is missing: add name = ...",
        "LUKHAS_LISTNE: unknown setting 'listne': did you mean LUKHAS_LISTEN?",
    ]


def test_types_are_strict(tmp_path: Path) -> None:
    """True is no number, and text is no number or list."""
    text = 'server.header_count = true\ntrusted_proxies = "10.0.0.0/8"\n[cache]\nprivate = "yes"\n'
    assert [line.split(" must")[0] for line in faults(tmp_path, text)] == [
        "FILE:1: server.header_count",
        "FILE:2: trusted_proxies",
        "FILE:4: cache.private",
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "1979-05-27", '"\\u0000"'])
def test_strange_values_are_mistakes(tmp_path: Path, value: str) -> None:
    """What TOML can say and settings cannot mean is told, never a crash."""
    (line,) = faults(tmp_path, f"[server]\ndrain_s = {value}\n")
    assert line.startswith("FILE:2: server.drain_s ")


def test_files_that_cannot_be_read_are_told_with_the_rest(tmp_path: Path) -> None:
    """A missing file does not hide a wrong variable."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, tmp_path / "none.toml", {"LUKHAS_LISTNE": "1"})
    assert len(caught.value.faults) == 2


def test_cross_checks_have_places_too(tmp_path: Path) -> None:
    """What does not fit together is told at the value to change, wherever that was set."""
    path = toml(tmp_path, 'listen = "127.0.0.1:8001"\nupstream = "http://a:1"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings({"--admin": "127.0.0.1:8001"}, path, {})
    assert caught.value.where == "--admin"
    with pytest.raises(SettingsError) as caught:
        load_settings({}, toml(tmp_path, ""), {}, needs_upstream=True)
    assert caught.value.where.endswith("lukhas.toml")
    assert "upstream.url is missing" in caught.value.what
    with pytest.raises(SettingsError) as caught:
        load_settings({}, None, {}, needs_upstream=True)
    assert caught.value.where == "settings"


def test_workers_as_text() -> None:
    """A flag and a variable may say a number or `auto`; what is neither is told with its place."""
    assert load_settings({"--workers": "2"}, None, {}).settings.workers == 2
    assert load_settings({"--workers": "auto"}, None, {}).settings.workers == "auto"
    assert load_settings({}, None, {"LUKHAS_WORKERS": "3"}).settings.workers == 3
    with pytest.raises(SettingsError) as caught:
        load_settings({"--workers": "65"}, None, {})
    assert str(caught.value) == (
        "--workers: 65 is not between 1 and 64: "
        'use a number of processes, "auto" for one a CPU, or "auto:1-8" to follow the load'
    )


def test_one_wrong_limit_flag_is_one_mistake() -> None:
    """A flag that sets four tiers is told once."""
    with pytest.raises(SettingsError) as caught:
        load_settings({"--limit": "0/minute"}, None, {})
    assert len(caught.value.faults) == 1


def test_the_examples_are_good() -> None:
    """Every file in examples/ is a valid gateway."""
    folder = Path(__file__).resolve().parents[3] / "examples"
    files = [path for path in sorted(folder.iterdir()) if path.suffix in {".toml", ".yaml"}]
    assert files
    for path in files:
        load_settings({}, path, HOME, needs_upstream=True)
