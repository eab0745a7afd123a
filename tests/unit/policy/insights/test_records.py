"""What a finding is, and which comes first."""

from lukhas.policy.insights.places import route_setting, route_title
from lukhas.policy.insights.records import Insight, figure, ranked


def insight(about: str, *, weight: float, confidence: float = 1.0) -> Insight:
    return Insight(
        kind="k",
        about=about,
        title="",
        evidence=(),
        impact="",
        confidence=confidence,
        proposal="",
        weight=weight,
    )


def test_a_finding_has_the_same_name_when_it_is_found_again() -> None:
    """Its kind and what it is about."""
    assert insight("/a", weight=1).id == insight("/a", weight=2).id == "k:/a"


def test_the_weightiest_comes_first_and_what_is_unsure_counts_less() -> None:
    """Weight times confidence; of two alike by name; no more than asked for."""
    found = [
        insight("b", weight=10),
        insight("a", weight=10),
        insight("c", weight=100, confidence=0.05),
        insight("d", weight=11),
    ]
    assert [each.about for each in ranked(found, most=3)] == ["d", "a", "b"]


def test_figures_have_as_many_digits_as_anybody_reads() -> None:
    """Four, and what is large is whole."""
    assert figure("x", 0.123456, "ratio").value == 0.1235
    assert figure("x", 1234.56, "ms").value == 1235
    assert figure("x", 123456.7, "requests").value == 123457


def test_a_route_without_a_name_is_set_for_all_others() -> None:
    """One of the settings is named; `*` is told as what it is."""
    assert route_setting("orders", "cache_ttl_s", "cache.default_ttl_s") == (
        "routes[orders].cache_ttl_s"
    )
    assert route_setting("", "cache_ttl_s", "cache.default_ttl_s") == "cache.default_ttl_s"
    assert (route_title("/a"), route_title("*")) == ("/a", "What no route is for (*)")
