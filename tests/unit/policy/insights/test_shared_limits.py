"""What a series can reach."""

from lukhas.policy.insights.shared_limits import Ceiling, SharedLimit, lowest_ceiling

ALL = SharedLimit("all", 50.0, frozenset(), is_by_route=False)
EACH = SharedLimit("each", 20.0, frozenset(), is_by_route=True)
ORDERS = SharedLimit("orders", 5.0, frozenset(("/orders",)), is_by_route=True)


def test_the_lowest_limit_of_a_route_counts() -> None:
    """That of the route, and one that counts each route apart."""
    limits = (ALL, EACH, ORDERS)
    assert lowest_ceiling("/orders", limits) == Ceiling(5.0, "limit orders")
    assert lowest_ceiling("/users", limits) == Ceiling(20.0, "limit each")
    assert lowest_ceiling("/users", (ALL,)) is None


def test_all_together_have_the_limits_that_count_all_together() -> None:
    """And what else is known, such as what workers can do."""
    assert lowest_ceiling(None, (ALL, EACH, ORDERS)) == Ceiling(50.0, "limit all")
    workers = Ceiling(30.0, "2 workers, estimated")
    assert lowest_ceiling(None, (ALL,), (workers,)) == workers
    assert lowest_ceiling(None, ()) is None
