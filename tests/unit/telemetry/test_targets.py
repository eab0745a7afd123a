"""Servers as all workers together see them."""

from lukhas.telemetry.targets import TargetReport, together

A = "http://10.0.0.1:9000"
B = "http://10.0.0.2:9000"


def test_counts_are_summed_and_the_worst_standing_counts() -> None:
    """Each worker judges by itself; the weight is that which was told last."""
    one = TargetReport("shop", A, "healthy", 1, 2, 3, 10e6, 9, 1, 0)
    two = TargetReport("shop", A, "ejected", 2, 1, 1, 40e6, 29, 5, 7, out_until_ns=900)
    three = TargetReport("shop", A, "healthy", 3, 0, 1)
    (found,) = together([one, two, three])
    assert found.standings == {"healthy": 2, "ejected": 1}
    assert list(found.standings) == ["healthy", "ejected"]
    assert found.worst == "ejected"
    assert found.report == TargetReport(
        "shop", A, "ejected", 3, 3, 5, (10e6 * 10 + 40e6 * 30) / 40, 38, 6, 7, 900
    )


def test_servers_stay_apart_by_upstream_and_address() -> None:
    """Two upstreams may be on one server; the order is that in which they were told."""
    reports = [TargetReport(*key, "healthy") for key in (("b", A), ("a", B), ("a", A), ("b", A))]
    found = [(each.report.upstream, each.report.address) for each in together(reports)]
    assert found == [("b", A), ("a", B), ("a", A)]


def test_a_latency_that_nobody_knows_is_none() -> None:
    """And one that was only a failure counts."""
    (unknown,) = together([TargetReport("a", A, "healthy", answers=5)])
    assert unknown.report.latency_ns == 0
    failed = TargetReport("a", A, "healthy", latency_ns=1e9, failures=1)
    assert together([failed])[0].report.latency_ns == 1e9
    assert together([]) == []
