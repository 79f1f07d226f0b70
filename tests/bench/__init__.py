"""Measurements, each a ratio against a named peer or limit in the same run. Never run as tests: `make bench`."""
