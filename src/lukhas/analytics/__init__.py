"""Analytics: the history of a node, questions about it, and alerts."""
