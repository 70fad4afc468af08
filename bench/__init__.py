"""Size, latency, memory and quality of bundles, with gates."""
