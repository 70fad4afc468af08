"""The command that prints what a shell needs to complete our commands and adjectives."""

import click
from click.shell_completion import get_completion_class

from t2a_edge.errors import OptionError

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "t2a-edge"  # as it is typed
VARIABLE = "_T2A_EDGE_COMPLETE"  # as click makes it of the program's name


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for a shell: commands, options and known adjectives.

    \b
    Examples:
      eval "$(t2a-edge completion bash)"                       # in ~/.bashrc
      eval "$(t2a-edge completion zsh)"                        # in ~/.zshrc
      t2a-edge completion fish > ~/.config/fish/completions/t2a-edge.fish
    """  # noqa: D301
    kind = get_completion_class(shell)
    if kind is None:
        raise OptionError(f"This version of click knows no completion for {shell}; update click.")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, PROGRAM, VARIABLE).source())
