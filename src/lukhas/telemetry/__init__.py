"""Histograms, counters, health and logs of one process, and their way to the admin process."""
