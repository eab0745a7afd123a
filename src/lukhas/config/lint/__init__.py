"""Settings and routes that are allowed, and yet are hardly meant so."""
