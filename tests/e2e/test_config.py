"""Settings from files, variables and flags, in effect in a gateway that serves."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Origin, StartGateway
from tests.e2e.kit import run_cli

_GOOD = {
    "good.toml": """
upstream = "http://127.0.0.1:9000"
[tiers]
free = "7/minute"
[[routes]]
name = "item"
path = "/items/{id}"
limits = "2/minute"
""",
    "servers.toml": """
[upstream]
url = "http://127.0.0.1:9000"
targets = ["https://127.0.0.1:9001"]
[upstream.tls]
ca_file = "/etc/ssl/ca.pem"
[upstream.balancing.retries]
statuses = [502, 503]
""",
    "good.yaml": """
upstream: http://127.0.0.1:9000
tiers:
  free: 7/minute
routes:
  - name: item
    path: /items/{id}
    limits: 2/minute
""",
}


@pytest.mark.parametrize("name", _GOOD)
def test_good_files_are_good(name: str, tmp_path: Path) -> None:
    """`lukhas check` says that a good file is good."""
    file = tmp_path / name
    file.write_text(_GOOD[name])
    done = run_cli("check", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{file}: good")


_BAD = {
    "unknown-key": ('upstream = "http://a.test"\n\n[cache]\nttl = 3\n', [4], "ttl"),
    "wrong-type": ('upstream = "http://a.test"\nworkers = "many"\n', [2], "workers"),
    "impossible-limit": ('upstream = "http://a.test"\n[tiers]\nfree = "0/minute"\n', [3], "0"),
    "no-limit": ('upstream = "http://a.test"\n[tiers]\nfree = "often"\n', [3], "often"),
    "routes-alike": (
        (
            'upstream = "http://a.test"\n'
            '[[routes]]\nname = "one"\npath = "/a/{x}"\n'
            '[[routes]]\nname = "two"\npath = "/a/{y}"\n'
        ),
        [5],
        "'one'",
    ),
    "not-toml": ('upstream = "http://a.test"\nlisten =\n', [2], "TOML"),
    "several": (
        'upstream = "http://a.test"\nworkers = 0\n[cache]\nmode = "of"\nmax_ttl_s = -1\n',
        [2, 4, 5],
        "mode",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_each_mistake_is_one_line_with_its_place(case: str, tmp_path: Path) -> None:
    """`lukhas check` ends with 2 and tells file, line, what and what to do, a line for each."""
    text, lines, word = _BAD[case]
    file = tmp_path / "bad.toml"
    file.write_text(text)
    done = run_cli("check", str(file))
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert [line.split(": ")[:2] for line in told] == [["lukhas", f"{file}:{n}"] for n in lines]
    assert all(len(line.split(": ")) >= 4 for line in told), "nothing is said about what to do"
    assert word in done.stderr
    served = run_cli("serve", "--config", str(file), "--state-dir", str(tmp_path / "state"))
    assert served.returncode == 2
    assert served.stderr.startswith(f"lukhas: {file}:")
    assert served.stderr.count("\n") == 1


def test_yaml_mistakes_have_lines_too(tmp_path: Path) -> None:
    """A mistake in a YAML file is told with its line."""
    file = tmp_path / "bad.yaml"
    file.write_text("upstream: http://a.test\ncache:\n  mode: on-and-off\n")
    done = run_cli("check", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith(f"lukhas: {file}:3: ")


def test_config_show_tells_the_sources(tmp_path: Path) -> None:
    """`lukhas config show` prints values in effect and where each comes from."""
    file = tmp_path / "some.toml"
    file.write_text('upstream = "http://from.file"\n[cache]\ndefault_ttl_s = 10\nmax_ttl_s = 90\n')
    env = {
        "LUKHAS_CACHE__MAX_TTL_S": "50",
        "LUKHAS_TIERS__FREE": "9/minute",
        "LUKHAS_ADMIN__TOKEN": "a-secret-token-of-some-length",
    }
    done = run_cli("config", "show", "--config", str(file), "--cache-ttl", "20", env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for line in (
        f'upstream.url = "http://from.file"  # {file}:1',
        "cache.default_ttl_s = 20  # --cache-ttl",
        f"cache.max_ttl_s = 90  # {file}:4",
        'tiers.free = "9/minute"  # LUKHAS_TIERS__FREE',
        "workers = 1  # default",
    ):
        assert line in lines
    assert "a-secret-token" not in done.stdout


@pytest.mark.parametrize("language", ["toml", "yaml"])
def test_flags_win_over_the_file_and_the_file_over_variables(
    language: str, gateway: StartGateway, origin: Origin, tmp_path: Path, http: httpx.Client
) -> None:
    """What is served with follows flag, file and variable, in this order."""
    file = tmp_path / f"gateway.{language}"
    pairs = {"upstream": origin.url, "listen": "127.0.0.1:0", "state_dir": str(tmp_path / "state")}
    if language == "toml":
        text = "".join(f'{key} = "{value}"\n' for key, value in pairs.items())
        text += '[tiers]\nfree = "22/minute"\n[cache]\ndefault_ttl_s = 44\n'
    else:
        text = "".join(f"{key}: {value}\n" for key, value in pairs.items())
        text += "tiers:\n  free: 22/minute\ncache:\n  default_ttl_s: 44\n"
    file.write_text(text)
    env = {
        "LUKHAS_UPSTREAM": "http://127.0.0.1:1",
        "LUKHAS_TIERS__FREE": "11/minute",
        "LUKHAS_ADMIN__LISTEN": "127.0.0.1:0",
        "LUKHAS_CACHE__DEFAULT_TTL_S": "11",
        "LUKHAS_RATE_LIMIT_HEADERS__LEGACY": "true",
    }
    running = gateway("--config", str(file), "--cache-ttl", "66", env=env)
    answer = http.get(f"{running.url}/plain/{language}")
    assert answer.text == "call 1"
    assert answer.headers["ratelimit-policy"] == '"free-minute";q=22;w=60'
    assert answer.headers["x-ratelimit-limit"] == "22"
    hit = http.get(f"{running.url}/plain/{language}").headers["cache-status"]
    assert hit in {"lukhas; hit; ttl=66", "lukhas; hit; ttl=65"}


def test_variables_alone_are_enough(
    gateway: StartGateway, origin: Origin, tmp_path: Path, http: httpx.Client
) -> None:
    """A gateway can be set up by variables alone, as in a container."""
    env = {
        "LUKHAS_UPSTREAM": origin.url,
        "LUKHAS_LISTEN": "127.0.0.1:0",
        "LUKHAS_ADMIN__LISTEN": "127.0.0.1:0",
        "LUKHAS_STATE_DIR": str(tmp_path / "state"),
        "LUKHAS_ROUTES": '[{"name": "one", "path": "/one/{x}", "limits": "1/minute"}]',
    }
    running = gateway(env=env)
    assert [http.get(f"{running.url}/one/a").status_code for _ in range(2)] == [200, 429]
    assert http.get(f"{running.url}/two").status_code == 200
