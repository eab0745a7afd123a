"""`lukhas keys` makes, shows, rotates and revokes API keys."""

import asyncio
from pathlib import Path

import pytest

from lukhas.admin.key_uses import KeyUses
from lukhas.cli.main import run
from lukhas.clock import SystemClock
from lukhas.identity.credentials import CredentialCache
from lukhas.identity.key_table import open_key_table
from lukhas.identity.pepper import load_pepper
from lukhas.policy.access.api_keys import Rejection
from lukhas.policy.access.consumers import Consumer
from lukhas.policy.rate_limiting.tiers import Tier
from lukhas.units import SECOND_NS


def whose(text: str, state_dir: Path) -> Consumer | Rejection:
    """What the gateway says to a key."""
    table = open_key_table(state_dir)
    try:
        credentials = CredentialCache(table, load_pepper(state_dir))
        return credentials.consumer_for(text.encode(), SystemClock().now_ns())
    finally:
        table.close()


def test_a_key_works_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is the key alone; rotation renews it, revocation ends it."""
    state = ["--state-dir", str(tmp_path)]
    assert run(["keys", "create", "--tier", "Premium", "--name", "ann", *state]) == 0
    out, err = capsys.readouterr()
    first = out.removesuffix("\n")
    assert "\n" not in first
    assert first not in err
    consumer = whose(first, tmp_path)
    assert isinstance(consumer, Consumer)
    assert (consumer.tier, consumer.name) == (Tier.PREMIUM, "ann")

    assert run(["keys", "rotate", consumer.credential_id, "--grace-s", "0", *state]) == 0
    second = capsys.readouterr().out.removesuffix("\n")
    assert isinstance(whose(first, tmp_path), Rejection)
    assert isinstance(whose(second, tmp_path), Consumer)

    assert run(["keys", "revoke", consumer.credential_id, *state]) == 0
    assert isinstance(whose(second, tmp_path), Rejection)
    capsys.readouterr()
    assert run(["keys", "list", *state]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["ID", "CONSUMER", "TIER"]
    assert line.split()[:3] == [consumer.credential_id, "ann", "premium"]
    assert line.endswith("revoked")


def test_the_list_tells_the_last_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the admin process wrote it down; a dash where it knows of none."""
    state = ["--state-dir", str(tmp_path)]
    for name in ("ann", "bob"):
        assert run(["keys", "create", "--tier", "free", "--name", name, *state]) == 0
    capsys.readouterr()
    assert run(["keys", "list", *state]) == 0
    key_id = capsys.readouterr().out.splitlines()[1].split()[0]
    uses = KeyUses(tmp_path)
    uses.keep({key_id: 1_800_000_000 * SECOND_NS})

    async def write() -> None:
        async with uses.opened():
            await uses.write()

    asyncio.run(write())
    assert run(["keys", "list", *state]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    column = slice(head.index("LAST USED"), head.index("STATE"))
    shown = {line.split()[1]: line[column].strip() for line in lines}
    assert shown == {"ann": "2027-01-15 08:00", "bob": "-"}


def test_keys_may_expire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An expiry is shown in the list; without a name the tier is the name."""
    state = ["--state-dir", str(tmp_path)]
    assert run(["keys", "create", "--tier", "free", "--expires-in-days", "1.5", *state]) == 0
    capsys.readouterr()
    assert run(["keys", "list", *state]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert "never" not in line
    assert line.split()[1:3] == ["free", "free"]
    assert line.endswith("active")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["create", "--tier", "gold"], "lukhas: --tier: 'gold' is not a tier: use free, basic"),
        (["create"], "lukhas: keys create: missing option '--tier'"),
        (
            ["create", "--tier", "free", "--expires-in-days", "x"],
            "lukhas: --expires-in-days: 'x' is not a number",
        ),
        (
            ["create", "--tier", "free", "--expires-in-days", "nan"],
            "lukhas: --expires-in-days: 'nan' is out of range",
        ),
        (["create", "--tier", "free", "--env", "LIVE!"], "lukhas: 'LIVE!' is no environment"),
        (["revoke", "nobody"], "lukhas: there is no API key 'nobody'"),
        (["rotate", "nobody"], "lukhas: there is no API key 'nobody'"),
        (["rotate", "x", "--grace-s", "soon"], "lukhas: --grace-s: 'soon' is not a number"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends with 2 and one line."""
    assert run(["keys", *arguments, "--state-dir", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(line)
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["list"], ["revoke", "x"], ["rotate", "x"]])
def test_a_state_directory_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """It is not made: a slip of the pen would look like a gateway without keys."""
    missing = tmp_path / "sate"
    assert run(["keys", *command, "--state-dir", str(missing)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"lukhas: there is no state directory {missing}: name that of")
    assert not missing.exists()
