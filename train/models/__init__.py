"""The networks that compose and paint; no training task is imported here."""
