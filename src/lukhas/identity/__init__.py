"""Who calls: API keys, their stores, and the check of a presented credential."""
