"""Requests and responses against an OpenAPI description (versions 3.0 and 3.1)."""
