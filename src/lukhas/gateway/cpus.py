"""How many CPUs this process may use: by its affinity, and by the quota of its control groups."""

import os
from pathlib import Path

__all__ = ("cpu_quota", "usable_cpus")


def usable_cpus() -> int:
    """How many CPUs this process may use, at least 1.

    A container that is limited to 2 CPUs of a machine with 64 has 2.
    """
    allowed = len(os.sched_getaffinity(0))
    quota = cpu_quota(Path("/"))
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota(root: Path) -> float | None:
    """How many CPUs the control groups of this process leave it; None for no limit.

    Args:
        root: the root of the file system.

    Source: cgroup v2 (Documentation/admin-guide/cgroup-v2.rst, `cpu.max`), and for v1
    Documentation/scheduler/sched-bwc.rst.
    """
    found: list[float] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base = root / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            base = root / "sys/fs/cgroup" / "cpu"
        else:
            continue
        # A limit of any group above holds, too. Inside a namespace the path may lead nowhere.
        group = base / path.lstrip("/")
        while True:
            quota = _quota_of(group)
            if quota is not None:
                found.append(quota)
            if group == base or base not in group.parents:
                break
            group = group.parent
    return min(found, default=None)


def _quota_of(group: Path) -> float | None:
    words = _read(group / "cpu.max").split()
    if not words:
        words = [_read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us")]
    try:
        quota_us, period_us = map(int, words)
    except ValueError:
        return None  # "max", or there is no such file.
    return quota_us / period_us if quota_us > 0 < period_us else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
