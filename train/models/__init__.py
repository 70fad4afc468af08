"""The networks, and the whole model; no task is imported here."""
