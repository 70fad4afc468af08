"""What the sections of a preset check of themselves."""

from t2a_edge.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """A ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)
