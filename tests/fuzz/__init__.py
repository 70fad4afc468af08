"""Hostile inputs for every reader, parser and public method: `python -m tests.fuzz --help`."""
