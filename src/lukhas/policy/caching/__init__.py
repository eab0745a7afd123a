"""HTTP caching decisions (RFC 9111)."""
