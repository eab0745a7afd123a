"""How many CPUs may be used."""

import os
from pathlib import Path

import pytest

from lukhas.gateway import cpus
from lukhas.gateway.cpus import cpu_quota, usable_cpus


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/a/b\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            },
            1.5,
        ),
        # Seen from inside a container the path may lead nowhere, or out of it.
        ({"proc/self/cgroup": "0::/../x\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "7:memory:/a\n4:cpu,cpuacct:/a\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "0 0\n"}, None),
    ],
)
def test_the_quota_of_the_control_groups(
    files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    """The smallest of a group and all above it, in both versions; none where nothing is said."""
    assert cpu_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("allowed", "quota", "usable"),
    [(64, 2.0, 2), (64, 2.9, 2), (2, 8.0, 2), (4, None, 4), (4, 0.5, 1)],
)
def test_the_smaller_of_both(
    allowed: int, quota: float | None, usable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Affinity and quota; never less than one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(cpus, "cpu_quota", lambda _: quota)
    assert usable_cpus() == usable
