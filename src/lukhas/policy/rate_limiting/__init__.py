"""Rate limits: what may pass, and what the client is told."""
