"""Findings: what the figures of a window say that somebody could act on."""
