"""The servers of the upstreams over the admin API: how each stands, and how it does."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lukhas.admin.parent import moment
from lukhas.admin.state import AdminState
from lukhas.policy.resilience.standings import Standing
from lukhas.telemetry.targets import NodeTarget, together
from lukhas.units import MILLISECOND_NS

__all__ = ("LiveTarget", "LiveUpstream", "LiveUpstreams", "upstreams_router")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LiveTarget(_Model):
    """One server. Counts are sums over the workers, since each of them began."""

    address: str
    state: Standing = Field(
        description="healthy; starting: gets its part by and by; standby: gets requests when no "
        "server with a lower priority is fit; draining: gets no new ones; unfit: does not answer "
        "probes as it should; ejected: left out for a while. The worst that a worker sees."
    )
    states: dict[Standing, int] = Field(description="How many workers see it so.")
    out_until: str | None = Field(
        description="Until when it is left out, in UTC (RFC 3339); null if it is not."
    )
    weight: int
    in_flight: int
    connections: int = Field(description="Open connections to it.")
    latency_ms: float | None = Field(
        description="The moving average that balancing goes by, where a failure counts as at least "
        "a second; null before the first answer, and where it is the only server."
    )
    answers: int = Field(description="Probes included.")
    errors: int = Field(description="Answers with 5xx.")
    failures: int = Field(description="Requests that it did not answer, or not as HTTP has it.")


class LiveUpstream(_Model):
    """One upstream."""

    name: str
    targets: list[LiveTarget]


class LiveUpstreams(_Model):
    """The upstreams whose servers are known."""

    workers: int = Field(description="How many workers this is summed over.")
    upstreams: list[LiveUpstream]


def upstreams_router(state: AdminState) -> APIRouter:
    """What the workers know of the servers of the upstreams."""
    router = APIRouter(prefix="/api/v1", tags=["status"])

    @router.get("/upstreams")
    async def upstreams() -> LiveUpstreams:
        """Each server: whether it gets requests, what it is doing, and what it failed to do."""
        now_ns = state.clock.now_ns()
        by_worker = state.totals.targets(now_ns)
        by_name: dict[str, list[LiveTarget]] = {}
        for target in together(report for reports in by_worker for report in reports):
            by_name.setdefault(target.report.upstream, []).append(_live(target, now_ns))
        return LiveUpstreams(
            workers=len(by_worker),
            upstreams=[LiveUpstream(name=name, targets=each) for name, each in by_name.items()],
        )

    return router


def _live(target: NodeTarget, now_ns: int) -> LiveTarget:
    report = target.report
    until_ns = report.out_until_ns
    return LiveTarget(
        address=report.address,
        state=target.worst,
        states=target.standings,
        out_until=moment(until_ns) if until_ns > now_ns else None,
        weight=report.weight,
        in_flight=report.in_flight,
        connections=report.connections,
        latency_ms=report.latency_ns / MILLISECOND_NS if report.latency_ns else None,
        answers=report.answers,
        errors=report.faults,
        failures=report.failures,
    )
