"""Import paths of the original description; the code lives in `lukhas`."""
