"""`python -m t2a_edge.commands.manual --out docs/cli.md`: the help of every command as Markdown."""

from pathlib import Path

import click

from t2a_edge.cli import COMMANDS, PROGRAM, main
from t2a_edge.command import run_command
from t2a_edge.files import write_whole

WIDTH = 96  # characters of a line, whatever the terminal
HEAD = """# Command line

Every command with its options, as `--help` prints them. `make cli-docs` writes this page.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | `bench`: a limit was passed; `inspect --redraw`: the pixels differ |
| 2 | bad input, in one sentence on standard error; nothing half-written |
| 3 | `bench --strict`: a figure was not measured |
| 130 | stopped with Ctrl-C |
"""


def help_of(name: str | None = None) -> str:
    """The help of a command, or of all together, at a fixed width."""
    root = main.make_context(PROGRAM, [], terminal_width=WIDTH, resilient_parsing=True)
    command = None if name is None else main.get_command(root, name)
    if command is None:
        return root.get_help()
    return click.Context(command, root, name, terminal_width=WIDTH).get_help()


def manual() -> str:
    """The whole page."""
    parts = [HEAD, f"```\n{help_of()}\n```\n"]
    for title, section in COMMANDS.items():
        parts.append(f"## {title}\n")
        parts += [f"### {name}\n\n```\n{help_of(name)}\n```\n" for name in section]
    return "\n".join(parts)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/cli.md"))
def write_manual(out: Path) -> None:
    """Write the help of every command to a file."""
    write_whole(out, manual().encode())
    click.echo(str(out))


if __name__ == "__main__":
    run_command(write_manual)
