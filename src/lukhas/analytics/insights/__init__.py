"""Findings and forecasts from the history."""
