"""What a finding is."""

from dataclasses import dataclass

__all__ = ("Change", "Evidence", "Insight", "figure", "ranked")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A figure that a finding stands on.

    Attributes:
        name: what it is.
        value: how much.
        unit: of what, e.g. `ms`, `requests`, `ratio`.
    """

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the settings that a finding proposes; nothing changes by itself.

    Attributes:
        setting: its path, e.g. `cache.size_bytes`; of a list, with the name of the item:
            `routes[orders].cache_ttl_s`.
        value: what to set it to, as it is written in TOML.
        present: what it is now, in the same way; empty if it is not known or not set.
    """

    setting: str
    value: str
    present: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """One finding.

    Attributes:
        kind: what sort of finding, e.g. `slow-route`.
        about: what it is about: a route, a consumer, a tier. With `kind` it names the finding, and
            the same thing found again has the same name.
        title: the claim in one sentence.
        evidence: the figures.
        impact: what it costs or would save, in words with figures.
        confidence: from 0 to 1, how likely it is that the figures are not just chance, see
            `lukhas.policy.insights.confidence`. It says nothing of causes.
        proposal: what to do, what that would bring, and what it risks.
        weight: requests or seconds of clients concerned, for the order only.
        changes: how the settings would change; empty where no setting helps.
        route: the template of the route; empty where it is not about one.
        consumer: the key of the consumer; empty likewise.
    """

    kind: str
    about: str
    title: str
    evidence: tuple[Evidence, ...]
    impact: str
    confidence: float
    proposal: str
    weight: float
    changes: tuple[Change, ...] = ()
    route: str = ""
    consumer: str = ""

    @property
    def id(self) -> str:
        """The name of the finding."""
        return f"{self.kind}:{self.about}"


def figure(name: str, value: float, unit: str) -> Evidence:
    """A figure, to as many digits as anybody reads."""
    return Evidence(name, float(f"{value:.4g}") if abs(value) < 10_000 else round(value), unit)


def ranked(insights: list[Insight], *, most: int) -> list[Insight]:
    """The weightiest first, by what is concerned and how sure that is."""
    order = sorted(insights, key=lambda each: (-each.weight * each.confidence, each.id))
    return order[:most]
