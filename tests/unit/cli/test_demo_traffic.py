"""The synthetic traffic is varied, and made of requests that the shop understands."""

import random
from collections import Counter

from lukhas.cli.demo_traffic import next_request


def test_every_endpoint_is_used() -> None:
    """Mostly products, now and then the rest; popular products more often."""
    chance = random.Random(7)
    made = [next_request(chance) for _ in range(3000)]
    kinds = Counter(path.split("?")[0].split("/")[1] for _, path, _ in made)
    assert kinds["products"] > 0.7 * len(made)
    assert set(kinds) == {"products", "cart", "unstable", "reports", "orders"}
    numbers = [int(path.rpartition("/")[2]) for _, path, _ in made if path.startswith("/products/")]
    assert sum(number <= 30 for number in numbers) > 0.4 * len(numbers)
    assert {method for method, path, _ in made if path == "/cart"} == {"POST"}
