"""Analytics: roll-ups, queries and alerts."""
