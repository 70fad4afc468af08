"""The program `t2a-edge`, also as `python -m t2a_edge`."""

from t2a_edge.interrupts import end_at_once


def main() -> None:
    """Run the command line."""
    end_at_once()
    from t2a_edge.cli import cli  # here: Ctrl-C during what it imports is as quiet

    cli()


if __name__ == "__main__":
    main()
