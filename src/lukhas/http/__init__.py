"""The HTTP message model: pure values and parsers, no I/O."""
