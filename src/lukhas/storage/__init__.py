"""Where state lives: ports and their adapters."""
