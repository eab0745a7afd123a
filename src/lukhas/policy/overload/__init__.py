"""What to do when there is more work than an upstream can take: how much, and whose."""
