"""Pictures painted at once: what the painter learns from, and its stages."""
