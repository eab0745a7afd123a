"""Who may use the admin plane."""

import os
import stat
from pathlib import Path

import pytest

from lukhas.admin.access import SESSION_S, AdminToken, GuessBrake, load_token, may_bind
from lukhas.errors import ConfigError, StateDirError
from lukhas.units import MINUTE_NS, SECOND_NS

TOKEN = AdminToken("correct horse battery", "settings")


def test_only_the_token_matches() -> None:
    """Whole, and nothing else; any text may be presented."""
    assert TOKEN.matches("correct horse battery")
    for wrong in ("", "correct horse", "correct horse battery ", "pässwort", "\udcff"):
        assert not TOKEN.matches(wrong)


def test_the_token_is_not_in_the_repr() -> None:
    """Tracebacks and logs show reprs."""
    assert "horse" not in repr(TOKEN)


def test_a_session_lasts_its_time() -> None:
    """And no longer."""
    session = TOKEN.new_session(0)
    assert TOKEN.accepts_session(session, 0)
    assert TOKEN.accepts_session(session, (SESSION_S - 1) * SECOND_NS)
    assert not TOKEN.accepts_session(session, SESSION_S * SECOND_NS)


def test_a_session_cannot_be_forged() -> None:
    """Neither prolonged nor made with another token; any text may be presented."""
    session = TOKEN.new_session(0)
    end, rest = session.split(".", 1)
    forged = [f"{int(end) + 1}.{rest}", session[:-1], "", "..", "é.é.é", "x"]
    forged.append(AdminToken("another token altogether", "x").new_session(0))
    assert not any(TOKEN.accepts_session(cookie, 0) for cookie in forged)


def test_a_configured_token_is_used(tmp_path: Path) -> None:
    """No file is made."""
    assert load_token("a" * 16, tmp_path) == AdminToken("a" * 16, "settings")
    assert list(tmp_path.iterdir()) == []


def test_a_short_configured_token_is_refused(tmp_path: Path) -> None:
    """It could be guessed."""
    with pytest.raises(ConfigError, match="fewer than 16 characters"):
        load_token("secret", tmp_path)


def test_a_token_is_made_once_for_this_user_only(tmp_path: Path) -> None:
    """With mode 0600, and read again at the next start."""
    made = load_token(None, tmp_path)
    file = tmp_path / "admin.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(made.value) >= 43
    assert made.source == str(file)
    assert load_token("", tmp_path) == made


def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The message says what to do."""
    load_token(None, tmp_path)
    (tmp_path / "admin.token").chmod(0o644)
    with pytest.raises(StateDirError, match="chmod 600"):
        load_token(None, tmp_path)


def test_an_empty_token_file_is_refused(tmp_path: Path) -> None:
    """An empty token would open the admin plane to all."""
    (tmp_path / "admin.token").touch(0o600)
    with pytest.raises(StateDirError, match="no usable token"):
        load_token(None, tmp_path)


def test_a_state_directory_that_is_missing_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(StateDirError, match="cannot be kept"):
        load_token(None, tmp_path / "missing")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_configured_token(host: str) -> None:
    """Only this machine reaches it, and the made token still protects it."""
    may_bind(host, token_configured=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_elsewhere_a_token_must_be_configured(host: str) -> None:
    """The empty host is every address."""
    may_bind(host, token_configured=True)
    with pytest.raises(ConfigError, match=r"set admin\.token"):
        may_bind(host, token_configured=False)


def test_ten_wrong_tokens_lock_an_address_out_for_a_minute() -> None:
    """That address only."""
    brake = GuessBrake()
    for second in range(9):
        brake.wrong("a", second * SECOND_NS)
        assert brake.locked_for_s("a", second * SECOND_NS) == 0
    brake.wrong("a", 9 * SECOND_NS)
    assert brake.locked_for_s("a", 9 * SECOND_NS) == 60
    assert brake.locked_for_s("a", 9 * SECOND_NS + MINUTE_NS - 1) == 1
    assert brake.locked_for_s("a", 9 * SECOND_NS + MINUTE_NS) == 0
    assert brake.locked_for_s("b", 9 * SECOND_NS) == 0


def test_wrong_tokens_are_forgotten_after_a_minute() -> None:
    """A person who mistypes now and then is not locked out."""
    brake = GuessBrake()
    for number in range(30):
        brake.wrong("a", number * 10 * SECOND_NS)
        assert brake.locked_for_s("a", number * 10 * SECOND_NS) == 0


def test_the_brake_takes_bounded_memory() -> None:
    """Whoever has many addresses cannot fill it."""
    brake = GuessBrake()
    for number in range(3000):
        brake.wrong(str(number), 0)
    assert len(brake._wrong) == 1024


def test_a_killed_process_leaves_no_half_of_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the token is whole it has not its name."""

    def killed(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lukhas.admin.access.os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        load_token(None, tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    assert load_token(None, tmp_path) == load_token(None, tmp_path)


def test_of_two_that_begin_together_one_takes_the_token_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever names its token first."""
    link = os.link
    first: list[AdminToken] = []

    def outrun(made: str, path: Path) -> None:
        monkeypatch.setattr("lukhas.admin.access.os.link", link)
        first.append(load_token(None, tmp_path))
        link(made, path)

    monkeypatch.setattr("lukhas.admin.access.os.link", outrun)
    assert load_token(None, tmp_path) == first[0]
    assert [each.name for each in tmp_path.iterdir()] == ["admin.token"]
