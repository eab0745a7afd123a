"""What the parent makes of settings for its children."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.config.addresses import Address
from lukhas.config.settings import Settings
from lukhas.config.workers import WorkerBounds
from lukhas.gateway.family import Family
from lukhas.gateway.listening import Listeners, listening_socket


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    """The children of a gateway with two workers, none of them started."""
    listeners = Listeners(listening_socket(Address("127.0.0.1", 0)), may_add=True)
    with listening_socket(Address("127.0.0.1", 0)) as admin_plane:
        yield Family(Settings(workers=2), listeners, admin_plane, tmp_path)
    listeners.close()


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
    kim = {"name": "kim", "token": "sixteen others..."}
    settings = Settings.model_validate(
        {"workers": 3, "admin": {"token": "sixteen characters", "operators": [kim]}}
    )
    workers, admin = family._next(settings, WorkerBounds(3, 3), 3)
    tasks = [worker._task for worker in workers.workers]
    assert [task.name for task in tasks] == ["worker-1", "worker-2", "worker-3"]
    assert {task.workers for task in tasks} == {3}
    assert {task.generation for task in tasks} == {2}
    assert {task.settings.admin.token for task in tasks} == {None}
    assert {task.settings.admin.operators for task in tasks} == {()}
    assert len(admin._task.settings.admin.operators) == 1
    assert admin._task.settings.admin.token is not None
    assert admin._task.waits


@pytest.mark.parametrize("can_steer", [True, False])
def test_workers_that_follow_the_load_have_sockets_for_the_most(
    family: Family, *, can_steer: bool
) -> None:
    """All know all of them from the start; where connections cannot be steered there is one."""
    family._listeners.forget_beyond(1)
    family._listeners.can_steer = can_steer
    workers, _ = family._next(Settings(workers="auto:2-4"), WorkerBounds(2, 4), 2)
    tasks = [worker._task for worker in workers.workers]
    assert [len(task.descriptors) for task in tasks] == [1, 1]
    assert [len(task.sibling_descriptors) for task in tasks] == ([3, 3] if can_steer else [0, 0])
    # What each may let through alone is a part for the most.
    assert {task.workers for task in tasks} == {4}
