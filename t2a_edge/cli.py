"""`t2a-edge`: adjectives in, a picture out. Each command is loaded when it is asked for."""

import difflib
import importlib

import click

from t2a_edge import __version__
from t2a_edge.command import run_command

PROGRAM = "t2a-edge"
COMMANDS = {
    "Draw": {"generate": "draw", "interpolate": "interpolate", "tile": "draw"},
    "Change a picture": {"vary": "change", "inpaint": "change", "outpaint": "change"},
    "Read": {"inspect": "inspect", "decode": "read", "explain": "read", "measure": "read"},
    "Run": {"bench": "bench", "info": "info", "serve": "serve", "completion": "completion"},
}  # title of a section -> name of a command -> its module in t2a_edge.commands


class LazyGroup(click.Group):
    """Commands whose modules are imported when they are used or listed, in sections."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is no such one."""
        for section in COMMANDS.values():
            if cmd_name in section:
                module = importlib.import_module(f"t2a_edge.commands.{section[cmd_name]}")
                command: click.Command = getattr(module, cmd_name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section of the help for each title."""
        for title, section in COMMANDS.items():
            commands = ((name, self.get_command(ctx, name)) for name in section)
            rows = [(name, c.get_short_help_str(64)) for name, c in commands if c is not None]
            with formatter.section(title):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none, say which one may be meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            if args[0].startswith("-"):
                raise
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            meant = " ".join([PROGRAM, *(near + args[1:] if near else ["generate", *args])])
            raise click.UsageError(
                f"No such command {args[0]!r}; did you mean `{meant}`? See `{PROGRAM} --help`.", ctx
            ) from exc


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(__version__, prog_name=PROGRAM)
def main() -> None:
    """Turn a few adjectives into an abstract picture, offline, in a blink.

    \b
    Examples:
      t2a-edge generate warm dark fluid
      t2a-edge COMMAND --help
    """  # noqa: D301


def cli() -> None:
    """Entry point of the `t2a-edge` command."""
    run_command(main)
