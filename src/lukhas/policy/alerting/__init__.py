"""Alerting: rules over series, the life of an alert, and who is told of it when."""
