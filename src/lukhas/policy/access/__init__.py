"""Who is calling, and in which tier."""
