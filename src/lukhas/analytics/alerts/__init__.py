"""Alerting as it runs: where values come from, what is kept, and how people are told."""
