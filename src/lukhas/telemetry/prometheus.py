"""The totals in the Prometheus text format, version 0.0.4."""

from lukhas.telemetry.families import DurationFamily, Family, Labels, NodeFigures, families_of
from lukhas.telemetry.totals import Totals
from lukhas.units import SECOND_NS

__all__ = ("BOUNDS_NS", "CONTENT_TYPE", "NodeFigures", "render")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
)  # fmt: skip
BOUNDS_NS = tuple(round(bound * SECOND_NS) for bound in _BOUNDS_S)
"""The bounds of the classic buckets of durations."""


def render(totals: Totals, node: NodeFigures | None = None) -> bytes:
    """The whole page; every metric name starts with `lukhas_`.

    Args:
        totals: what the workers have counted.
        node: what is known beside that, if anything.

    Latency buckets come from the sketches, so each bound is off by at most 0.78 % of its value.
    """
    lines: list[str] = []
    for family in families_of(totals, node):
        kind = "histogram" if isinstance(family, DurationFamily) else family.kind
        lines += (f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {kind}")
        if isinstance(family, DurationFamily):
            _histograms(lines, family)
        else:
            _numbers(lines, family)
    lines.append("")
    return "\n".join(lines).encode()


def _numbers(lines: list[str], family: Family) -> None:
    lines.extend(
        f"{family.name}{_braces(labels)} {_number(value)}" for labels, value in family.rows
    )


def _histograms(lines: list[str], family: DurationFamily) -> None:
    name = family.name
    for labels, sketch in family.rows:
        counted = sketch.cumulative(BOUNDS_NS)
        for bound_s, number in zip(_BOUNDS_S, counted, strict=True):
            lines.append(f"{name}_bucket{_braces((*labels, ('le', f'{bound_s:g}')))} {number}")
        lines.append(f"{name}_bucket{_braces((*labels, ('le', '+Inf')))} {sketch.count}")
        lines.append(f"{name}_sum{_braces(labels)} {_number(sketch.total_ns / SECOND_NS)}")
        lines.append(f"{name}_count{_braces(labels)} {sketch.count}")


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
