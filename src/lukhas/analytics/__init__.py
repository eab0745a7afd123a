"""The history of a node: roll-ups of its figures in a database, and questions about them."""
