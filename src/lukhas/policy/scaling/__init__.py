"""How many processes serve."""
