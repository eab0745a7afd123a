"""What the parent makes of settings for its children."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.gateway.family import Family, worker_count
from lukhas.gateway.listening import Listeners, listening_socket


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    """The children of a gateway with two workers, none of them started."""
    listeners = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=True)
    with listening_socket(Address("127.0.0.1", 0)) as admin_plane:
        yield Family(Settings(workers=2), listeners, admin_plane, tmp_path)
    listeners.close()


def test_auto_is_one_worker_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts the CPUs that this process may use, and stops at 64."""
    assert worker_count(Settings(workers=5)) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 7})
    assert worker_count(Settings(workers="auto")) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(100)))
    assert worker_count(Settings(workers="auto")) == 64


def test_what_only_a_restart_can_change(family: Family, caplog: pytest.LogCaptureFixture) -> None:
    """Addresses and state directory stay; each change is told once, the rest is taken up."""
    changed = Settings.model_validate(
        {
            "listen": "127.0.0.1:1",
            "admin": {"listen": "127.0.0.1:2", "token": "sixteen characters"},
            "state_dir": "/elsewhere",
            "workers": 3,
        }
    )
    with caplog.at_level(logging.WARNING, "lukhas.supervisor"):
        fixed = family._with_fixed(changed)
    assert fixed.listen == family.settings.listen
    assert fixed.admin.listen == family.settings.admin.listen
    assert fixed.state_dir == family.settings.state_dir
    assert (fixed.workers, fixed.admin.token) == (3, changed.admin.token)
    assert [record.message.split(" stays")[0] for record in caplog.records] == [
        "listen",
        "admin.listen",
        "state_dir",
    ]


def test_children_know_their_number_and_no_more_than_they_need(family: Family) -> None:
    """Workers are told how many they are; the admin token is for the admin process alone."""
    settings = Settings.model_validate({"workers": 3, "admin": {"token": "sixteen characters"}})
    workers, admin = family._next(settings)
    tasks = [worker._task for worker in workers._workers]
    assert [task.name for task in tasks] == ["worker-1", "worker-2", "worker-3"]
    assert {task.workers for task in tasks} == {3}
    assert {task.generation for task in tasks} == {2}
    assert {task.settings.admin.token for task in tasks} == {None}
    assert admin._task.settings.admin.token is not None
    assert admin._task.waits
