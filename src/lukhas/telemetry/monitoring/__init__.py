"""Rules, dashboards and configuration for Prometheus, Alertmanager and Grafana, as code."""
