"""`python -m t2a_edge`, the same as `t2a-edge`."""

from t2a_edge.cli import cli

cli()
