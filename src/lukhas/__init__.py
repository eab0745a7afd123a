"""LUKHAS API Optimizer: rate limits, an HTTP cache, security and analytics in front of any API."""
